"""A run's records as parts of a UI message stream, the same whichever way the log is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.delivery.formats.ai_sdk import AISDKStream, Identity, message_id, text_refusal
from headwater.domain import event as ev
from headwater.errors import CODES, ErrorCode
from headwater.wire.sse import SSEDecoder
from tests.delivery.formats.faces import RUN, USAGE, complete, encoded, rendered

MESSAGE = message_id(RUN)


def face() -> AISDKStream:
    return AISDKStream(Identity(RUN, MESSAGE, "m"))


def frames(data: bytes) -> list[bytes]:
    assert b"\r" not in data
    return [frame.data for frame in SSEDecoder().feed(data)]


def parts(events: list[ev.Event]) -> list[dict[str, Any]]:
    """The parts after the greeting, without `[DONE]`."""
    return [json.loads(data) for data in frames(rendered(face(), encoded(events))) if data != b"[DONE]"]


def test_an_answer_from_start_to_done() -> None:
    events: list[ev.Event] = [
        ev.Status("streaming"),
        ev.Reasoning("Hm", 0),
        ev.Chunk("Hel", 1),
        ev.Chunk("lo", 1),
        ev.UsageReport(USAGE),
        complete(),
    ]
    stream = face()
    *found, done = frames(stream.greeting(0) + rendered(stream, encoded(events)))
    assert [json.loads(data) for data in found] == [
        {"type": "start", "messageId": MESSAGE, "messageMetadata": {"run": RUN, "model": "m"}},
        {"type": "start-step"},
        {"type": "reasoning-start", "id": "reasoning-2"},
        {"type": "reasoning-delta", "id": "reasoning-2", "delta": "Hm"},
        {"type": "reasoning-end", "id": "reasoning-2"},
        {"type": "text-start", "id": "text-3"},
        {"type": "text-delta", "id": "text-3", "delta": "Hel"},
        {"type": "text-delta", "id": "text-3", "delta": "lo"},
        {"type": "text-end", "id": "text-3"},
        {"type": "finish-step"},
        {
            "type": "finish",
            "finishReason": "stop",
            "messageMetadata": {
                "usage": {
                    "input_tokens": 9,
                    "cached_input_tokens": 2,
                    "output_tokens": 5,
                    "reasoning_tokens": 3,
                    "cost_usd": None,
                    "source": "provider",
                }
            },
        },
    ]
    assert done == b"[DONE]"
    assert stream.ended


def test_what_the_message_had_before_comes_first() -> None:
    stream = AISDKStream(Identity(RUN, MESSAGE, "m"), earlier=[{"type": "start-step"}, {"type": "finish-step"}])
    found = [json.loads(data)["type"] for data in frames(stream.greeting(0))]
    assert found == ["start", "start-step", "finish-step", "start-step"]


@pytest.mark.parametrize(
    ("reason", "theirs"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content-filter"),
        ("tool_calls", "tool-calls"),
        ("refusal", "content-filter"),
        ("a_later_one", "other"),
    ],
)
def test_every_reason_for_an_end(reason: str, theirs: str) -> None:
    assert parts([complete(reason)])[-1]["finishReason"] == theirs


def test_a_tool_call_is_streamed_and_then_known() -> None:
    found = parts(
        [
            ev.ToolCall("a", "add", '{"x":'),
            ev.ToolCall("b", "now", ""),
            ev.ToolCall("a", "add", "1}"),
            ev.ToolCall("a", "add", "", done=True),
            ev.ToolCall("b", "now", "", done=True),
            ev.ToolCall("c", "bad", '{"x', done=True),
        ]
    )
    assert found == [
        {"type": "tool-input-start", "toolCallId": "a", "toolName": "add"},
        {"type": "tool-input-delta", "toolCallId": "a", "inputTextDelta": '{"x":'},
        {"type": "tool-input-start", "toolCallId": "b", "toolName": "now"},
        {"type": "tool-input-delta", "toolCallId": "a", "inputTextDelta": "1}"},
        {"type": "tool-input-available", "toolCallId": "a", "toolName": "add", "input": {"x": 1}},
        {"type": "tool-input-available", "toolCallId": "b", "toolName": "now", "input": {}},
        {"type": "tool-input-start", "toolCallId": "c", "toolName": "bad"},
        {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": '{"x'},
        {
            "type": "tool-input-error",
            "toolCallId": "c",
            "toolName": "bad",
            "input": '{"x',
            "errorText": "The model's arguments are not JSON, or nested too deep.",
        },
    ]


def test_arguments_that_no_parser_reads_break_no_stream() -> None:
    abyss = '{"x":' + "[" * 100_000 + "]" * 100_000 + "}"
    *_, fault = parts([ev.ToolCall("a", "f", abyss, done=True)])
    assert (fault["type"], fault["input"]) == ("tool-input-error", abyss)


CITATION = {"url": "https://example.com", "title": "t", "start_index": 1}


@pytest.mark.parametrize(
    ("event", "part"),
    [
        (
            ev.Annotation("openai", {"type": "url_citation", "url_citation": CITATION}),
            {"type": "source-url", "sourceId": "source-1", "url": "https://example.com", "title": "t"},
        ),
        (
            ev.Annotation("openai", {"type": "url_citation", "url": "https://example.com"}),
            {"type": "source-url", "sourceId": "source-1", "url": "https://example.com"},
        ),
        (
            ev.Annotation("p", {"type": "url_citation", "url": 7}),
            {
                "type": "data-annotation",
                "data": {"provider": "p", "value": {"type": "url_citation", "url": 7}},
            },
        ),
        (ev.ProviderData("p", [1]), {"type": "data-provider", "data": {"provider": "p", "value": [1]}}),
        (ev.Context({"a": 1}), {"type": "data-context", "data": {"a": 1}}),
        (
            ev.Field("/a", 1, True),
            {"type": "data-field", "id": "/a", "data": {"path": "/a", "value": 1, "done": True}},
        ),
        (ev.Iteration(2, {"a": 1}), {"type": "data-iteration", "data": {"number": 2, "a": 1}}),
        (
            ev.Log("info", "x"),
            {"type": "data-log", "data": {"level": "info", "message": "x"}, "transient": True},
        ),
        (
            ev.Status("queued", position=3),
            {"type": "data-status", "data": {"state": "queued", "position": 3}, "transient": True},
        ),
        (ev.Cancelled("user", 0), {"type": "abort", "reason": "user"}),
        (ev.Error("TRUNCATED", "Cut.", True), {"type": "error", "errorText": "Cut."}),
    ],
    ids=lambda case: case.type if isinstance(case, ev._Event) else "",
)
def test_what_becomes_one_part(event: ev.Event, part: dict[str, Any]) -> None:
    assert parts([event]) == [part]


@pytest.mark.parametrize(
    "event",
    [
        ev.Status("connecting"),
        ev.Status("streaming"),
        ev.Call(1, "answer", "p", "m"),
        ev.Attempt(1, 2, "x", "p", "m"),
        ev.UsageReport(USAGE),
        ev.Unknown("odd", {}),
    ],
    ids=lambda event: event.type,
)
def test_what_is_not_shown(event: ev.Event) -> None:
    assert parts([event]) == []


def test_what_a_call_says_for_the_application_alone_is_not_shown() -> None:
    events: list[ev.Event] = [
        ev.Call(1, "internal", "p", "m"),
        ev.Chunk("secret", 0, call=1),
        ev.ToolCall("a", "f", "{}", done=True, call=1),
        ev.Call(2, "answer", "p", "m"),
        ev.Chunk("Hi", 0, call=2),
    ]
    assert parts(events) == [
        {"type": "text-start", "id": "text-5"},
        {"type": "text-delta", "id": "text-5", "delta": "Hi"},
    ]


@given(st.text(), st.integers(0, 1000))
def test_any_text_is_what_it_was(text: str, index: int) -> None:
    assert parts([ev.Chunk(text, index)])[-1]["delta"] == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("event", [ev.Error("RATE_LIMIT", "Slow.", True, 1500), ev.Cancelled("user", 2)])
def test_a_bad_end_closes_what_is_open(event: ev.Event) -> None:
    found = parts([ev.Chunk("Hi", 0), event])
    assert [part["type"] for part in found] == ["text-start", "text-delta", "text-end", found[-1]["type"]]
    assert found[-1]["type"] in ("error", "abort")


def test_what_failed_before_it_said_anything_is_refused() -> None:
    stream = face()
    data = rendered(stream, encoded([ev.Status("connecting"), ev.Error("RATE_LIMIT", "Slow.", True, 1500)]))
    refusal = stream.refusal(data)
    assert refusal is not None
    assert (refusal.status, refusal.body) == (429, b"Slow.")
    assert dict(refusal.headers)[b"retry-after"] == b"2"
    assert dict(refusal.headers)[b"headwater-error"] == b"RATE_LIMIT"
    assert stream.refusal(b"data: {}\n\n") is None


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_its_status(code: ErrorCode) -> None:
    assert text_refusal(code, "x").status == CODES[code].status


def test_a_code_of_a_later_version_is_the_servers() -> None:
    assert text_refusal("BRAND_NEW", "x").status == 500


def test_who_is_still_there_at_the_end_of_the_server_is_cut_off() -> None:
    stream = face()
    assert stream.farewell(1000) == b""
    assert not stream.ended


def test_a_heartbeat_is_a_comment() -> None:
    assert frames(face().heartbeat) == []


_events = st.one_of(
    st.builds(ev.Chunk, content=st.text(max_size=8), index=st.integers(0, 2), call=st.sampled_from([None, 1, 2])),
    st.builds(ev.Reasoning, content=st.text(max_size=8), index=st.integers(0, 2)),
    st.builds(ev.Refusal, content=st.text(max_size=8), index=st.integers(0, 1)),
    st.builds(ev.Status, state=st.sampled_from(["queued", "streaming"])),
    st.builds(
        ev.ToolCall, id=st.sampled_from("abc"), name=st.just("f"), arguments=st.text(max_size=4), done=st.booleans()
    ),
    st.just(ev.Call(2, "internal", "p", "m")),
)
_ends = st.sampled_from([complete(), ev.Error("TRUNCATED", "Cut.", True), ev.Cancelled("user", 0)])


@given(st.lists(_events, max_size=30), _ends, st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)))
def test_the_bytes_do_not_depend_on_how_the_log_is_cut(
    events: list[ev.Event], end: ev.Event, cuts: set[int], others: set[int]
) -> None:
    payloads = encoded([*events, end])
    whole = rendered(face(), payloads)
    cuts = {cut for cut in cuts if cut < len(payloads)}
    stream = face()
    assert rendered(stream, payloads, cuts) == whole
    # Again by the same face, which has seen it all: a page may be made a second time, from any place.
    assert rendered(stream, payloads, {cut for cut in others if cut < len(payloads)}) == whole
    for cut in cuts:
        assert whole.startswith(rendered(face(), payloads[:cut]))
