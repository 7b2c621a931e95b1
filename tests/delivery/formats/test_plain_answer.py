"""What streams share that say an answer's text and its end: the same bytes, however the log is cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.delivery.formats.conversation import ConversationStream
from headwater.delivery.formats.plain_answer import PlainStream, text_of
from headwater.delivery.formats.tokens import Identity, TokenAnswer, TokenStream
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.wire.sse import SSEDecoder
from tests.delivery.formats.faces import RUN, complete, encoded, rendered

SESSION = "ses_" + "0b" * 16
LOG: list[ev.Event] = [
    ev.Status("streaming"),
    ev.Call(1, "internal", "p", "m"),
    ev.Chunk('{"intent"', 0, call=1),
    ev.Context({"intent": "greet"}),
    ev.Call(2, "answer", "p", "m"),
    ev.Reasoning("Hm", 0, call=2),
    ev.Chunk("Hel", 1, call=2),
    ev.Chunk("", 1, call=2),
    ev.Chunk("lo ", 1, call=2),
    ev.Refusal("no more", 1, call=2),
    ev.Call(3, "internal", "p", "m"),
    ev.Chunk("{}", 0, call=3),
    complete(),
]


def frames(data: bytes) -> list[Any]:
    return [json.loads(frame.data) for frame in SSEDecoder().feed(data)]


def faces() -> list[PlainStream]:
    return [TokenStream(), TokenStream(run=RUN), ConversationStream(SESSION)]


@pytest.mark.parametrize("place", range(3))
@given(st.sets(st.integers(1, len(LOG))))
def test_the_bytes_are_the_same_however_the_log_is_cut(place: int, cuts: set[int]) -> None:
    assert rendered(faces()[place], encoded(LOG), cuts) == rendered(faces()[place], encoded(LOG))


@pytest.mark.parametrize("place", range(3))
def test_what_is_asked_for_again_is_said_again(place: int) -> None:
    face, payloads = faces()[place], encoded(LOG)
    first = rendered(face, payloads)
    assert face.text == "Hello no more"
    assert rendered(face, payloads) == first
    assert (face.pieces, face.text, face.ended) == (3, "Hello no more", True)


@pytest.mark.parametrize("after", range(1, len(LOG) + 1))
def test_who_comes_back_gets_the_rest(after: int) -> None:
    payloads = encoded(LOG)
    whole = SSEDecoder().feed(rendered(TokenStream(run=RUN), payloads))
    rest = SSEDecoder().feed(rendered(face := TokenStream(run=RUN, after=after), payloads))
    assert rest == [frame for frame in whole if frame.id is not None and int(frame.id.split(":")[1]) > after]
    assert face.ended


def test_the_id_stands_behind_the_data() -> None:
    data = rendered(TokenStream(run=RUN), encoded(LOG))
    assert data.split(b"\n\n")[0] == b'data: {"token":"Hel","done":false}\nid: %b:7' % RUN.encode()
    assert b"id:" not in rendered(TokenStream(), encoded(LOG))


def test_what_was_superseded_is_not_in_the_whole_text() -> None:
    log: list[ev.Event] = [
        ev.Call(1, "answer", "p", "m"),
        ev.Chunk("wrong", 0),
        ev.Attempt(1, 2, "SERVER", "p", "m", 2),
        ev.Chunk("right", 0),
        complete(),
    ]
    assert [frame.get("token") for frame in frames(rendered(TokenStream(), encoded(log)))] == ["wrong", "right", ""]
    assert frames(rendered(TokenStream(), encoded(log)))[-1]["fullText"] == "right"
    answer = TokenAnswer(Identity("c", "m", "t"))
    assert json.loads(rendered(answer, encoded(log)))["reply"] == "right"


FAILURE = ev.Error("RATE_LIMIT", "Slow down.", True, retry_after_ms=1500)


@pytest.mark.parametrize("face", faces())
def test_a_failure_before_any_text_has_a_status_of_its_own(face: PlainStream) -> None:
    data = rendered(face, encoded([ev.Status("streaming"), FAILURE]))
    refusal = face.refusal(data)
    assert refusal is not None
    assert (refusal.status, dict(refusal.headers)[b"retry-after"], face.ended) == (429, b"2", True)


@pytest.mark.parametrize("face", faces())
def test_one_after_it_is_a_frame(face: PlainStream) -> None:
    data = rendered(face, encoded([ev.Chunk("a", 0), FAILURE]))
    assert face.refusal(data) is None
    assert frames(data)[-1]["message"] == "Slow down."
    assert face.ended


def test_who_came_back_is_not_refused() -> None:
    log: list[ev.Event] = [ev.Chunk("a", 0), FAILURE]
    face = TokenStream(run=RUN, after=1)
    assert face.refusal(rendered(face, encoded(log))) is None
    assert face.ended


def test_at_the_servers_end_only_who_can_not_come_back_is_told() -> None:
    lost, back = TokenStream(), TokenStream(run=RUN)
    assert frames(lost.farewell(1000)) == [{"error": "DRAINING", "message": "The server is shutting down."}]
    assert (back.farewell(1000), lost.ended, back.ended) == (b"", True, False)


def test_a_log_says_what_its_text_is() -> None:
    assert text_of([ev.Chunk("a", 0), ev.Reasoning("b", 0), ev.Refusal("c", 0)]) == "ac"


USED: list[ev.Event] = [
    ev.Call(1, "answer", "p", "m"),
    ev.UsageReport(Usage(3, 0, 1)),
    ev.Chunk("half", 0),
    ev.UsageReport(Usage(3, 0, 2)),
    ev.Attempt(1, 2, "NETWORK", "p", "m", supersedes_from=3),
    ev.Call(2, "internal", "p", "m"),
    ev.UsageReport(Usage(10, 0, 10), 2),
    ev.UsageReport(Usage(3, 0, 4)),
]


@pytest.mark.parametrize("make", [TokenStream, lambda: TokenAnswer(Identity("c", "m", "t"))])
def test_its_tokens_are_known_as_far_as_the_log_has_told_them(make: Callable[[], TokenStream | TokenAnswer]) -> None:
    """All that was paid for: each attempt once, and internal calls too."""
    face = make()
    told = []
    for seq, payload in enumerate(encoded([*USED, ev.Cancelled("user", 0)]), 1):
        face.record(seq, payload)
        told.append(face.tokens)
    assert told == [0, 4, 4, 5, 5, 5, 25, 32, 32]
    assert face.ended
    # a record that comes once more is not paid for once more
    rendered(face, encoded(USED))
    assert face.tokens == 32
    rendered(whole := make(), encoded([*USED, complete()]))
    assert whole.tokens == 14, "the end's word stands"


def test_a_whole_answer_that_was_left_has_the_text_that_had_come() -> None:
    answer = TokenAnswer(Identity("c", "m", "t"))
    rendered(answer, encoded(LOG[:-1]))
    assert (answer.text, answer.ended) == ("Hello no more", False)


def test_a_whole_answer_has_no_text_of_internal_calls() -> None:
    answer = TokenAnswer(Identity("c", "m", "t"))
    assert json.loads(rendered(answer, encoded(LOG)))["reply"] == "Hello no more"
    assert (answer.text, answer.tokens, answer.ended) == ("Hello no more", 14, True)
