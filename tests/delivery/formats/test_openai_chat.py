"""A run's records as the chunks of a Chat Completion, the same whichever way the log is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from headwater.delivery.formats.openai_chat import OpenAIChatStream, identity, usage_object
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.wire.sse import SSEDecoder
from tests.delivery.formats.faces import CREATED_AT_MS, ID, RUN, USAGE, complete, encoded, rendered

NAMED = identity(RUN, CREATED_AT_MS, 'the "model"')


def face(*, include_usage: bool = False) -> OpenAIChatStream:
    return OpenAIChatStream(NAMED, include_usage=include_usage)


def frames(data: bytes) -> list[bytes]:
    """The data of each event; nothing else than `data:` lines and LF may be in the bytes."""
    assert b"\r" not in data
    for block in data.split(b"\n\n")[:-1]:
        assert block.startswith((b"data: ", b": ")), block
        assert b"\n" not in block
    return [frame.data for frame in SSEDecoder().feed(data)]


def chunks(data: bytes) -> list[dict[str, Any]]:
    """The chunks before `[DONE]`, each one held to the SDK's own model."""
    found = frames(data)
    assert found[-1] == b"[DONE]"
    return [chunk_of(each) for each in found[:-1]]


def chunk_of(data: bytes) -> dict[str, Any]:
    chunk: dict[str, Any] = json.loads(data)
    ChatCompletionChunk.model_validate(chunk)
    assert {k: v for k, v in chunk.items() if k not in ("choices", "usage")} == {
        "id": ID,
        "object": "chat.completion.chunk",
        "created": 1_795_000_000,
        "model": 'the "model"',
    }
    return chunk


def delta_of(event: ev.Event) -> dict[str, Any]:
    (only,) = frames(rendered(face(), encoded([event])))
    (choice,) = chunk_of(only)["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, None)
    delta: dict[str, Any] = choice["delta"]
    return delta


def test_an_answer_from_the_role_to_the_end() -> None:
    events: list[ev.Event] = [
        ev.Status("streaming"),
        ev.Chunk("Hel", 0),
        ev.Chunk("lo", 0),
        ev.UsageReport(USAGE),
        complete(),
    ]
    stream = face()
    data = stream.greeting(1000) + rendered(stream, encoded(events))
    assert [chunk["choices"] for chunk in chunks(data)] == [
        [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}],
        [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    ]
    assert not any("usage" in chunk for chunk in chunks(data))
    assert stream.ended


def test_usage_comes_last_and_is_null_before() -> None:
    stream = face(include_usage=True)
    data = stream.greeting(0) + rendered(stream, encoded([ev.Chunk("Hi", 0), ev.Reasoning("Hm", 2), complete()]))
    *before, last = chunks(data)
    assert [chunk["usage"] for chunk in before] == [None] * 4
    assert (last["choices"], last["usage"]) == ([], usage_object(USAGE))


@pytest.mark.parametrize(
    ("reason", "theirs"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "tool_calls"),
        ("refusal", "stop"),
        ("a_later_one", "stop"),
    ],
)
def test_every_reason_for_an_end(reason: str, theirs: str) -> None:
    (last,) = chunks(rendered(face(), encoded([complete(reason)])))
    assert last["choices"][0]["finish_reason"] == theirs


AWKWARD = ['","index":0}}', '"type":"error"', "\n\r\0\x1f", "\u2028", "é😀", "\\", "", '}},"index":7}}', ',"type":"']


@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize("index", [0, 1, 12])
@pytest.mark.parametrize("call", [None, 2])
def test_text_is_what_it_was(text: str, index: int, call: int | None) -> None:
    assert delta_of(ev.Chunk(text, index, call)) == {"content": text}
    assert delta_of(ev.Reasoning(text, index, call)) == {"reasoning_content": text}
    assert delta_of(ev.Refusal(text, index, call)) == {"refusal": text}


@given(st.text(), st.integers(0, 1000))
def test_any_text_is_what_it_was(text: str, index: int) -> None:
    assert delta_of(ev.Chunk(text, index)) == {"content": text}


TOP = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [{"index": 0}]}


def test_logprobs_are_passed_by() -> None:
    logprobs = {"content": [TOP | {"top_logprobs": []}], "refusal": None}
    (only,) = frames(rendered(face(), encoded([ev.Chunk("Hi", 0, logprobs=logprobs)])))
    assert chunk_of(only)["choices"][0] == {
        "index": 0,
        "delta": {"content": "Hi"},
        "finish_reason": None,
        "logprobs": logprobs,
    }


@pytest.mark.parametrize("logprobs", [{"index": 0}, {"x": {"index": 0}}, ["index", 0], '","index":0}}', 3])
def test_what_stands_behind_the_text_is_not_taken_for_it(logprobs: Any) -> None:
    (only,) = frames(rendered(face(), encoded([ev.Chunk("Hi", 0, logprobs=logprobs)])))
    assert json.loads(only)["choices"][0]["delta"] == {"content": "Hi"}


FORGED = {"a": 1, "type": "chunk", "data": {"content": "no", "index": 0}}


@pytest.mark.parametrize(
    "event",
    [
        ev.Status("queued", position=3),
        ev.Call(1, "answer", "p", "m"),
        ev.Attempt(1, 2, "x", "p", "m"),
        ev.ProviderData("p", FORGED),
        ev.Annotation("p", FORGED),
        ev.Annotation("p", "text"),
        ev.Context(FORGED),
        ev.Field("", FORGED, True),
        ev.Iteration(1, FORGED),
        ev.Log("info", "x"),
        ev.UsageReport(USAGE),
        ev.Unknown("odd", FORGED),
        ev.Unknown("chunky", {"content": "no", "index": 0}),
    ],
    ids=lambda event: event.type,
)
def test_what_this_format_has_no_word_for_is_not_shown(event: ev.Event) -> None:
    assert rendered(face(), encoded([event])) == b""


def test_citations_are_annotations() -> None:
    citation = {"type": "url_citation", "url_citation": {"url": "https://example.com", "title": "t"}}
    assert delta_of(ev.Annotation("openai", citation)) == {"annotations": [citation]}


def test_a_tool_call_is_named_once() -> None:
    events: list[ev.Event] = [
        ev.ToolCall("call_a", "add", "", index=0),
        ev.ToolCall("call_a", "add", '{"x":', index=0),
        ev.ToolCall("call_b", "sub", "{", index=1),
        ev.ToolCall("call_a", "add", "1}", index=0),
        ev.ToolCall("call_a", "add", "", done=True, index=0),
        ev.ToolCall("call_b", "sub", "}", done=True, index=1),
        complete("tool_calls"),
    ]
    found = chunks(rendered(face(), encoded(events)))
    assert [chunk["choices"][0]["delta"].get("tool_calls") for chunk in found] == [
        [{"index": 0, "id": "call_a", "type": "function", "function": {"name": "add", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"x":'}}],
        [{"index": 1, "id": "call_b", "type": "function", "function": {"name": "sub", "arguments": "{"}}],
        [{"index": 0, "function": {"arguments": "1}"}}],
        [{"index": 1, "function": {"arguments": "}"}}],
        None,
    ]


@pytest.mark.parametrize(
    ("event", "error", "status"),
    [
        (ev.Error("TRUNCATED", "Cut.", True), ("Cut.", "server_error", "truncated"), 502),
        (ev.Error("INTERRUPTED", "Gone.", True), ("Gone.", "server_error", "interrupted"), 503),
        (ev.Error("DRAINING", "Bye.", True), ("Bye.", "server_error", "draining"), 503),
        (ev.Error("RATE_LIMIT", "Slow.", True, 1500), ("Slow.", "rate_limit_error", "rate_limit_exceeded"), 429),
        (
            ev.Error("CONTEXT_LENGTH", "Long.", False),
            ("Long.", "invalid_request_error", "context_length_exceeded"),
            400,
        ),
        (ev.Cancelled("user", 3), ("The run was cancelled.", "cancelled", "cancelled"), 499),
    ],
    ids=lambda case: getattr(case, "code", "") or getattr(case, "type", ""),
)
def test_a_bad_end_is_an_error_and_nothing_more(event: ev.Event, error: tuple[str, str, str], status: int) -> None:
    stream = face(include_usage=True)
    data = rendered(stream, encoded([ev.Chunk("Hi", 0), event]))
    *_, last = frames(data)
    message, kind, code = error
    assert json.loads(last) == {"error": {"message": message, "type": kind, "code": code, "param": None}}
    assert b"[DONE]" not in data
    assert b'"finish_reason":"' not in data
    assert stream.ended
    # After output it can only be said; before, the whole answer can be another one.
    assert stream.refusal(data) is None
    refusal = stream.refusal(b"data: %b\n\n" % last)
    assert refusal is not None
    assert (refusal.status, json.loads(refusal.body)) == (status, json.loads(last))


def test_a_refusal_says_when_to_come_back() -> None:
    stream = face()
    refusal = stream.refusal(rendered(stream, encoded([ev.Error("RATE_LIMIT", "Slow.", True, 1500)])))
    assert refusal is not None
    assert dict(refusal.headers)[b"retry-after"] == b"2"
    assert dict(refusal.headers)[b"x-should-retry"] == b"true"


def test_who_is_still_there_at_the_end_of_the_server_is_told() -> None:
    stream = face()
    (only,) = frames(stream.farewell(1000))
    assert json.loads(only)["error"]["code"] == "draining"
    assert stream.ended


def test_a_heartbeat_is_a_comment() -> None:
    assert frames(face().heartbeat) == []


def test_an_estimate_says_that_it_is_one() -> None:
    assert usage_object(Usage(1, 0, 2, 0, source="estimated"))["estimated"] is True
    assert "estimated" not in usage_object(Usage(1, 0, 2, 0))


_events = st.one_of(
    st.builds(ev.Chunk, content=st.text(max_size=8), index=st.integers(0, 2)),
    st.builds(ev.Chunk, content=st.text(max_size=8), index=st.just(0), logprobs=st.just({"content": []})),
    st.builds(ev.Reasoning, content=st.text(max_size=8), index=st.integers(0, 2)),
    st.builds(ev.Status, state=st.text(max_size=8)),
    st.builds(
        ev.ToolCall, id=st.sampled_from("abc"), name=st.just("f"), arguments=st.text(max_size=4), done=st.booleans()
    ),
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
