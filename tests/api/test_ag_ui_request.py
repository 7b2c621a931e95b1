"""What an AG-UI client posts becomes the run that was meant, and what can not be meant is refused by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.api.ag_ui_request import RUN, THREAD, RunAgentInput, run_request
from headwater.domain.message import ImagePart, Message, Settings, TextPart, Tool, ToolResultPart, ToolUse
from headwater.domain.run import CancelAfter, RunRequest
from headwater.errors import RefusedError

USER: dict[str, Any] = {"id": "u1", "role": "user", "content": "Hello"}
BODY: dict[str, Any] = {
    "threadId": "t1",
    "runId": "r1",
    "messages": [USER],
    "tools": [],
    "context": [],
    "state": {"page": 1},
    "forwardedProps": {"model": "m"},
}


def request(*messages: dict[str, Any], **changes: Any) -> RunRequest:
    made = run_request(msgspec.convert({**BODY, "messages": list(messages) or [USER], **changes}, RunAgentInput))
    assert msgspec.json.decode(msgspec.json.encode(made), type=RunRequest) == made, "its row can be read again"
    return made


def test_what_a_client_sends_and_nothing_else() -> None:
    assert request(protocolVersion="1.0", parentRunId="r0") == RunRequest(
        model="m",
        messages=[Message("user", "Hello")],
        on_disconnect=CancelAfter(5),
        metadata={THREAD: "t1", RUN: "r1"},
    )


def test_what_stands_in_forwarded_props_is_called_as_in_the_own_api() -> None:
    own = {"name": "own", "description": "", "parameters": {"type": "object"}}
    asked = request(
        tools=[own],
        context=[{"description": "Where", "value": "Bern"}],
        forwardedProps={
            "model": "m",
            "settings": {"temperature": 0.5, "tools": [{"name": "first"}]},
            "fallback": ["n"],
            "limits": {"total_s": 10},
            "on_disconnect": "continue",
            "metadata": {"a": "b"},
        },
    )
    assert asked.messages[0] == Message("system", "Where:\nBern")
    assert asked.settings == Settings(temperature=0.5, tools=[Tool("first"), Tool("own", None, {"type": "object"})])
    assert (asked.fallback, asked.limits.total_s, asked.on_disconnect) == (["n"], 10, "continue")
    assert asked.metadata["a"] == "b"


def test_a_thread_with_pictures_tools_and_what_is_for_people_only() -> None:
    url = {"type": "url", "value": "https://x.example/a.png"}
    data = {"type": "data", "value": "AA==", "mimeType": "image/png"}
    parts = [{"type": "text", "text": "See"}, {"type": "image", "source": url}, {"type": "image", "source": data}]
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"x":1}'}}
    assert request(
        {"id": "1", "role": "developer", "content": "Be brief."},
        {"id": "2", "role": "user", "name": "Ada", "content": parts},
        {"id": "3", "role": "reasoning", "content": "Hm"},
        {"id": "4", "role": "activity", "activityType": "x", "content": {}},
        {"id": "5", "role": "assistant", "content": "So", "toolCalls": [call]},
        {"id": "6", "role": "tool", "toolCallId": "c1", "content": [{"type": "text", "text": "2"}]},
        {"id": "7", "role": "tool", "toolCallId": "c2", "content": "", "error": "No."},
        {"id": "8", "role": "assistant"},
    ).messages == [
        Message("developer", "Be brief."),
        Message(
            "user",
            [TextPart("See"), ImagePart(url="https://x.example/a.png"), ImagePart(data="AA==", media_type="image/png")],
            "Ada",
        ),
        Message("assistant", "So", None, [ToolUse("c1", "add", '{"x":1}')]),
        Message("tool", [ToolResultPart("c1", "2")]),
        Message("tool", [ToolResultPart("c2", "No.")]),
    ]


PICTURE = {"type": "image", "source": {"type": "url", "value": "https://x.example/a.png"}}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"forwardedProps": None}, "/forwardedProps/model"),
        ({"threadId": ""}, "/threadId"),
        ({"runId": "x" * 513}, "/runId"),
        ({"messages": []}, "/messages"),
        ({"resume": [{"interruptId": "i"}]}, "/resume"),
        ({"messages": [USER, {**USER, "content": [{"type": "audio"}]}]}, "/messages/1/content/0"),
        ({"messages": [{**USER, "content": 7}]}, "/messages/0/content"),
        ({"messages": [{**USER, "role": "assistant", "content": [PICTURE]}]}, "/messages/0/content"),
    ],
)
def test_what_can_not_be_meant_is_refused_by_name(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(RefusedError) as refused:
        run_request(msgspec.convert({**BODY, **changes}, RunAgentInput))
    assert refused.value.extra["pointer"] == pointer


@pytest.mark.parametrize("parameters", [5, "x", [1]])
def test_a_tool_without_a_schema_is_no_body_that_could_be_stored(parameters: object) -> None:
    with pytest.raises(msgspec.ValidationError, match="parameters"):
        request(tools=[{"name": "own", "parameters": parameters}])
