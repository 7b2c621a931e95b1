"""A body of Messages becomes the run that it asks for."""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec
import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming

from headwater.api.anthropic_parameters import PARAMETERS
from headwater.api.anthropic_request import MessageRequest, run_request
from headwater.api.body import explain
from headwater.domain.message import (
    ImagePart,
    Message,
    NamedTool,
    ProviderValue,
    Settings,
    TextPart,
    Tool,
    ToolResultPart,
    ToolUse,
)
from headwater.domain.run import RunRequest
from headwater.errors import UnsupportedError

HELLO = [{"role": "user", "content": "Hello"}]
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


def asked(**members: Any) -> RunRequest:
    body = {"model": "m", "max_tokens": 9, "messages": HELLO, **members}
    return run_request(msgspec.json.decode(msgspec.json.encode(body), type=MessageRequest), "continue")


def message(**members: Any) -> Message:
    (only,) = asked(messages=[members]).messages
    return only


def test_the_least() -> None:
    assert asked() == RunRequest("m", messages=[Message("user", "Hello")], settings=Settings(max_tokens=9))


def test_every_parameter_of_the_sdk_is_known() -> None:
    """The SDK's own list: what is new there has to be taken, ignored or refused here."""
    theirs = {*get_type_hints(MessageCreateParamsStreaming), *get_type_hints(MessageCreateParamsNonStreaming)}
    assert theirs <= set(PARAMETERS), theirs - set(PARAMETERS)
    assert set(PARAMETERS) == {field.name for field in msgspec.structs.fields(MessageRequest)}


def test_null_is_as_if_it_was_not_there() -> None:
    nothing = dict.fromkeys(PARAMETERS.keys() - {"model", "messages", "max_tokens"})
    assert asked(**nothing) == asked()


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        (
            {"temperature": 0.5, "top_p": 1, "stop_sequences": ["END"]},
            {"temperature": 0.5, "top_p": 1, "stop": ["END"]},
        ),
        ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
        ({"thinking": {"type": "adaptive"}}, {"reasoning_effort": "high"}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
        ({"output_config": {"effort": "medium"}}, {"reasoning_effort": "medium"}),
        ({"output_config": {"effort": "xhigh"}}, {"reasoning_effort": "xhigh"}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, {"reasoning_effort": "max"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning_effort": "minimal"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 1025}}, {"reasoning_effort": "low"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 10_000}}, {"reasoning_effort": "medium"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 99_000}}, {"reasoning_effort": "high"}),
        ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, {"json_schema": SCHEMA}),
        (
            {
                "tools": [
                    {"name": "add", "input_schema": SCHEMA, "description": "Adds", "strict": True, "type": "custom"}
                ]
            },
            {"tools": [Tool("add", "Adds", SCHEMA, True)]},
        ),
        ({"tool_choice": {"type": "auto"}}, {"tool_choice": "auto"}),
        ({"tool_choice": {"type": "any"}}, {"tool_choice": "required"}),
        ({"tool_choice": {"type": "none"}}, {"tool_choice": "none"}),
        (
            {"tool_choice": {"type": "tool", "name": "add", "disable_parallel_tool_use": True}},
            {"tool_choice": NamedTool("add"), "parallel_tool_calls": False},
        ),
    ],
)
def test_settings(members: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert asked(**members).settings == Settings(max_tokens=9, **wanted)


def test_the_system_is_the_first_message() -> None:
    assert asked(system="Be brief.").messages[0] == Message("system", "Be brief.")
    blocks = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}} for text in ("a", "b")]
    assert asked(system=blocks).messages[0] == Message("system", [TextPart("a"), TextPart("b")])
    assert message(role="system", content="Be brief.") == Message("system", "Be brief.")


def test_a_question_with_all_that_it_can_hold() -> None:
    content = [
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "4"}]},
        {"type": "tool_result", "tool_use_id": "b", "content": "no such file", "is_error": True},
        {"type": "tool_result", "tool_use_id": "c"},
        {"type": "text", "text": "What is it?"},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
    ]
    assert message(role="user", content=content).content == [
        ToolResultPart("a", "4"),
        ToolResultPart("b", "Error: no such file"),
        ToolResultPart("c", ""),
        TextPart("What is it?"),
        ImagePart(url="https://example.com/a.png"),
        ImagePart(data="AAAA", media_type="image/png"),
    ]


def test_an_earlier_answer_goes_back_with_what_was_sealed() -> None:
    signed = {"type": "thinking", "thinking": "Hm.", "signature": "cw=="}
    hidden = {"type": "redacted_thinking", "data": "aA=="}
    content = [
        signed,
        hidden,
        {"type": "thinking", "thinking": "Of another's", "signature": ""},
        {"type": "text", "text": "Adding.", "citations": None},
        {"type": "tool_use", "id": "a", "name": "add", "input": {"x": 1}, "caller": None},
    ]
    assert message(role="assistant", content=content) == Message(
        "assistant",
        "Adding.",
        tool_calls=[ToolUse("a", "add", '{"x":1}')],
        provider_data=[ProviderValue("anthropic", signed), ProviderValue("anthropic", hidden)],
    )
    assert message(role="assistant", content="Hel") == Message("assistant", "Hel")


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, "/thinking/display"),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, "/output_config/effort"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "x"},
                            {
                                "type": "tool_result",
                                "tool_use_id": "a",
                                "content": [{"type": "image", "source": {"type": "url", "url": "https://e.org/a.png"}}],
                            },
                        ],
                    }
                ]
            },
            "/messages/0/content/1/content/0",
        ),
    ],
)
def test_what_can_not_be_done_is_refused(members: dict[str, Any], pointer: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        asked(**members)
    assert caught.value.extra["pointer"] == pointer


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"foo": 1}, "/foo"),
        ({"max_tokens": "many"}, "/max_tokens"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "/tools/0/type"),
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, "/messages/0/content/0/type"),
        ({"output_config": {"effort": "extreme"}}, "/output_config/effort"),
    ],
)
def test_what_is_not_known_is_refused_by_its_place(members: dict[str, Any], pointer: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        asked(**members)
    assert explain(str(caught.value))[1] == pointer
