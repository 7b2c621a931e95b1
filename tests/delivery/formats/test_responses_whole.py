"""A run's records as one whole response: nothing before the end, and then all of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.delivery.formats.responses_stream import ResponseStream
from headwater.delivery.formats.responses_whole import WholeResponse
from headwater.domain import event as ev
from tests.delivery.formats.faces import complete, encoded, rendered
from tests.delivery.formats.responses import check_response, events_of, run

LOG: list[ev.Event] = [
    ev.Call(1, "answer", "p", "m"),
    ev.Reasoning("Hm", 0),
    ev.Chunk("Hel", 1),
    ev.Chunk("lo", 1),
    ev.ToolCall("a", "f", "{}", True),
]


def test_it_is_what_the_stream_ends_with() -> None:
    payloads = encoded([*LOG, complete("tool_calls")])
    *_, last = events_of(rendered(ResponseStream(run()), payloads))
    assert check_response(rendered(WholeResponse(run()), payloads)) == last["response"]


def test_an_answer_that_was_cut_short_says_so() -> None:
    found = check_response(rendered(WholeResponse(run()), encoded([*LOG, complete("length")])))
    assert (found["status"], found["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


@pytest.mark.parametrize(
    ("end", "code", "status"),
    [(ev.Error("TRUNCATED", "Cut.", True), "truncated", 502), (ev.Cancelled("disconnect", 2), "cancelled", 499)],
)
def test_a_bad_end_is_a_refusal_whatever_was_said_before(end: ev.Event, code: str, status: int) -> None:
    whole = WholeResponse(run())
    refusal = whole.refusal(rendered(whole, encoded([*LOG, end])))
    assert refusal is not None
    assert (refusal.status, json.loads(refusal.body)["error"]["code"]) == (status, code)
    assert whole.ended


def test_a_server_that_goes_refuses() -> None:
    whole = WholeResponse(run())
    refusal = whole.refusal(whole.farewell(1000))
    assert refusal is not None
    assert refusal.status == 503


def test_nothing_is_said_before_the_end() -> None:
    whole = WholeResponse(run())
    assert rendered(whole, encoded(LOG)) == whole.heartbeat == whole.greeting(0) == b""
    assert not whole.ended


@given(st.lists(st.text(max_size=5), max_size=20), st.sets(st.integers(1, 20)), st.sets(st.integers(1, 20)))
def test_the_answer_does_not_depend_on_how_the_log_is_cut(texts: list[str], cuts: set[int], others: set[int]) -> None:
    payloads = encoded([*(ev.Chunk(text, n % 2) for n, text in enumerate(texts)), complete()])
    whole = rendered(WholeResponse(run()), payloads)
    said: list[Any] = [part["text"] for item in json.loads(whole)["output"] for part in item["content"]]
    assert "".join(said) == "".join(texts)
    again = WholeResponse(run())
    for each in (cuts, others):
        assert rendered(again, payloads, {cut for cut in each if cut < len(payloads)}) == whole
