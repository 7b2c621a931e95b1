"""What is sent is what the OpenAI SDK's own types allow, and what can not be sent is refused."""

import json
from functools import partial
from typing import Any, Literal

import msgspec
import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import TypeAdapter

from headwater.domain.message import (
    GenerationRequest,
    ImagePart,
    Message,
    ProviderValue,
    Settings,
    TextPart,
    Tool,
    ToolResultPart,
    ToolUse,
)
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.model_limits import Limits, Models
from headwater.providers.openai_chat import OpenAIChat, Quirks
from tests.providers.requests import HELLO, OPEN_SCHEMA, OPENAI_CONVERSATIONS, OPENAI_SETTINGS
from tests.providers.sdk_types import understood

SDK = TypeAdapter(CompletionCreateParamsStreaming)
accepted = partial(understood, SDK)
CLOSED_SCHEMA = {
    "title": "An answer!",
    "type": "object",
    "properties": {"x": {"type": "integer"}, "more": {"type": "array", "items": {"type": "string"}}},
    "required": ["x", "more"],
    "additionalProperties": False,
}


def body_of(messages: list[Message], settings: Settings | None = None, **quirks: Any) -> dict[str, Any]:
    """The body as it goes over the wire."""
    request = GenerationRequest("model", messages, settings or Settings())
    body: dict[str, Any] = json.loads(OpenAIChat(Quirks(**quirks)).request(request).body)
    return body


@pytest.mark.parametrize(
    "settings",
    [
        *OPENAI_SETTINGS,
        Settings(temperature=0.0, top_p=0.5, max_tokens=5, stop=["\n", "END"], seed=7),
        Settings(json_schema=CLOSED_SCHEMA),
        Settings(json_object=True, frequency_penalty=-2.0, presence_penalty=2.0, parallel_tool_calls=True),
    ],
)
@pytest.mark.parametrize("messages", [*OPENAI_CONVERSATIONS, [Message("user", "What is it?", name="Ann")]])
def test_the_sdk_understands_all_of_it(messages: list[Message], settings: Settings) -> None:
    body = body_of(messages, settings)
    assert accepted(body) == body


def test_the_oracle_misses_what_it_does_not_know() -> None:
    assert accepted({**body_of(HELLO), "max_token": 1}) == body_of(HELLO)


def test_the_least_request() -> None:
    request = OpenAIChat().request(GenerationRequest("gpt", HELLO))
    assert (request.method, request.path) == ("POST", "/chat/completions")
    assert request.headers == {"Content-Type": "application/json", "Accept": "text/event-stream"}
    assert json.loads(request.body) == {
        "model": "gpt",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_every_setting_is_sent() -> None:
    names = {field.name for field in msgspec.structs.fields(Settings)}
    settings = Settings(
        temperature=1.0,
        top_p=0.9,
        max_tokens=10,
        stop=["a"],
        seed=0,
        reasoning_effort="high",
        verbosity="high",
        json_schema=OPEN_SCHEMA,
        tools=[Tool("add")],
        tool_choice="auto",
        json_object=True,
        parallel_tool_calls=False,
        frequency_penalty=0.5,
        presence_penalty=-0.5,
        logprobs=0,
        extra={"openai": {"store": False}},
    )
    sent = {
        "max_tokens": "max_completion_tokens",
        "json_schema": "response_format",
        "json_object": "response_format",
        "extra": "store",
    }
    body = body_of(HELLO, settings)
    for name in names:
        assert getattr(settings, name) != getattr(Settings(), name), f"the test does not set {name}"
        assert sent.get(name, name) in body
    assert (body["temperature"], body["seed"], body["logprobs"], body["top_logprobs"]) == (1.0, 0, True, 0)


def test_a_schema_says_more_than_an_object() -> None:
    assert body_of(HELLO, Settings(json_object=True))["response_format"] == {"type": "json_object"}
    both = Settings(json_object=True, json_schema=OPEN_SCHEMA)
    assert body_of(HELLO, both)["response_format"]["type"] == "json_schema"


def test_results_of_tools_are_messages_of_their_own_and_come_first() -> None:
    messages = [Message("user", [TextPart("Go on."), ToolResultPart("a", "1"), ToolResultPart("b", "2")])]
    assert body_of(messages)["messages"] == [
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "user", "content": [{"type": "text", "text": "Go on."}]},
    ]
    assert [each["role"] for each in body_of([Message("user", [ToolResultPart("a", "1")])])["messages"]] == ["tool"]


def test_calls_without_words_have_null_content() -> None:
    (message,) = body_of([Message("assistant", tool_calls=[ToolUse("a", "add", "{}")])])["messages"]
    assert message["content"] is None


def test_quirks() -> None:
    settings = Settings(max_tokens=5, seed=1, extra={"vllm": {"top_k": 3}, "openai": {"store": True}})
    messages = [Message("developer", "Be brief."), Message("user", [TextPart("Hel"), TextPart("lo")])]
    body = body_of(
        messages,
        settings,
        provider_name="vllm",
        max_tokens_field="max_tokens",
        seed_field="random_seed",
        stream_options=False,
        developer_role=False,
        content_parts=False,
    )
    assert body == {
        "model": "model",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "stream": True,
        "max_tokens": 5,
        "random_seed": 1,
        "top_k": 3,
    }


def test_a_name_is_refused_where_it_would_be_lost() -> None:
    for message, names in (
        (Message("tool", [ToolResultPart("a", "1")], name="add"), True),
        (Message("user", "Hello", name="ann"), False),
    ):
        with pytest.raises(UnsupportedError) as caught:
            body_of([message], names=names)
        assert caught.value.extra == {"pointer": "/messages/0/name"}


@pytest.mark.parametrize("detail", [None, "auto", "high"])
def test_the_detail_of_an_image_is_sent_where_it_is_known(detail: Literal["auto", "high"] | None) -> None:
    message = Message("user", [ImagePart("https://example.com/a.png", detail=detail)])
    known, unknown = (body_of([message], image_detail=knows)["messages"][0]["content"][0] for knows in (True, False))
    assert known["image_url"].get("detail") == detail
    assert unknown["image_url"] == {"url": "https://example.com/a.png"}


def test_an_image_that_is_to_be_small_is_refused_where_that_is_not_known() -> None:
    with pytest.raises(UnsupportedError) as caught:
        body_of([Message("user", [ImagePart("https://example.com/a.png", detail="low")])], image_detail=False)
    assert caught.value.extra == {"pointer": "/messages/0/content/0/detail"}


def test_reasoning_is_turned_on_and_off_in_the_servers_own_way() -> None:
    ways = {"reasoning_on": {"think": True}, "reasoning_off": {"think": False}}
    for effort, plain, switched in (
        (None, {}, {}),
        ("none", {"reasoning_effort": "none"}, {"think": False}),
        ("low", {"reasoning_effort": "low"}, {"reasoning_effort": "low", "think": True}),
    ):
        settings = msgspec.convert({"reasoning_effort": effort}, Settings)
        without = body_of(HELLO)
        assert body_of(HELLO, settings) == {**without, **plain}
        assert body_of(HELLO, settings, **ways) == {**without, **switched}


def test_reasoning_is_asked_for_by_a_budget_where_that_is_the_servers_way() -> None:
    ways: dict[str, Any] = {
        "reasoning_on": {"think": True},
        "reasoning_off": {"think": False},
        "thinking_budgets": {"low": 10, "high": 20},
    }
    assert body_of(HELLO, Settings(reasoning_effort="high"), **ways) == {
        **body_of(HELLO),
        "think": True,
        "thinking_budget": 20,
    }
    assert body_of(HELLO, Settings(reasoning_effort="none"), **ways) == {**body_of(HELLO), "think": False}
    with pytest.raises(UnsupportedError, match="none for the effort `max`, but for `high`") as caught:
        body_of(HELLO, Settings(reasoning_effort="max"), **ways)
    assert caught.value.extra == {"pointer": "/settings/reasoning_effort"}


@pytest.mark.parametrize(
    ("messages", "settings", "pointer"),
    [
        (HELLO, Settings(tools=[Tool("add")]), "/settings/tools"),
        ([*HELLO, Message("assistant", tool_calls=[ToolUse("a", "add", "{}")])], Settings(), "/messages/1"),
        ([*HELLO, Message("tool", [ToolResultPart("a", "1")])], Settings(), "/messages/1"),
    ],
)
def test_tools_are_refused_where_they_are_not_known(messages: list[Message], settings: Settings, pointer: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        body_of(messages, settings, tools=False)
    assert caught.value.extra == {"pointer": pointer}


def test_a_tool_without_parameters_gets_an_empty_schema_where_it_has_to_have_one() -> None:
    asked = Settings(tools=[Tool("now"), Tool("add", None, OPEN_SCHEMA)])
    sent = [each["function"] for each in body_of(HELLO, asked)["tools"]]
    assert sent == [{"name": "now"}, {"name": "add", "parameters": OPEN_SCHEMA}]
    sent = [each["function"]["parameters"] for each in body_of(HELLO, asked, bare_tools=False)["tools"]]
    assert sent == [{"type": "object", "properties": {}}, OPEN_SCHEMA]


def test_log_probabilities_are_asked_for_in_the_servers_own_way() -> None:
    asked = Settings(logprobs=3)
    assert {**body_of(HELLO), "logprobs": True, "top_logprobs": 3} == body_of(HELLO, asked)
    assert {**body_of(HELLO), "logprobs": 3} == body_of(HELLO, asked, logprobs="count")


def test_what_a_model_does_not_take_is_refused_or_left_out_where_models_are_known() -> None:
    models = Models(("model", Limits(fixed=(("temperature", 1.0),))))
    assert body_of(HELLO, Settings(temperature=1.0), models=models) == body_of(HELLO)
    assert body_of(HELLO, Settings(temperature=1.0))["temperature"] == 1.0
    with pytest.raises(UnsupportedError, match="takes no `temperature` but 1"):
        body_of(HELLO, Settings(temperature=0.5), models=models)


def test_an_answer_that_was_begun_is_gone_on_with_in_the_servers_own_way() -> None:
    begun = [*HELLO, Message("assistant", "The snow")]
    plain = body_of(begun)
    assert plain["messages"][-1] == {"role": "assistant", "content": "The snow"}
    assert body_of(begun, prefill="plain") == plain
    assert body_of(begun, prefill="continue_final_message") == {
        **plain,
        "continue_final_message": True,
        "add_generation_prompt": False,
    }
    assert body_of(begun, prefill="prefix")["messages"][-1] == {**plain["messages"][-1], "prefix": True}
    for way in ("plain", "continue_final_message", "prefix"):
        assert body_of(HELLO, prefill=way) == body_of(HELLO)


def test_verbosity_is_refused_where_it_is_not_known() -> None:
    assert "verbosity" not in body_of(HELLO, Settings(verbosity="medium"), verbosity=False)
    with pytest.raises(UnsupportedError) as caught:
        body_of(HELLO, Settings(verbosity="low"), verbosity=False)
    assert caught.value.extra["pointer"] == "/settings/verbosity"


def test_what_belongs_to_a_provider_of_the_past_is_passed_over() -> None:
    message = Message("assistant", "Hello.", provider_data=[ProviderValue("anthropic", {"signature": "abc"})])
    assert body_of([message])["messages"] == [{"role": "assistant", "content": "Hello."}]


def test_extra_wins_over_settings() -> None:
    settings = Settings(temperature=0.1, extra={"openai": {"temperature": 0.2, "n": 1}})
    body = body_of(HELLO, settings)
    assert (body["temperature"], body["n"]) == (0.2, 1)


@pytest.mark.parametrize("name", ["model", "models", "messages", "stream"])
def test_extra_can_not_set(name: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        body_of(HELLO, Settings(extra={"openai": {name: "x"}}))
    assert caught.value.extra == {"pointer": f"/settings/extra/openai/{name}"}


def test_more_than_one_answer_is_refused() -> None:
    with pytest.raises(UnsupportedError):
        body_of(HELLO, Settings(extra={"openai": {"n": 2}}))


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        (Message("tool", "2"), "/messages/0/content"),
        (Message("tool", [TextPart("2")]), "/messages/0/content"),
        (Message("tool", [ToolResultPart("a", "2"), TextPart("2")]), "/messages/0/content"),
        (Message("assistant", [ToolResultPart("a", "2")]), "/messages/0/content"),
        (Message("user", "x", tool_calls=[ToolUse("a", "add", "{}")]), "/messages/0/tool_calls"),
        (Message("user", [TextPart("x"), ImagePart()]), "/messages/0/content/1"),
        (Message("user", [ImagePart("https://example.com/a.png", data="AAAA")]), "/messages/0/content/0"),
        (Message("user", [ImagePart(data="AAAA")]), "/messages/0/content/0"),
    ],
)
def test_messages_that_can_not_be_meant(message: Message, pointer: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        body_of([message])
    assert caught.value.extra == {"pointer": pointer}


def test_what_a_server_can_not_do_is_refused() -> None:
    image = ImagePart("https://example.com/a.png")
    with pytest.raises(UnsupportedError, match="`assistant`"):
        body_of([Message("assistant", [image])])
    with pytest.raises(UnsupportedError, match="images"):
        body_of([Message("user", [image])], content_parts=False)
    with pytest.raises(UnsupportedError, match="JSON schema"):
        body_of(HELLO, Settings(json_schema=OPEN_SCHEMA), json_schema=False)
