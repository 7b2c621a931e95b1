"""A run's records as one message: what a stream's events come to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st

from headwater.delivery.formats.anthropic_message import AnthropicMessage
from headwater.domain import event as ev
from tests.delivery.formats.faces import complete, encoded, rendered
from tests.delivery.formats.test_anthropic_stream import COUNTED, ENDS, EVENTS, ID, NAMED, events_of, face


def message_of(*events: ev.Event) -> dict[str, Any]:
    whole = AnthropicMessage(NAMED)
    message: dict[str, Any] = json.loads(rendered(whole, encoded(events)))
    Message.model_validate(message)
    assert whole.ended
    return message


def test_all_of_an_answer() -> None:
    signed = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}
    hidden = {"type": "redacted_thinking", "data": "aGlkZGVu"}
    message = message_of(
        ev.Reasoning("Hm.", 0),
        ev.ProviderData("anthropic", signed, 0),
        ev.ProviderData("anthropic", hidden, 1),
        ev.Chunk("Hel", 2),
        ev.Chunk("lo", 2),
        ev.ToolCall("toolu_1", "add", '{"x":', index=3),
        ev.ToolCall("toolu_1", "add", "1}", done=True, index=3),
        complete("tool_calls"),
    )
    assert message == {
        "id": ID,
        "type": "message",
        "role": "assistant",
        "model": 'the "model"',
        "content": [
            signed,
            hidden,
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"x": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": COUNTED,
    }


@pytest.mark.parametrize("arguments", ['{"x":', "[1]", "", "nonsense", '{"x":' * 100_000])
def test_arguments_that_are_no_object_are_an_empty_one(arguments: str) -> None:
    (call,) = message_of(ev.ToolCall("a", "f", arguments, done=True), complete("length"))["content"]
    assert call["input"] == {}


def test_what_an_attempt_superseded_is_no_part_of_it() -> None:
    message = message_of(
        ev.Chunk("Hel", 0),
        ev.ToolCall("a", "f", "{"),
        ev.Attempt(1, 2, "TRUNCATED", "p", "m", supersedes_from=1),
        ev.Chunk("Hello", 0),
        complete(),
    )
    assert message["content"] == [{"type": "text", "text": "Hello"}]


def test_a_refusal_says_why() -> None:
    message = message_of(ev.Refusal("No.", 0), complete("refusal"))
    assert (message["content"], message["stop_reason"]) == ([], "refusal")
    assert message["stop_details"] == {"type": "refusal", "category": None, "explanation": "No."}


@pytest.mark.parametrize("event", [ev.Error("RATE_LIMIT", "Slow.", True, 1500), ev.Cancelled("user", 0)])
def test_a_bad_end_is_an_answer_of_its_own(event: ev.Event) -> None:
    whole = AnthropicMessage(NAMED)
    data = rendered(whole, encoded([ev.Chunk("Hi", 0), event]))
    refusal = whole.refusal(data)
    assert refusal is not None
    assert refusal.body == data
    assert refusal.status in (429, 499)
    assert json.loads(data)["type"] == "error"


def test_the_end_of_the_server_is_one_too() -> None:
    whole = AnthropicMessage(NAMED)
    refusal = whole.refusal(whole.farewell(0))
    assert refusal is not None
    assert (refusal.status, whole.ended) == (529, True)


@given(data=st.data(), events=st.lists(EVENTS, max_size=12), end=ENDS)
def test_it_says_what_the_stream_says(data: st.DataObject, events: list[ev.Event], end: ev.Event) -> None:
    payloads = encoded([*events, end])
    whole = AnthropicMessage(NAMED)
    body = json.loads(rendered(whole, payloads, data.draw(st.sets(st.integers(1, len(payloads))))))
    if not isinstance(end, ev.Complete):
        assert body["type"] == "error"
        return
    streamed = events_of(rendered(face(), payloads))
    assert [block["type"] for block in body["content"]] == [
        event["content_block"]["type"] for event in streamed if event["type"] == "content_block_start"
    ]
    for member, kind in (("text", "text_delta"), ("thinking", "thinking_delta")):
        said = "".join(event["delta"][member] for event in streamed if event.get("delta", {}).get("type") == kind)
        assert "".join(block.get(member, "") for block in body["content"]) == said
    *_, delta, _ = streamed
    assert (body["stop_reason"], body["usage"]) == (delta["delta"]["stop_reason"], delta["usage"])
