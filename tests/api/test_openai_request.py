"""A body of Chat Completions becomes the run that it asks for."""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec
import pytest
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)

from headwater.api.body import explain
from headwater.api.openai_parameters import PARAMETERS
from headwater.api.openai_request import ChatCompletionRequest, run_request
from headwater.domain.message import (
    ImagePart,
    Message,
    NamedTool,
    Settings,
    TextPart,
    Tool,
    ToolResultPart,
    ToolUse,
)
from headwater.domain.run import RunRequest
from headwater.errors import BadRequestError

HELLO = [{"role": "user", "content": "Hello"}]


def asked(**members: Any) -> RunRequest:
    body = {"model": "m", "messages": HELLO, **members}
    return run_request(msgspec.json.decode(msgspec.json.encode(body), type=ChatCompletionRequest), "continue")


def settings(**members: Any) -> Settings:
    return asked(**members).settings


def message(**members: Any) -> Message:
    (only,) = asked(messages=[members]).messages
    return only


def pointer_of(**members: Any) -> str:
    """Where what is wrong with a body is."""
    with pytest.raises(msgspec.ValidationError) as caught:
        asked(**members)
    return explain(str(caught.value))[1]


def test_the_least() -> None:
    assert asked() == RunRequest("m", messages=[Message("user", "Hello")])


def test_every_parameter_of_the_sdk_is_known() -> None:
    """The SDK's own list: what is new there has to be taken, ignored or refused here."""
    theirs = {*get_type_hints(CompletionCreateParamsStreaming), *get_type_hints(CompletionCreateParamsNonStreaming)}
    assert theirs <= set(PARAMETERS), theirs - set(PARAMETERS)
    assert set(PARAMETERS) == {field.name for field in msgspec.structs.fields(ChatCompletionRequest)}


def test_null_is_as_if_it_was_not_there() -> None:
    nothing = dict.fromkeys(PARAMETERS.keys() - {"model", "messages"})
    assert asked(**nothing) == asked()


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        (
            {
                "temperature": 0.5,
                "top_p": 1,
                "seed": 7,
                "reasoning_effort": "low",
                "verbosity": "high",
                "parallel_tool_calls": False,
                "frequency_penalty": 1,
                "presence_penalty": -1,
            },
            Settings(
                temperature=0.5,
                top_p=1.0,
                seed=7,
                reasoning_effort="low",
                verbosity="high",
                parallel_tool_calls=False,
                frequency_penalty=1.0,
                presence_penalty=-1.0,
            ),
        ),
        ({"max_tokens": 5}, Settings(max_tokens=5)),
        ({"max_tokens": 5, "max_completion_tokens": 6}, Settings(max_tokens=6)),
        ({"stop": "END"}, Settings(stop=["END"])),
        ({"stop": ["a", "b"]}, Settings(stop=["a", "b"])),
        ({"logprobs": True}, Settings(logprobs=0)),
        ({"logprobs": True, "top_logprobs": 3}, Settings(logprobs=3)),
        ({"logprobs": False}, Settings()),
        ({"response_format": {"type": "text"}}, Settings()),
        ({"response_format": {"type": "json_object"}}, Settings(json_object=True)),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
            Settings(json_schema={"title": "n", "type": "object"}),
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": {"title": "own"}, "description": "d", "strict": True},
                }
            },
            Settings(json_schema={"description": "d", "title": "own"}),
        ),
        (
            {
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}}],
                "tool_choice": {"type": "function", "function": {"name": "f"}},
            },
            Settings(tools=[Tool("f", None, {}, True)], tool_choice=NamedTool("f")),
        ),
        ({"tool_choice": "required"}, Settings(tool_choice="required")),
    ],
)
def test_settings(members: dict[str, Any], wanted: Settings) -> None:
    assert settings(**members) == wanted


@pytest.mark.parametrize("members", [{"top_logprobs": 3}, {"top_logprobs": 0, "logprobs": False}])
def test_the_number_of_alternatives_needs_the_switch(members: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError, match="needs `logprobs: true`") as refused:
        settings(**members)
    assert refused.value.extra == {"pointer": "/top_logprobs"}


CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"role": "system", "content": "Be brief."}, Message("system", "Be brief.")),
        (
            {"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "kind."}]},
            Message("developer", "Be kind."),
        ),
        ({"role": "user", "content": "Hi", "name": "ann"}, Message("user", "Hi", "ann")),
        (
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "?"},
                    {"type": "image_url", "image_url": {"url": "https://e.org/a.png", "detail": "low"}},
                ],
            },
            Message("user", [TextPart("?"), ImagePart("https://e.org/a.png", detail="low")]),
        ),
        ({"role": "assistant", "content": "Hi"}, Message("assistant", "Hi")),
        (
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [CALL],
                "refusal": None,
                "annotations": [],
                "audio": None,
                "function_call": None,
                "reasoning_content": "Hm",
            },
            Message("assistant", "", None, [ToolUse("a", "f", "{}")], reasoning="Hm"),
        ),
        ({"role": "assistant", "content": "Hi", "reasoning": "Hm"}, Message("assistant", "Hi", reasoning="Hm")),
        (
            {"role": "assistant", "content": "Hi", "reasoning_content": ["?"], "reasoning": ""},
            Message("assistant", "Hi"),
        ),
        ({"role": "assistant", "refusal": "No."}, Message("assistant", "No.")),
        (
            {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]},
            Message("assistant", "ab"),
        ),
        (
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}]},
            Message("tool", [ToolResultPart("a", "1")]),
        ),
    ],
)
def test_messages(members: dict[str, Any], wanted: Message) -> None:
    assert message(**members) == wanted


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"unknown": 1}, "/unknown"),
        ({"messages": [{"role": "user", "content": "x", "cache_control": {}}]}, "/messages/0/cache_control"),
        ({"messages": [{"role": "function", "content": "x"}]}, "/messages/0/role"),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, "/messages/0/content/0/type"),
        ({"messages": [{"role": "assistant", "audio": {"id": "x"}}]}, "/messages/0/audio"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "/tools/0"),
        ({"response_format": {"type": "grammar"}}, "/response_format/type"),
        ({"stream_options": {"more": 1}}, "/stream_options/more"),
        ({"temperature": "hot"}, "/temperature"),
        ({"reasoning_effort": "extreme"}, "/reasoning_effort"),
        ({"stop": 3}, "/stop"),
    ],
)
def test_what_is_wrong_is_pointed_at(members: dict[str, Any], pointer: str) -> None:
    assert pointer_of(**members).startswith(pointer)


@pytest.mark.parametrize(
    ("options", "wanted"), [(None, False), ({}, False), ({"include_usage": True, "include_obfuscation": False}, True)]
)
def test_whether_usage_is_wanted(options: Any, wanted: bool) -> None:
    body = {"model": "m", "messages": [], "stream_options": options}
    assert msgspec.convert(body, ChatCompletionRequest).include_usage is wanted
