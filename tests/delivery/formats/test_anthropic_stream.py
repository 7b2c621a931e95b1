"""A run's records as the events of a message, the same whichever way the log is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from headwater.delivery.formats.anthropic_stream import AnthropicStream, identity, usage_object
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.wire.sse import SSEDecoder
from tests.delivery.formats.faces import RUN, USAGE, complete, encoded, rendered

NAMED = identity(RUN, 'the "model"')
ID = "msg_" + "0a" * 16
EVENT = TypeAdapter(RawMessageStreamEvent)
COUNTED = {
    "input_tokens": 7,
    "cache_read_input_tokens": 2,
    "output_tokens": 5,
    "output_tokens_details": {"thinking_tokens": 3},
}


def face() -> AnthropicStream:
    return AnthropicStream(NAMED)


def events_of(data: bytes) -> list[dict[str, Any]]:
    """The events, each held to the SDK's own model and named by its type."""
    assert b"\r" not in data
    found: list[dict[str, Any]] = []
    for frame in SSEDecoder().feed(data):
        event: dict[str, Any] = json.loads(frame.data)
        assert frame.event == event["type"]
        EVENT.validate_python(event)
        found.append(event)
    return found


def shown(*events: ev.Event) -> list[dict[str, Any]]:
    return events_of(rendered(face(), encoded(events)))


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **said: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **said}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ended(reason: str, **more: Any) -> list[dict[str, Any]]:
    told = {"stop_reason": reason, "stop_sequence": None, **more}
    return [{"type": "message_delta", "delta": told, "usage": COUNTED}, {"type": "message_stop"}]


def test_an_answer_from_its_start_to_its_end() -> None:
    stream = face()
    told: list[ev.Event] = [ev.Status("streaming"), ev.Chunk("Hel", 0), ev.Chunk("lo", 0), ev.UsageReport(USAGE)]
    first, *rest = events_of(stream.greeting(1000) + rendered(stream, encoded([*told, complete()])))
    assert first["message"] == {
        "id": ID,
        "type": "message",
        "role": "assistant",
        "model": 'the "model"',
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    assert rest == [
        start(0, type="text", text=""),
        delta(0, "text_delta", text="Hel"),
        delta(0, "text_delta", text="lo"),
        stop(0),
        *ended("end_turn"),
    ]
    assert stream.ended


def test_each_part_is_a_block_of_its_own() -> None:
    signed = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}
    hidden = {"type": "redacted_thinking", "data": "aGlkZGVu"}
    assert shown(
        ev.Reasoning("Hm.", 0),
        ev.ProviderData("anthropic", signed, 0),
        ev.ProviderData("anthropic", hidden, 1),
        ev.Chunk("One", 2),
        ev.Chunk("Two", 3),
        ev.ToolCall("toolu_1", "add", "", index=4),
        ev.ToolCall("toolu_1", "add", '{"x":', index=4),
        ev.ToolCall("toolu_1", "add", "1}", done=True, index=4),
        ev.ToolCall("toolu_1", "add", " ", done=True, index=4),
        ev.ToolCall("toolu_2", "now", "{}", done=True, index=5),
        complete("tool_calls"),
    ) == [
        start(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="Hm."),
        delta(0, "signature_delta", signature="c2lnbmVk"),
        stop(0),
        start(1, **hidden),
        stop(1),
        start(2, type="text", text=""),
        delta(2, "text_delta", text="One"),
        stop(2),
        start(3, type="text", text=""),
        delta(3, "text_delta", text="Two"),
        stop(3),
        start(4, type="tool_use", id="toolu_1", name="add", input={}),
        delta(4, "input_json_delta", partial_json='{"x":'),
        delta(4, "input_json_delta", partial_json="1}"),
        stop(4),
        start(5, type="tool_use", id="toolu_2", name="now", input={}),
        delta(5, "input_json_delta", partial_json="{}"),
        stop(5),
        *ended("tool_use"),
    ]


def test_calls_that_overlap_end_each_by_itself() -> None:
    kinds = [
        (event["type"], event["index"])
        for event in shown(
            ev.ToolCall("a", "f", "{", index=0),
            ev.ToolCall("b", "g", "{", index=1),
            ev.ToolCall("a", "f", "}", done=True, index=0),
            ev.Chunk("and", 2),
            complete("tool_calls"),
        )[:-2]
    ]
    assert kinds == [
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 2),
        ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("content_block_stop", 1),
    ]


def test_a_signature_without_thinking_has_a_block_of_its_own() -> None:
    signed = {"type": "thinking", "thinking": "", "signature": "cw=="}
    assert shown(ev.ProviderData("anthropic", signed, 0)) == [
        start(0, type="thinking", thinking="", signature=""),
        delta(0, "signature_delta", signature="cw=="),
        stop(0),
    ]


def test_citations_belong_to_their_text() -> None:
    cited = {
        "type": "char_location",
        "cited_text": "x",
        "document_index": 0,
        "document_title": None,
        "start_char_index": 0,
        "end_char_index": 1,
        "file_id": None,
    }
    found = shown(ev.Annotation("anthropic", cited), ev.Chunk("Hi", 0), ev.Annotation("anthropic", cited))
    assert found[2:] == [delta(0, "citations_delta", citation=cited)]


@pytest.mark.parametrize(
    ("reason", "theirs"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("tool_calls", "tool_use"),
        ("refusal", "refusal"),
        ("a_later_one", "end_turn"),
    ],
)
def test_every_reason_for_an_end(reason: str, theirs: str) -> None:
    assert shown(complete(reason)) == ended(theirs)


def test_a_refusal_says_why() -> None:
    details = {"type": "refusal", "category": None, "explanation": "I can not."}
    told = shown(ev.Refusal("I can ", 0), ev.Refusal("not.", 0), complete())
    assert told == ended("refusal", stop_details=details)


@given(st.text(), st.integers(0, 1000))
def test_any_text_is_what_it_was(text: str, index: int) -> None:
    # The first record goes the long way, the second the short one.
    _, first, second = shown(ev.Chunk(text, index), ev.Chunk(text, index))
    assert first == second == delta(0, "text_delta", text=text)


FORGED = {"a": 1, "type": "chunk", "data": {"content": "no", "index": 0}}


@pytest.mark.parametrize(
    "event",
    [
        ev.Status("queued", position=3),
        ev.ProviderData("openai", {"type": "thinking", "thinking": "no", "signature": "no"}),
        ev.ProviderData("anthropic", FORGED),
        ev.Annotation("anthropic", {"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}}),
        ev.Field("", FORGED, True),
        ev.Unknown("odd", FORGED),
    ],
    ids=lambda event: event.type,
)
def test_what_this_format_has_no_word_for_is_not_shown(event: ev.Event) -> None:
    assert shown(event) == []
    between = shown(ev.Chunk("Hi", 0), event, ev.Chunk("Hi", 0))
    assert [each["type"] for each in between] == ["content_block_start", "content_block_delta", "content_block_delta"]


@pytest.mark.parametrize(
    ("event", "kind", "status"),
    [
        (ev.Error("TRUNCATED", "Cut.", True), "api_error", 502),
        (ev.Error("RATE_LIMIT", "Slow.", True, 1500), "rate_limit_error", 429),
        (ev.Error("OVERLOADED", "Busy.", True), "overloaded_error", 529),
        (ev.Cancelled("user", 3), "api_error", 499),
    ],
    ids=lambda case: getattr(case, "code", "") or getattr(case, "type", ""),
)
def test_a_bad_end_is_an_error_and_nothing_more(event: ev.Event, kind: str, status: int) -> None:
    stream = face()
    data = rendered(stream, encoded([ev.Chunk("Hi", 0), event]))
    last = SSEDecoder().feed(data)[-1]
    assert (last.event, json.loads(last.data)["error"]["type"]) == ("error", kind)
    assert b"message_stop" not in data
    assert b"content_block_stop" not in data
    assert stream.ended
    # After output it can only be said; before, the whole answer can be another one.
    assert stream.refusal(data) is None
    alone = face()
    refusal = alone.refusal(rendered(alone, encoded([event])))
    assert refusal is not None
    assert (refusal.status, json.loads(refusal.body)) == (status, json.loads(last.data))


def test_who_is_still_there_at_the_end_of_the_server_is_told() -> None:
    stream = face()
    (only,) = SSEDecoder().feed(stream.farewell(1000))
    assert (only.event, json.loads(only.data)["error"]["code"]) == ("error", "draining")
    assert stream.ended


def test_a_heartbeat_is_a_ping() -> None:
    (only,) = SSEDecoder().feed(face().heartbeat)
    assert (only.event, json.loads(only.data)) == ("ping", {"type": "ping"})


def test_an_estimate_says_that_it_is_one() -> None:
    assert usage_object(Usage(1, 0, 2, 0, source="estimated"))["estimated"] is True
    assert usage_object(USAGE) == COUNTED


def test_what_the_cache_took_is_counted_apart() -> None:
    counted = usage_object(Usage(20, 4, 1, cache_write_tokens=6))
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert [counted[name] for name in names] == [10, 4, 6]
    assert usage_object(Usage(3, 4, 1))["input_tokens"] == 0


SIGNED = {"type": "thinking", "thinking": "", "signature": "cw=="}
EVENTS = st.one_of(
    st.builds(ev.Chunk, content=st.text(max_size=8), index=st.integers(0, 2)),
    st.builds(ev.Reasoning, content=st.text(max_size=8), index=st.integers(0, 2)),
    st.builds(ev.ProviderData, provider=st.just("anthropic"), value=st.just(SIGNED), index=st.integers(0, 2)),
    st.builds(ev.Status, state=st.text(max_size=8)),
    st.builds(ev.Refusal, content=st.text(max_size=8), index=st.just(0)),
    st.builds(
        ev.ToolCall, id=st.sampled_from("abc"), name=st.just("f"), arguments=st.text(max_size=4), done=st.booleans()
    ),
)
ENDS = st.sampled_from([complete(), ev.Error("TRUNCATED", "Cut.", True), ev.Cancelled("user", 0)])


@given(data=st.data(), events=st.lists(EVENTS, max_size=12), end=ENDS)
def test_the_same_bytes_whichever_way_the_log_is_cut(
    data: st.DataObject, events: list[ev.Event], end: ev.Event
) -> None:
    payloads = encoded([*events, end])
    whole = rendered(face(), payloads)
    cut = face()
    assert rendered(cut, payloads, data.draw(st.sets(st.integers(1, len(payloads))))) == whole
    # What was given before is given again as it was.
    assert rendered(cut, payloads, data.draw(st.sets(st.integers(1, len(payloads))))) == whole
    if isinstance(end, ev.Complete):
        assert_well_formed(events_of(whole))


def assert_well_formed(events: list[dict[str, Any]]) -> None:
    """Blocks begin in order, have deltas while they are open only, and all end before the message does."""
    begun, open_blocks = 0, set()
    for event in events[:-2]:
        match event["type"]:
            case "content_block_start":
                assert event["index"] == begun
                open_blocks.add(begun)
                begun += 1
            case "content_block_delta":
                assert event["index"] in open_blocks
            case "content_block_stop":
                open_blocks.remove(event["index"])
    assert not open_blocks
