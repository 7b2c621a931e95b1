"""An assistant's answer: processing, what is known, the pieces, the end."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from headwater.delivery.formats.conversation import (
    ConversationAnswer,
    ConversationStream,
    refusal,
    suggestions_in,
)
from headwater.domain import event as ev
from tests.delivery.formats.faces import complete, encoded, rendered
from tests.delivery.formats.test_plain_answer import LOG, SESSION

RESULT = {"suggestions": ["And now?", 7, None], "session_id": "another"}


def ended(result: Any) -> list[ev.Event]:
    return [*LOG[:-1], msgspec.structs.replace(complete(), result=result)]


def test_the_frames_are_these() -> None:
    face = ConversationStream(SESSION)
    data = face.greeting(0) + rendered(face, encoded(ended(RESULT)))
    assert data == (
        b'data: {"type":"status","status":"processing"}\n\n'
        b'data: {"type":"context","context":{"intent":"greet"}}\n\n'
        b'data: {"type":"chunk","content":"Hel"}\n\n'
        b'data: {"type":"chunk","content":"lo "}\n\n'
        b'data: {"type":"chunk","content":"no more"}\n\n'
        b'data: {"type":"complete","suggestions":["And now?"],"session_id":"%b"}\n\n' % SESSION.encode()
    )


def test_an_error_is_one_of_them() -> None:
    face = ConversationStream(SESSION)
    log: list[ev.Event] = [ev.Chunk("a", 0), ev.Error("TIMEOUT", "It took too long.", True)]
    *_, last, rest = rendered(face, encoded(log)).split(b"\n\n")
    frame = b'data: {"type":"error","code":"TIMEOUT","message":"It took too long.","retryable":true}'
    assert (last, rest) == (frame, b"")


def test_a_whole_answer_has_three_members() -> None:
    assert json.loads(rendered(ConversationAnswer(SESSION), encoded(ended(RESULT)))) == {
        "message": "Hello no more",
        "suggestions": ["And now?"],
        "session_id": SESSION,
    }


@pytest.mark.parametrize("result", [None, 7, [], {}, {"suggestions": "a"}, {"suggestions": None}])
def test_a_result_of_another_kind_has_no_suggestions(result: object) -> None:
    assert suggestions_in(result) == []


def test_a_refusal_is_an_error_too() -> None:
    no = refusal("BUDGET", "No.", retryable=False)
    body = {"type": "error", "code": "BUDGET", "message": "No.", "retryable": False}
    assert (no.status, json.loads(no.body)) == (402, body)
