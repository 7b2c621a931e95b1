"""What is sent is what the OpenAI SDK's own types allow, and what can not be sent is refused."""

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
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
from headwater.providers.contract import Checkpoint, HttpRequest
from headwater.providers.model_limits import Limits, Models
from headwater.providers.openai_responses import OpenAIResponses, ResponsesQuirks
from headwater.providers.openai_responses_request import is_response_id
from tests.providers.requests import HELLO, OPEN_SCHEMA, OPENAI_CONVERSATIONS, OPENAI_SETTINGS
from tests.providers.sdk_types import understood

SDK = TypeAdapter(ResponseCreateParamsStreaming)
accepted = partial(understood, SDK)
CLOSED_SCHEMA = {**OPEN_SCHEMA, "title": "An answer!", "required": ["x"], "additionalProperties": False}
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
#: Settings that only Chat Completions has a field for.
OF_CHAT = {"stop": ["END"], "seed": 7, "frequency_penalty": 0.5, "presence_penalty": -0.5}


def body_of(messages: list[Message], settings: Settings | None = None, **quirks: Any) -> dict[str, Any]:
    """The body as it goes over the wire."""
    request = GenerationRequest("model", messages, settings or Settings())
    body: dict[str, Any] = json.loads(OpenAIResponses(ResponsesQuirks(**quirks)).request(request).body)
    return body


@pytest.mark.parametrize(
    "settings",
    [
        *OPENAI_SETTINGS,
        Settings(temperature=0.0, top_p=0.5, max_tokens=50, parallel_tool_calls=True),
        Settings(json_schema=CLOSED_SCHEMA),
        Settings(extra={"openai": {"background": True}}),
        Settings(extra={"openai": {"tools": [{"type": "web_search"}], "include": ["web_search_call.action.sources"]}}),
    ],
)
@pytest.mark.parametrize(
    "messages",
    [
        *OPENAI_CONVERSATIONS,
        [*HELLO, Message("assistant", "Five.", provider_data=[ProviderValue("openai", SEALED)]), *HELLO],
    ],
)
def test_the_sdk_understands_all_of_it(messages: list[Message], settings: Settings) -> None:
    body = body_of(messages, settings)
    assert accepted(body) == body


def test_the_oracle_misses_what_it_does_not_know() -> None:
    assert accepted({**body_of(HELLO), "max_tokens": 1}) == body_of(HELLO)


def test_the_least_request() -> None:
    request = OpenAIResponses().request(GenerationRequest("gpt", HELLO))
    assert (request.method, request.path) == ("POST", "/responses")
    assert request.headers == {"Content-Type": "application/json", "Accept": "text/event-stream"}
    assert json.loads(request.body) == {
        "model": "gpt",
        "input": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "store": False,
    }


def test_every_setting_is_sent_or_refused() -> None:
    names = {field.name for field in msgspec.structs.fields(Settings)}
    settings = Settings(
        temperature=1.0,
        top_p=0.9,
        max_tokens=10,
        reasoning_effort="high",
        verbosity="high",
        json_schema=OPEN_SCHEMA,
        json_object=True,
        tools=[Tool("add")],
        tool_choice="auto",
        parallel_tool_calls=False,
        logprobs=0,
        extra={"openai": {"truncation": "auto"}},
    )
    sent = {
        "max_tokens": "max_output_tokens",
        "reasoning_effort": "reasoning",
        "verbosity": "text",
        "json_schema": "text",
        "json_object": "text",
        "logprobs": "top_logprobs",
        "extra": "truncation",
    }
    body = body_of(HELLO, settings)
    for name in names - OF_CHAT.keys():
        assert getattr(settings, name) != getattr(Settings(), name), f"the test does not set {name}"
        assert sent.get(name, name) in body
    assert body["reasoning"] == {"effort": "high"}
    assert body["text"] == {
        "format": {"type": "json_schema", "name": "answer", "schema": OPEN_SCHEMA},
        "verbosity": "high",
    }
    assert (body["temperature"], body["top_logprobs"]) == (1.0, 0)


@pytest.mark.parametrize("name", OF_CHAT)
def test_what_only_chat_completions_has_is_refused(name: str) -> None:
    settings = Settings(**{name: OF_CHAT[name]})  # type: ignore[arg-type]  # a table of plain values
    with pytest.raises(UnsupportedError) as caught:
        body_of(HELLO, settings)
    assert caught.value.extra["pointer"] == f"/settings/{name}"
    assert body_of(HELLO, settings, chat_settings=True)[name] == OF_CHAT[name]


def test_settings_of_chat_completions_that_are_not_set_are_not_sent() -> None:
    assert not OF_CHAT.keys() & body_of(HELLO, chat_settings=True).keys()


@pytest.mark.parametrize(
    ("settings", "quirks", "pointer"),
    [
        (Settings(json_schema=OPEN_SCHEMA), {"json_schema": False}, "/settings/json_schema"),
        (Settings(logprobs=0), {"logprobs": False}, "/settings/logprobs"),
        (Settings(verbosity="low"), {"verbosity": False}, "/settings/verbosity"),
        (
            Settings(extra={"openai": {"background": True}}),
            {"background": False},
            "/settings/extra/openai/background",
        ),
    ],
)
def test_what_a_server_does_not_know_is_refused(settings: Settings, quirks: dict[str, bool], pointer: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        body_of(HELLO, settings, **quirks)
    assert caught.value.extra["pointer"] == pointer


def test_verbosity_that_asks_for_nothing_is_let_pass() -> None:
    assert "text" not in body_of(HELLO, Settings(verbosity="medium"), verbosity=False)


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        (Message("user", "Hello", name="Ann"), "/messages/1/name"),
        (Message("assistant", [ImagePart("https://example.com/a.png")]), "/messages/1/content/0"),
        (Message("user", [TextPart("x"), ImagePart()]), "/messages/1/content/1"),
        (Message("tool", "42"), "/messages/1/content"),
    ],
)
def test_messages_that_can_not_be_sent_are_refused(message: Message, pointer: str) -> None:
    with pytest.raises((BadRequestError, UnsupportedError)) as caught:
        body_of([*HELLO, message])
    assert caught.value.extra["pointer"] == pointer


def test_images_are_refused_where_they_are_not_taken() -> None:
    with pytest.raises(UnsupportedError):
        body_of([Message("user", [ImagePart("https://example.com/a.png")])], images=False)


def test_calls_and_results_are_items_of_their_own() -> None:
    messages = [
        Message("assistant", "Adding.", tool_calls=[ToolUse("a", "add", "{}")]),
        Message("user", [TextPart("Go on."), ToolResultPart("a", "1")]),
        Message("user", [ToolResultPart("b", "2")]),
    ]
    assert body_of(messages)["input"] == [
        {"role": "assistant", "content": "Adding."},
        {"type": "function_call", "call_id": "a", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"role": "user", "content": [{"type": "input_text", "text": "Go on."}]},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
    ]


def test_a_tool_is_strict_only_where_it_says_so() -> None:
    tools = body_of(HELLO, Settings(tools=[Tool("add"), Tool("sub", strict=True)]))["tools"]
    assert [tool["strict"] for tool in tools] == [False, True]
    assert tools[0]["parameters"] == {"type": "object", "properties": {}}


class TestLaterTurns:
    def test_what_a_provider_sealed_goes_back_first_and_to_nobody_else(self) -> None:
        sealed = {**SEALED, "status": None, "content": []}
        place = {"response_id": "resp_1", "sequence_number": 4}
        data = [ProviderValue("openai", sealed), ProviderValue("anthropic", {"type": "thinking"})]
        message = Message("assistant", "Hi.", provider_data=[*data, ProviderValue("openai", place)])
        assert body_of([message])["input"] == [{**SEALED, "content": []}, {"role": "assistant", "content": "Hi."}]
        assert body_of([message], provider_name="xai")["input"] == [{"role": "assistant", "content": "Hi."}]

    @pytest.mark.parametrize(
        ("settings", "messages", "quirks", "asks"),
        [
            (Settings(), HELLO, {}, False),
            (Settings(reasoning_effort="none"), HELLO, {}, False),
            (Settings(reasoning_effort="low"), HELLO, {}, True),
            (Settings(), [Message("assistant", provider_data=[ProviderValue("openai", SEALED)])], {}, True),
            (Settings(reasoning_effort="low"), HELLO, {"encrypted_reasoning": False}, False),
        ],
    )
    def test_reasoning_is_asked_for_sealed_where_the_model_reasons(
        self, settings: Settings, messages: list[Message], quirks: dict[str, bool], asks: bool
    ) -> None:
        assert ("reasoning.encrypted_content" in body_of(messages, settings, **quirks).get("include", [])) is asks


def test_log_probabilities_are_asked_for() -> None:
    body = body_of(HELLO, Settings(logprobs=2))
    assert (body["top_logprobs"], body["include"]) == (2, ["message.output_text.logprobs"])
    body = body_of(HELLO, Settings(logprobs=2), logprobs_included=False)
    assert (body["top_logprobs"], "include" in body) == (2, False)


def test_an_image_that_is_to_be_small_is_refused_where_that_is_not_known() -> None:
    small = [Message("user", [ImagePart("https://example.com/a.png", detail="low")])]
    assert body_of(small)["input"][0]["content"][0]["detail"] == "low"
    with pytest.raises(UnsupportedError) as caught:
        body_of(small, image_detail=False)
    assert caught.value.extra == {"pointer": "/messages/0/content/0/detail"}


def test_what_a_model_does_not_take_is_refused_or_left_out_where_models_are_known() -> None:
    models = Models(("model", Limits(fixed=(("presence_penalty", 0.0), ("temperature", 1.0)))))
    assert body_of(HELLO, Settings(presence_penalty=0.0, temperature=1.0), models=models) == body_of(HELLO)
    with pytest.raises(UnsupportedError, match="takes no `temperature` but 1"):
        body_of(HELLO, Settings(temperature=0.5), models=models)


def test_quirks() -> None:
    settings = Settings(seed=1, json_object=True, extra={"llamacpp": {"top_k": 3}, "openai": {"store": True}})
    messages = [Message("developer", "Be brief."), Message("assistant", [TextPart("Hel"), TextPart("lo")])]
    body = body_of(
        messages,
        settings,
        provider_name="llamacpp",
        developer_role=False,
        output_messages=True,
        chat_settings=True,
    )
    said = {"type": "output_text", "text": "Hello", "annotations": []}
    assert body == {
        "model": "model",
        "input": [
            {"role": "system", "content": "Be brief."},
            {"type": "message", "role": "assistant", "content": [said]},
        ],
        "stream": True,
        "store": False,
        "seed": 1,
        "response_format": {"type": "json_object"},
        "top_k": 3,
    }


def test_extra_wins_over_settings_and_adds_to_what_they_share() -> None:
    extra = {
        "temperature": 0.2,
        "store": True,
        "reasoning": {"summary": "auto"},
        "text": {"verbosity": "low"},
        "include": ["reasoning.encrypted_content", "file_search_call.results"],
    }
    settings = Settings(temperature=0.1, reasoning_effort="low", verbosity="high", extra={"openai": extra})
    body = body_of(HELLO, settings)
    assert (body["temperature"], body["store"]) == (0.2, True)
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body["text"] == {"verbosity": "low"}
    assert body["include"] == ["reasoning.encrypted_content", "file_search_call.results"]
    assert extra["include"] == ["reasoning.encrypted_content", "file_search_call.results"]


def test_tools_of_the_server_stand_beside_ours() -> None:
    extra = {"openai": {"tools": [{"type": "web_search"}]}}
    tools = body_of(HELLO, Settings(tools=[Tool("add")], extra=extra))["tools"]
    assert [tool["type"] for tool in tools] == ["function", "web_search"]
    assert extra == {"openai": {"tools": [{"type": "web_search"}]}}


def test_what_the_caller_answers_goes_back_with_what_was_asked() -> None:
    asked = {"type": "mcp_approval_request", "id": "mcpr_1", "name": "open"}
    answer = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    values = [ProviderValue("openai", asked), ProviderValue("openai", answer)]
    assert body_of([*HELLO, Message("assistant", provider_data=values)])["input"][1:] == [asked, answer]


@pytest.mark.parametrize("name", ["model", "models", "input", "stream"])
def test_what_the_decoder_rests_on_is_reserved(name: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        body_of(HELLO, Settings(extra={"openai": {name: None}}))
    assert caught.value.extra["pointer"] == f"/settings/extra/openai/{name}"


class TestBackground:
    def test_it_is_kept_at_the_providers(self) -> None:
        dialect = OpenAIResponses()
        settings = Settings(temperature=0.5, extra={"openai": {"service_tier": "flex"}, "xai": {"user": "u"}})
        request = dialect.in_background(GenerationRequest("model", HELLO, settings))
        body = json.loads(dialect.request(request).body)
        assert (body["background"], body["store"], body["service_tier"]) == (True, True, "flex")
        assert request.settings.extra["xai"] == {"user": "u"}
        assert request.settings.temperature == 0.5
        assert settings.extra["openai"] == {"service_tier": "flex"}

    def test_it_is_refused_where_there_is_none(self) -> None:
        with pytest.raises(UnsupportedError):
            OpenAIResponses(ResponsesQuirks(background=False)).in_background(GenerationRequest("model", HELLO))

    def test_it_is_taken_up_after_a_checkpoint(self) -> None:
        assert OpenAIResponses().reattach(Checkpoint("resp_1", 41)) == HttpRequest(
            "/responses/resp_1?stream=true&starting_after=41", method="GET", headers={"Accept": "text/event-stream"}
        )

    def test_it_is_cancelled(self) -> None:
        assert OpenAIResponses().cancel(Checkpoint("resp_1", 41)) == HttpRequest(
            "/responses/resp_1/cancel", headers={"Accept": "application/json"}
        )

    @pytest.mark.parametrize("hostile", ["", ".", "..", "../files", "a/b", "a?c=d", "a%2Fb", "a b\r\nHost: evil", "ä"])
    def test_the_providers_word_leads_nowhere_else(self, hostile: str) -> None:
        assert not is_response_id(hostile)
        with pytest.raises(ValueError, match="no checkpoints"):
            OpenAIResponses().cancel(Checkpoint(hostile, 0))

    @pytest.mark.parametrize("real", ["resp_0a5e72c4", "b7b464ea-cc85-d44a", "gen-1764265411-Fu1iEX7h5MRWiL79lb94"])
    def test_ids_of_providers_are_ids(self, real: str) -> None:
        assert is_response_id(real)
