"""A run's records as the events of a response: held to the SDK's own models, and the same however the log is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.delivery.formats.responses_stream import ResponseStream
from headwater.domain import event as ev
from headwater.domain.run import FaceTerms
from tests.delivery.formats.faces import CREATED_AT_MS, USAGE, complete, encoded, rendered
from tests.delivery.formats.responses import RESPONSE_ID, events_of, run

NAME = "0a" * 16


def all_of(stream: ResponseStream, *events: ev.Event) -> list[dict[str, Any]]:
    return events_of(stream.greeting(0) + rendered(stream, encoded(events)))


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


TEXT: list[ev.Event] = [
    ev.Call(1, "answer", "p", "m"),
    ev.Status("streaming"),
    ev.Chunk("Hel", 0),
    ev.Chunk("lo", 0),
    ev.UsageReport(USAGE),
    complete(),
]


def test_an_answer_from_its_creation_to_its_end() -> None:
    stream = ResponseStream(run())
    events = all_of(stream, *TEXT)
    assert types(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert "".join(event["delta"] for event in events if "delta" in event) == events[6]["text"] == "Hello"
    last = events[-1]["response"]
    part = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
    assert last["output"] == [
        {"id": f"msg_{NAME}_0", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    ]
    assert (last["id"], last["status"], last["created_at"]) == (RESPONSE_ID, "completed", CREATED_AT_MS // 1000)
    assert last["usage"]["input_tokens_details"] == {"cached_tokens": 2, "cache_write_tokens": 0}
    assert stream.ended


def test_in_the_background_it_is_queued_first() -> None:
    stream = ResponseStream(run(on_disconnect="continue"))
    events = all_of(stream, ev.Status("queued"), ev.Call(1, "answer", "p", "m"))
    assert types(events) == ["created", "queued", "in_progress"]
    assert [event["response"]["status"] for event in events] == ["queued", "queued", "in_progress"]
    assert [event["sequence_number"] for event in events] == [0, 1, 2]


def test_reasoning_text_and_calls_are_items_of_their_own() -> None:
    events = all_of(
        ResponseStream(run()),
        ev.Reasoning("Hm", 0),
        ev.Reasoning("so", 1),
        ev.Chunk("Yes", 2),
        ev.Refusal("No", 2),
        ev.ToolCall("call_a", "add", "", index=0),
        ev.ToolCall("call_a", "add", '{"x":', index=0),
        ev.ToolCall("call_b", "sub", "{", index=1),
        ev.ToolCall("call_a", "add", "1}", done=True, index=0),
        ev.ToolCall("call_b", "sub", "}", done=True, index=1),
        complete("tool_calls"),
    )
    output = events[-1]["response"]["output"]
    assert [(item["type"], item["status"]) for item in output] == [
        (kind, "completed") for kind in ("reasoning", "message", "function_call", "function_call")
    ]
    assert [part["text"] for part in output[0]["summary"]] == ["Hm", "so"]
    assert [part.get("text", part.get("refusal")) for part in output[1]["content"]] == ["Yes", "No"]
    assert [(item["call_id"], item["name"], item["arguments"]) for item in output[2:]] == [
        ("call_a", "add", '{"x":1}'),
        ("call_b", "sub", "{}"),
    ]
    # What the events say of each item amounts to the item.
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert sorted(done, key=lambda item: item["id"]) == sorted(output, key=lambda item: item["id"])
    assert [event["output_index"] for event in events if event["type"] == "response.output_item.added"] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("end", "kind", "status", "item"),
    [
        (complete("length"), "incomplete", "incomplete", "incomplete"),
        (complete("content_filter"), "incomplete", "incomplete", "incomplete"),
        (complete("refusal"), "completed", "completed", "completed"),
        (ev.Error("INTERRUPTED", "Gone.", True), "failed", "failed", "incomplete"),
        (ev.Cancelled("user", 2), "incomplete", "cancelled", "incomplete"),
    ],
)
def test_every_end_keeps_what_was_said(end: ev.Event, kind: str, status: str, item: str) -> None:
    last = all_of(ResponseStream(run()), ev.Chunk("Hi", 0), end)[-1]
    response = last["response"]
    assert (last["type"], response["status"]) == (f"response.{kind}", status)
    (message,) = response["output"]
    assert (message["status"], message["content"][0]["text"]) == (item, "Hi")
    details = {"length": {"reason": "max_output_tokens"}, "content_filter": {"reason": "content_filter"}}
    assert response["incomplete_details"] == details.get(getattr(end, "finish_reason", ""))


def test_a_failure_says_what_it_was() -> None:
    last = all_of(ResponseStream(run()), ev.Error("TRUNCATED", "Cut.", True))[-1]
    error = {"code": "server_error", "message": "Cut.", "type": "truncated", "param": None}
    assert last["response"]["error"] == error
    slow = all_of(ResponseStream(run()), ev.Error("RATE_LIMIT", "Slow.", True))[-1]
    assert slow["response"]["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("refuses", "background", "refused"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_who_started_it_is_refused_where_nothing_was_put_out(refuses: bool, background: bool, refused: bool) -> None:
    stream = ResponseStream(run(on_disconnect="continue" if background else "cancel"), refuses=refuses)
    data = rendered(stream, encoded([ev.Call(1, "answer", "p", "m"), ev.Error("RATE_LIMIT", "Slow.", True, 1500)]))
    refusal = stream.refusal(data)
    assert (refusal is not None) == refused
    if refusal is not None:
        assert (refusal.status, json.loads(refusal.body)["error"]["code"]) == (429, "rate_limit_exceeded")


def test_output_is_never_refused() -> None:
    stream = ResponseStream(run(), refuses=True)
    data = rendered(stream, encoded([ev.Chunk("Hi", 0), ev.Error("RATE_LIMIT", "Slow.", True)]))
    assert stream.refusal(data) is None


def test_citations_are_annotations() -> None:
    citation = {"type": "url_citation", "url": "https://e.org", "title": "t", "start_index": 0, "end_index": 2}
    nested = {"type": "url_citation", "url_citation": {key: citation[key] for key in citation if key != "type"}}
    events = all_of(
        ResponseStream(run()),
        ev.Annotation("openai", citation),
        ev.Chunk("Hi", 0),
        ev.Annotation("openai", citation),
        ev.Annotation("openai", nested),
        ev.Annotation("openai", {"type": "web_search_call"}),
        ev.Annotation("google", "text"),
        complete(),
    )
    added = [event for event in events if event["type"] == "response.output_text.annotation.added"]
    assert [(event["annotation"], event["annotation_index"]) for event in added] == [(citation, 0), (citation, 1)]
    assert events[-1]["response"]["output"][0]["content"][0]["annotations"] == [citation, citation]


def test_logprobs_are_passed_by() -> None:
    top = {"token": "Hi", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "Ho", "logprob": -1.0}]}
    events = all_of(
        ResponseStream(run()),
        ev.Chunk("Hi", 0, logprobs={"content": [top]}),
        ev.Chunk("!", 0, logprobs={"content": "odd"}),
        complete(),
    )
    deltas = [event["logprobs"] for event in events if event["type"] == "response.output_text.delta"]
    assert deltas == [
        [{"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Ho", "logprob": -1.0}]}],
        [],
    ]
    (token,) = events[-1]["response"]["output"][0]["content"][0]["logprobs"]
    assert (token["bytes"], token["top_logprobs"][0]["bytes"]) == ([72, 105], [72, 111])


def test_what_a_provider_sealed_is_given_to_who_asks_for_it() -> None:
    checkpoint = {"response_id": "resp_1", "sequence_number": 3}
    log: list[ev.Event] = [
        ev.Reasoning("Hm", 0),
        ev.ProviderData("p", {"type": "reasoning", "encrypted_content": "x"}),
        ev.ProviderData("p", checkpoint),
        ev.Chunk("Hi", 1),
        complete(),
    ]
    (reasoning, _) = all_of(ResponseStream(run(face=FaceTerms(sealed=True))), *log)[-1]["response"]["output"]
    assert reasoning["encrypted_content"]
    (plain, _) = all_of(ResponseStream(run()), *log)[-1]["response"]["output"]
    assert "encrypted_content" not in plain


def test_superseded_output_is_left_out_of_the_response() -> None:
    events = all_of(
        ResponseStream(run()),
        ev.Call(1, "answer", "p", "m"),
        ev.Chunk("Hel", 0),
        ev.Attempt(1, 2, "INTERRUPTED", "p", "m", 2),
        ev.Chunk("Hello", 0),
        complete(),
    )
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert [(item["status"], item["content"][0]["text"]) for item in done] == [
        ("incomplete", "Hel"),
        ("completed", "Hello"),
    ]
    (message,) = events[-1]["response"]["output"]
    assert message == done[1]


def test_what_was_not_superseded_is_said_again() -> None:
    events = all_of(
        ResponseStream(run()),
        ev.Call(1, "answer", "p", "m"),
        ev.Chunk("one ", 0),
        ev.Attempt(1, 2, "NETWORK", "p", "m"),
        ev.Chunk("two", 0),
        ev.Attempt(1, 3, "NETWORK", "p", "m", 4),
        ev.Chunk("three", 0),
        complete(),
    )
    (message,) = events[-1]["response"]["output"]
    assert message["content"][0]["text"] == "one three"
    told = "".join(event["delta"] for event in events if event.get("item_id") == message["id"] and "delta" in event)
    assert told == "one three"


def test_internal_calls_are_not_shown() -> None:
    events = all_of(
        ResponseStream(run()),
        ev.Call(1, "internal", "p", "m"),
        ev.Call(2, "answer", "p", "m"),
        ev.Chunk("thinking", 0, 1),
        ev.ToolCall("a", "f", "{}", True, 0, 1),
        ev.Chunk("Hi", 0, 2),
        complete(),
    )
    (message,) = events[-1]["response"]["output"]
    assert message["content"][0]["text"] == "Hi"


AWKWARD = ['","index":0}}', '"type":"error"', "\n\r\0\x1f", "\u2028", "é😀", "\\", "", '}},"index":7}}', ',"type":"']


@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize("call", [None, 2])
def test_text_is_what_it_was(text: str, call: int | None) -> None:
    log: list[ev.Event] = [ev.Chunk(text, 3, call) for _ in range(3)]
    events = all_of(ResponseStream(run()), *log, complete())
    assert [event["delta"] for event in events if "delta" in event] == [text] * 3
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == text * 3


def test_who_is_still_there_at_the_end_of_the_server_is_told() -> None:
    stream = ResponseStream(run())
    (event,) = events_of(stream.farewell(1000))
    assert (event["code"], event["error"]["code"], event["sequence_number"]) == ("draining", "draining", 0)
    assert stream.ended


def test_who_has_seen_it_all_gets_an_end() -> None:
    for after, found in ((9, []), (10, ["cursor_ahead"])):
        stream = ResponseStream(run(), after=after)
        data = stream.greeting(0) + rendered(stream, encoded(TEXT))
        assert data
        assert [event["code"] for event in events_of(data)] == found
        assert stream.ended


def test_a_heartbeat_is_a_comment() -> None:
    assert events_of(ResponseStream(run()).heartbeat) == []


_text = st.text(max_size=6)
_events = st.one_of(
    st.builds(ev.Chunk, content=_text, index=st.integers(0, 2)),
    st.builds(ev.Chunk, content=_text, index=st.just(0), call=st.sampled_from([None, 1, 2])),
    st.builds(ev.Reasoning, content=_text, index=st.integers(0, 1)),
    st.builds(ev.Refusal, content=_text, index=st.integers(0, 1)),
    st.builds(ev.Status, state=_text),
    st.builds(ev.ToolCall, id=st.sampled_from("abc"), name=st.just("f"), arguments=_text, done=st.booleans()),
    st.builds(ev.ProviderData, provider=st.just("p"), value=st.just({"type": "x"})),
    st.builds(
        ev.Attempt,
        call=st.just(1),
        number=st.just(2),
        reason=st.just("NETWORK"),
        provider=st.just("p"),
        model=st.just("m"),
        supersedes_from=st.one_of(st.none(), st.integers(1, 30)),
    ),
)
_ends = st.sampled_from([complete(), complete("length"), ev.Error("TRUNCATED", "Cut.", True), ev.Cancelled("user", 0)])


@given(st.lists(_events, max_size=30), _ends, st.sets(st.integers(1, 30)), st.integers(-1, 60), st.booleans())
def test_the_bytes_depend_on_the_log_alone(
    events: list[ev.Event], end: ev.Event, cuts: set[int], after: int, sealed: bool
) -> None:
    asked = run(face=FaceTerms(sealed=sealed))
    payloads = encoded([*events, end])
    cuts = {cut for cut in cuts if cut < len(payloads)}
    stream = ResponseStream(asked)
    whole = rendered(stream, payloads)
    found = events_of(stream.greeting(0) + whole)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    # In other pages, and again by the same stream, which has seen it all.
    for each in (ResponseStream(asked), stream, stream):
        assert rendered(each, payloads, cuts) == whole
    for cut in cuts:
        assert whole.startswith(rendered(ResponseStream(asked), payloads[:cut]))
    # Whoever comes back with a number gets exactly what follows it.
    again = ResponseStream(asked, after=after)
    rest = again.greeting(0) + rendered(again, payloads, cuts)
    if after < len(found):
        assert events_of(rest) == found[after + 1 :]
    assert again.ended
    assert not again.greeting(0) or after < 0


@given(st.lists(_events, max_size=30), _ends)
def test_the_events_amount_to_the_response(events: list[ev.Event], end: ev.Event) -> None:
    """What a client puts together from deltas is what the last event says."""
    found = all_of(ResponseStream(run()), *events, end)
    said: dict[str, str] = {}
    for event in found:
        if "delta" in event:
            said[event["item_id"]] = said.get(event["item_id"], "") + event["delta"]
    done = {event["item"]["id"]: event["item"] for event in found if event["type"] == "response.output_item.done"}
    begun = [event["item"]["id"] for event in found if event["type"] == "response.output_item.added"]
    assert sorted(begun) == sorted(done)
    for item in found[-1]["response"]["output"]:
        assert done[item["id"]] == item
        texts = [part.get("text", part.get("refusal")) for part in item.get("content") or item.get("summary") or []]
        assert said.get(item["id"], "") == (item["arguments"] if "arguments" in item else "".join(texts))
