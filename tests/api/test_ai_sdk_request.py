"""What `useChat` posts becomes the run that was meant, and what can not be meant is refused by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.api.ai_sdk_request import CHAT, MESSAGE, ChatRequest, run_request
from headwater.domain.message import ImagePart, Message, ProviderValue, Settings, TextPart, ToolResultPart, ToolUse
from headwater.domain.run import RunRequest
from headwater.errors import RefusedError

USER: dict[str, Any] = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}


def request(*messages: dict[str, Any], **more: Any) -> RunRequest:
    body = {"id": "c1", "trigger": "submit-message", "model": "m", "messages": list(messages), **more}
    made = run_request(msgspec.convert(body, ChatRequest))
    assert msgspec.json.decode(msgspec.json.encode(made), type=RunRequest) == made, "its row can be read again"
    return made


def answer(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "a1", "role": "assistant", "parts": list(parts), **more}


def test_what_use_chat_sends_and_nothing_else() -> None:
    asked = request({**USER, "metadata": {"at": 1}, "createdAt": "2026-11-21"}, messageId="u1")
    assert asked == RunRequest(
        model="m", messages=[Message("user", "Hello")], on_disconnect="continue", metadata={CHAT: "c1"}
    )


def test_what_an_application_adds_is_called_as_in_the_own_api() -> None:
    asked = request(
        USER,
        system="Be brief.",
        settings={"temperature": 0.5},
        fallback=["n"],
        limits={"total_s": 10},
        on_disconnect={"cancel_after_s": 3},
        metadata={"a": "b"},
    )
    assert asked.messages[0] == Message("system", "Be brief.")
    assert asked.settings == Settings(temperature=0.5)
    assert (asked.fallback, asked.limits.total_s) == (["n"], 10)
    assert msgspec.to_builtins(asked.on_disconnect) == {"cancel_after_s": 3}
    assert asked.metadata == {"a": "b", CHAT: "c1"}


def test_pictures_are_kept_in_their_place() -> None:
    parts = [
        {"type": "text", "text": "What is"},
        {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AA=="},
        {"type": "data-note", "data": 1},
    ]
    (message,) = request({**USER, "parts": parts}).messages
    assert message.content == [TextPart("What is"), ImagePart(url="data:image/png;base64,AA==")]


def test_an_answer_with_tools_becomes_a_turn_for_each_step() -> None:
    said = answer(
        {"type": "step-start"},
        {"type": "reasoning", "text": "Hm", "state": "done"},
        {"type": "text", "text": "Let me ", "state": "done"},
        {"type": "text", "text": "see."},
        {"type": "data-provider", "data": {"provider": "anthropic", "value": {"signature": "s"}}},
        {"type": "tool-add", "toolCallId": "t1", "state": "output-available", "input": {"x": 1}, "output": {"y": 2}},
        {"type": "dynamic-tool", "toolName": "now", "toolCallId": "t2", "state": "output-error", "errorText": "No."},
        {"type": "tool-buy", "toolCallId": "t3", "state": "output-denied", "input": {}},
        {"type": "tool-ask", "toolCallId": "t4", "state": "input-available", "input": {}},
        {"type": "tool-web", "toolCallId": "t5", "state": "output-available", "providerExecuted": True},
        {"type": "step-start"},
        {"type": "source-url", "sourceId": "s", "url": "https://example.com"},
        {"type": "text", "text": "It is 2."},
    )
    assert request(USER, said, USER).messages == [
        Message("user", "Hello"),
        Message(
            "assistant",
            "Let me see.",
            None,
            [ToolUse("t1", "add", '{"x":1}'), ToolUse("t2", "now", "{}"), ToolUse("t3", "buy", "{}")],
            [ProviderValue("anthropic", {"signature": "s"})],
        ),
        Message("tool", [ToolResultPart("t1", '{"y":2}')]),
        Message("tool", [ToolResultPart("t2", "No.")]),
        Message("tool", [ToolResultPart("t3", "The user did not allow this tool call.")]),
        Message("assistant", "It is 2."),
        Message("user", "Hello"),
    ]


def test_an_answer_that_said_nothing_is_no_turn() -> None:
    assert request(USER, answer({"type": "step-start"}, {"type": "reasoning", "text": "Hm"})).messages == [
        Message("user", "Hello")
    ]


def test_an_answer_that_goes_on_keeps_its_message() -> None:
    """The client goes on with its last message, and would show it twice under another id."""
    tool = {"type": "tool-add", "toolCallId": "t1", "state": "output-available", "input": {}, "output": "2"}
    asked = request(USER, answer(tool))
    assert asked.metadata == {CHAT: "c1", MESSAGE: "a1"}
    assert asked.messages[-1] == Message("tool", [ToolResultPart("t1", "2")])


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"model": ""}, "/model"),
        ({"id": ""}, "/id"),
        ({"id": "x" * 513}, "/id"),
        ({"messages": []}, "/messages"),
        (
            {
                "messages": [
                    {**USER, "parts": [{"type": "file", "mediaType": "application/pdf", "url": "https://x.example/a"}]}
                ]
            },
            "/messages/0/parts/0",
        ),
        ({"messages": [{**USER, "parts": [{"type": "file", "mediaType": "image/png"}]}]}, "/messages/0/parts/0"),
        ({"messages": [USER, answer({"type": "text"}, {"type": "tool-add", "state": 1})]}, "/messages/1/parts/1"),
    ],
)
def test_what_can_not_be_meant_is_refused_by_name(changes: dict[str, Any], pointer: str) -> None:
    body = {"id": "c1", "model": "m", "messages": [USER], **changes}
    with pytest.raises(RefusedError) as refused:
        run_request(msgspec.convert(body, ChatRequest))
    assert refused.value.extra["pointer"] == pointer
