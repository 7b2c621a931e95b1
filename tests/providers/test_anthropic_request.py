"""What is sent is what Anthropic's SDK's own types allow, and what a model can not do is refused."""

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from pydantic import TypeAdapter

from headwater.domain.message import (
    GenerationRequest,
    ImagePart,
    Message,
    NamedTool,
    ProviderValue,
    ReasoningEffort,
    Settings,
    TextPart,
    Tool,
    ToolResultPart,
    ToolUse,
)
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.anthropic import Anthropic, Quirks
from headwater.providers.anthropic_models import Traits
from tests.providers.sdk_types import understood

SDK = TypeAdapter(MessageCreateParamsStreaming)
accepted = partial(understood, SDK)
HELLO = [Message("user", "Hello")]
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
CLOSED = {**SCHEMA, "additionalProperties": False}
THINKING = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}

#: Models with everything, of before and after thinking was left to the model.
OLD, NEW, NEWEST = "claude-opus-4-5", "claude-opus-4-6", "claude-opus-5-5"


def body_of(
    messages: list[Message], settings: Settings | None = None, model: str = NEW, **quirks: Any
) -> dict[str, Any]:
    """The body as it goes over the wire."""
    request = GenerationRequest(model, messages, settings or Settings())
    body: dict[str, Any] = json.loads(Anthropic(Quirks(**quirks)).request(request).body)
    return body


def refused(settings: Settings, model: str = NEW, **quirks: Any) -> tuple[str, str]:
    """The pointer and the words of the refusal."""
    with pytest.raises(UnsupportedError) as caught:
        body_of(HELLO, settings, model, **quirks)
    return str(caught.value.extra["pointer"]), caught.value.message


@pytest.mark.parametrize("model", [OLD, NEW, NEWEST])
@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(max_tokens=50, stop=["\n", "END"], temperature=1.0, top_p=1.0),
        Settings(reasoning_effort="none"),
        Settings(reasoning_effort="minimal"),
        Settings(reasoning_effort="high", max_tokens=5_000),
        Settings(json_schema=SCHEMA, reasoning_effort="low"),
        Settings(json_schema=SCHEMA, json_object=True, verbosity="medium"),
        Settings(tools=[Tool("add"), Tool("sub", "Subtract", SCHEMA, True)], tool_choice="auto"),
        Settings(tools=[Tool("add", strict=False)], tool_choice="none"),
        Settings(tools=[Tool("add")], parallel_tool_calls=False),
        Settings(tools=[Tool("add")], tool_choice="auto", parallel_tool_calls=True),
        Settings(extra={"anthropic": {"service_tier": "auto", "metadata": {"user_id": "a"}}}),
        Settings(extra={"anthropic": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}}),
    ],
)
@pytest.mark.parametrize(
    "messages",
    [
        HELLO,
        [Message("system", "Be brief."), Message("developer", [TextPart("Be kind.")]), *HELLO],
        [Message("user", [TextPart("What is it?"), ImagePart("https://example.com/a.png", detail="high")])],
        [Message("user", [ImagePart(data="AAAA", media_type="image/png"), ImagePart("data:image/webp;base64,BBBB")])],
        [
            *HELLO,
            Message(
                "assistant",
                tool_calls=[ToolUse("a", "add", '{"x":1}'), ToolUse("b", "add", "")],
                provider_data=[ProviderValue("anthropic", THINKING)],
            ),
            Message("tool", [ToolResultPart("a", "2"), ToolResultPart("b", "")]),
            Message("assistant", "Five.", tool_calls=[ToolUse("c", "add", "{}")]),
            Message("user", [TextPart("Go on."), ToolResultPart("c", "4")]),
        ],
    ],
)
def test_the_sdk_understands_all_of_it(messages: list[Message], settings: Settings, model: str) -> None:
    body = body_of(messages, settings, model)
    # The API still takes them, the SDK's types have forgotten them.
    known = {name: value for name, value in body.items() if name not in ("temperature", "top_p")}
    assert accepted(body) == known


@pytest.mark.parametrize("choice", ["required", NamedTool("add")])
def test_the_sdk_understands_a_tool_that_is_a_must(choice: Any) -> None:
    body = body_of(HELLO, Settings(tools=[Tool("add")], tool_choice=choice, parallel_tool_calls=False))
    assert accepted(body) == body


def test_the_oracle_misses_what_it_does_not_know() -> None:
    assert accepted({**body_of(HELLO), "max_token": 1}) == body_of(HELLO)


def test_the_least_request() -> None:
    assert body_of(HELLO) == {
        "model": NEW,
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
    }


def test_the_oldest_models_have_a_lower_limit() -> None:
    assert body_of(HELLO, model="claude-3-5-haiku-20241022")["max_tokens"] == 4_096
    assert body_of(HELLO, Settings(max_tokens=8_192), "claude-3-5-haiku-20241022")["max_tokens"] == 8_192


def test_server_tools_go_on_in_their_container() -> None:
    given = ProviderValue("anthropic", {"container": {"id": "container_1", "expires_at": "2026-11-21T10:00:00Z"}})
    messages = [*HELLO, Message("assistant", "Yes", provider_data=[given]), *HELLO]
    body = body_of(messages)
    assert body["container"] == "container_1"
    assert accepted(body) == body


def test_every_setting_is_sent_or_refused() -> None:
    wanted: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 10,
        "stop": ["a"],
        "reasoning_effort": "high",
        "json_schema": SCHEMA,
        "tools": [Tool("add")],
        "extra": {"anthropic": {"top_k": 5}},
    }
    beside = {"tool_choice": "required", "parallel_tool_calls": False}
    absent = {"seed", "frequency_penalty", "presence_penalty", "logprobs", "json_object", "verbosity"}
    names = {field.name for field in msgspec.structs.fields(Settings)}
    assert wanted.keys() | beside.keys() | absent == names
    plain = body_of(HELLO)
    for name, value in wanted.items():
        assert body_of(HELLO, Settings(**{name: value})) != plain
    tools = Settings(tools=[Tool("add")])
    for name, value in beside.items():
        assert body_of(HELLO, msgspec.structs.replace(tools, **{name: value})) != body_of(HELLO, tools)


class TestSampling:
    def test_old_models_take_it(self) -> None:
        body = body_of(HELLO, Settings(temperature=0.2, top_p=0.9), "claude-opus-4-0")
        assert (body["temperature"], body["top_p"]) == (0.2, 0.9)

    def test_later_ones_take_one_of_the_two(self) -> None:
        assert refused(Settings(temperature=0.2, top_p=0.9))[0] == "/settings/top_p"
        cool = body_of(HELLO, Settings(temperature=0.2, top_p=1.0))
        assert (cool["temperature"], "top_p" in cool) == (0.2, False)
        narrow = body_of(HELLO, Settings(temperature=1.0, top_p=0.9))
        assert (narrow["top_p"], "temperature" in narrow) == (0.9, False)

    def test_it_ends_at_one(self) -> None:
        assert refused(Settings(temperature=1.5), OLD)[0] == "/settings/temperature"

    def test_new_ones_do_not(self) -> None:
        pointer, words = refused(Settings(temperature=0.2), NEWEST)
        assert (pointer, "Claude 4.6" in words) == ("/settings/temperature", True)
        assert refused(Settings(top_p=0.2), NEWEST)[0] == "/settings/top_p"

    def test_what_is_so_anyway_is_not_refused(self) -> None:
        assert body_of(HELLO, Settings(temperature=1.0, top_p=1.0), NEWEST) == body_of(HELLO, model=NEWEST)

    def test_not_while_it_reasons(self) -> None:
        assert refused(Settings(temperature=0.2, reasoning_effort="low"))[0] == "/settings/temperature"
        body_of(HELLO, Settings(temperature=0.2, reasoning_effort="none"))


class TestReasoning:
    @pytest.mark.parametrize(
        ("model", "effort", "sent"),
        [
            ("claude-sonnet-4-5", "minimal", {"thinking": {"type": "enabled", "budget_tokens": 1_024}}),
            ("claude-sonnet-4-5", "low", {"thinking": {"type": "enabled", "budget_tokens": 4_096}}),
            (
                "claude-opus-4-5",
                "high",
                {"thinking": {"type": "enabled", "budget_tokens": 16_000}, "output_config": {"effort": "high"}},
            ),
            (
                "claude-opus-4-6",
                "minimal",
                {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
            ),
            (
                "claude-opus-5-5",
                "medium",
                {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "medium"}},
            ),
            (
                "claude-sonnet-4-6",
                "max",
                {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "max"}},
            ),
            (
                "claude-opus-4-7",
                "xhigh",
                {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "xhigh"}},
            ),
            ("claude-3-5-haiku", "none", {}),
            ("claude-opus-4-8", "none", {}),
            ("claude-opus-5", "none", {"thinking": {"type": "disabled"}}),
            ("claude-sonnet-5-5", "none", {"thinking": {"type": "between_tools"}}),
            ("claude-opus-5-5", "none", {"output_config": {"effort": "low"}}),
        ],
    )
    def test_effort(self, model: str, effort: Any, sent: dict[str, Any]) -> None:
        body = body_of(HELLO, Settings(reasoning_effort=effort), model)
        assert {name: body[name] for name in ("thinking", "output_config") if name in body} == sent

    @pytest.mark.parametrize(
        ("model", "beyond_high"),
        [
            ("claude-sonnet-4-5", set()),
            ("claude-opus-4-5", set()),
            ("claude-opus-4-6", {"max"}),
            ("claude-mythos-preview", {"max"}),
            ("us.anthropic.claude-opus-4-8-v1:0", {"xhigh", "max"}),
            ("claude-haiku-5-5", {"xhigh", "max"}),
            ("a-name-that-says-nothing", {"xhigh", "max"}),
        ],
    )
    def test_efforts_above_high(self, model: str, beyond_high: set[str]) -> None:
        efforts: tuple[ReasoningEffort, ...] = ("xhigh", "max")
        for effort in efforts:
            if effort in beyond_high:
                assert body_of(HELLO, Settings(reasoning_effort=effort), model)["output_config"] == {"effort": effort}
            else:
                pointer, words = refused(Settings(reasoning_effort=effort), model)
                assert (pointer, f"the effort `{effort}`" in words) == ("/settings/reasoning_effort", True)

    def test_an_answer_fits_beside_it(self) -> None:
        body = body_of(HELLO, Settings(reasoning_effort="high", max_tokens=6_000), OLD)
        assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == (6_000, 3_000)
        body = body_of(HELLO, Settings(reasoning_effort="high", max_tokens=1_025), OLD)
        assert body["thinking"]["budget_tokens"] == 1_024

    def test_what_can_not_reason_is_refused(self) -> None:
        pointer, words = refused(Settings(reasoning_effort="low"), "claude-3-5-haiku-20241022")
        assert (pointer, "Claude 3.7" in words) == ("/settings/reasoning_effort", True)
        assert refused(Settings(reasoning_effort="low", max_tokens=1_024), OLD)[0] == "/settings/max_tokens"


class TestSchemas:
    def test_objects_are_closed(self) -> None:
        inner = {"type": "array", "items": {"properties": {"enum": SCHEMA}}}
        schema = {"type": "object", "properties": {"a": inner}, "$defs": {"b": SCHEMA}, "default": {"type": "object"}}
        sent = body_of(HELLO, Settings(json_schema=schema))["output_config"]["format"]
        assert sent == {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {
                    "a": {
                        "type": "array",
                        "items": {"properties": {"enum": CLOSED}, "additionalProperties": False},
                    }
                },
                "$defs": {"b": CLOSED},
                "default": {"type": "object"},
                "additionalProperties": False,
            },
        }

    def test_the_callers_own_is_left_as_it_is(self) -> None:
        schema = {"type": "object", "properties": {"a": {"anyOf": [dict(SCHEMA), {"type": "null"}]}}}
        before = json.dumps(schema)
        body_of(HELLO, Settings(json_schema=schema))
        assert json.dumps(schema) == before

    def test_what_can_not_be_closed_is_refused(self) -> None:
        deep: dict[str, Any] = {"type": "string"}
        for _ in range(100):
            deep = {"type": "array", "items": deep}
        for schema in ({"type": "object", "additionalProperties": {"type": "integer"}}, deep):
            assert refused(Settings(json_schema=schema))[0] == "/settings/json_schema"

    def test_old_models_keep_to_none(self) -> None:
        pointer, words = refused(Settings(json_schema=SCHEMA), "claude-sonnet-4-20250514")
        assert (pointer, "Claude 4.5" in words) == ("/settings/json_schema", True)

    def test_a_strict_tool_has_a_closed_schema(self) -> None:
        strict, loose = Tool("a", parameters=SCHEMA, strict=True), Tool("b", parameters=SCHEMA)
        tools = body_of(HELLO, Settings(tools=[strict, loose]))["tools"]
        assert tools == [
            {"name": "a", "input_schema": CLOSED, "strict": True},
            {"name": "b", "input_schema": SCHEMA},
        ]
        assert refused(Settings(tools=[loose, strict]), "claude-sonnet-4-0")[0] == "/settings/tools/1/strict"


class TestToolChoice:
    TOOLS = (Tool("add"),)

    @pytest.mark.parametrize(
        ("choice", "parallel", "sent"),
        [
            (None, None, None),
            (None, True, None),
            (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
            ("auto", None, {"type": "auto"}),
            ("none", False, {"type": "none"}),
            ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
            (NamedTool("add"), None, {"type": "tool", "name": "add"}),
        ],
    )
    def test_forms(self, choice: Any, parallel: bool | None, sent: dict[str, Any] | None) -> None:
        settings = Settings(tools=list(self.TOOLS), tool_choice=choice, parallel_tool_calls=parallel)
        assert body_of(HELLO, settings).get("tool_choice") == sent

    def test_a_server_that_knows_no_names(self) -> None:
        settings = Settings(tools=[Tool("add"), Tool("sub")], tool_choice=NamedTool("sub"))
        quirks: dict[str, Any] = {"tool_choice_by_name": False, "traits": Traits(forced_tools=True)}
        body = body_of(HELLO, settings, **quirks)
        assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (["sub"], {"type": "any"})
        once = msgspec.structs.replace(settings, parallel_tool_calls=False)
        assert body_of(HELLO, once, **quirks)["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
        body = body_of(HELLO, msgspec.structs.replace(settings, tool_choice="none"), **quirks)
        assert body.keys().isdisjoint({"tools", "tool_choice"})
        body = body_of(HELLO, msgspec.structs.replace(settings, tool_choice="auto"), **quirks)
        assert (len(body["tools"]), body["tool_choice"]) == (2, {"type": "auto"})

    def test_without_tools_there_is_no_choice(self) -> None:
        assert "tool_choice" not in body_of(HELLO, Settings(tool_choice="auto", parallel_tool_calls=False))
        with pytest.raises(BadRequestError):
            body_of(HELLO, Settings(tool_choice="required"))

    def test_a_must_is_refused_where_it_would_be(self) -> None:
        forced = Settings(tools=list(self.TOOLS), tool_choice="required")
        assert refused(forced, NEWEST)[0] == "/settings/tool_choice"
        while_reasoning = msgspec.structs.replace(forced, reasoning_effort="low")
        assert refused(while_reasoning, OLD)[0] == "/settings/tool_choice"
        assert body_of(HELLO, while_reasoning, NEW)["tool_choice"] == {"type": "any"}


class TestPrefill:
    TALK = (*HELLO, Message("assistant", "The sea \n"))

    def test_an_answer_is_gone_on_with(self) -> None:
        # White space at its end would be refused, and the model writes it again.
        messages = body_of(list(self.TALK), model=OLD)["messages"]
        assert messages[-1] == {"role": "assistant", "content": "The sea"}

    def test_one_of_white_space_is_none(self) -> None:
        for model in (OLD, NEWEST):
            assert body_of([*HELLO, Message("assistant", " \n")], model=model)["messages"] == [
                {"role": "user", "content": "Hello"}
            ]

    @pytest.mark.parametrize(("model", "effort"), [(NEW, None), (NEWEST, None), (OLD, "low")])
    def test_not_by_every_model(self, model: str, effort: Any) -> None:
        with pytest.raises(UnsupportedError) as caught:
            body_of(list(self.TALK), Settings(reasoning_effort=effort), model)
        assert caught.value.extra == {"pointer": "/messages/1"}


class TestExtra:
    def test_it_wins_over_settings(self) -> None:
        settings = Settings(temperature=0.1, extra={"anthropic": {"temperature": 0.2, "top_k": 3}})
        body = body_of(HELLO, settings)
        assert (body["temperature"], body["top_k"]) == (0.2, 3)

    def test_tools_and_output_are_added_to(self) -> None:
        search = {"type": "web_search_20250305", "name": "web_search"}
        extra = {"anthropic": {"tools": [search], "output_config": {"effort": "max"}}}
        body = body_of(HELLO, Settings(tools=[Tool("add")], json_schema=SCHEMA, extra=extra))
        assert [tool["name"] for tool in body["tools"]] == ["add", "web_search"]
        assert body["output_config"]["effort"] == "max"
        assert body["output_config"]["format"]["type"] == "json_schema"

    @pytest.mark.parametrize("name", ["model", "fallbacks", "messages", "stream", "system"])
    def test_it_can_not_set(self, name: str) -> None:
        with pytest.raises(BadRequestError) as caught:
            body_of(HELLO, Settings(extra={"anthropic": {name: "x"}}))
        assert caught.value.extra == {"pointer": f"/settings/extra/anthropic/{name}"}

    def test_it_is_by_the_servers_name(self) -> None:
        body = body_of(HELLO, Settings(extra={"acme": {"min_p": 0.1}, "anthropic": {"top_k": 1}}), provider_name="acme")
        assert (body["min_p"], "top_k" in body) == (0.1, False)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("seed", 0),
        ("frequency_penalty", 0.0),
        ("presence_penalty", 0.5),
        ("logprobs", 0),
        ("json_object", True),
        ("verbosity", "low"),
    ],
)
def test_what_the_api_has_nothing_for(setting: str, value: Any) -> None:
    assert refused(Settings(**{setting: value}))[0] == f"/settings/{setting}"


def test_another_servers_models() -> None:
    traits = Traits("budget", "disabled", effort=False, sampling=True, prefill=True, json_schema=False)
    quirks: dict[str, Any] = {"provider_name": "acme", "max_tokens_default": 4_096, "traits": traits}
    settings = Settings(reasoning_effort="none", temperature=0.3)
    assert body_of([*HELLO, Message("assistant", "I")], settings, "llama", **quirks) == {
        "model": "llama",
        "max_tokens": 4_096,
        "messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "I"}],
        "stream": True,
        "temperature": 0.3,
        "thinking": {"type": "disabled"},
    }
    pointer, words = refused(Settings(json_schema=SCHEMA), "llama", **quirks)
    assert (pointer, "Claude" in words) == ("/settings/json_schema", False)
