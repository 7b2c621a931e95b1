"""A token a frame, byte for byte as those read it who split at blank lines and at `data: `."""

from __future__ import annotations

import json

import pytest

from headwater.delivery.formats.tokens import Identity, TokenAnswer, TokenStream, refusal, status_of
from headwater.domain import event as ev
from headwater.errors import CODES, ErrorCode
from tests.delivery.formats.faces import complete, encoded, rendered


def test_the_frames_are_these() -> None:
    log: list[ev.Event] = [ev.Chunk("Hel\n", 0), ev.Chunk('"lo"', 0), complete()]
    assert rendered(TokenStream(), encoded(log)) == (
        b'data: {"token":"Hel\\n","done":false}\n\n'
        b'data: {"token":"\\"lo\\"","done":false}\n\n'
        b'data: {"token":"","done":true,"fullText":"Hel\\n\\"lo\\""}\n\n'
    )


def test_an_error_has_two_members() -> None:
    log: list[ev.Event] = [ev.Chunk("a", 0), ev.Cancelled("user", 1)]
    *_, last, rest = rendered(TokenStream(), encoded(log)).split(b"\n\n")
    assert (last, rest) == (b'data: {"error":"CANCELLED","message":"The run was cancelled."}', b"")


def test_a_whole_answer_has_four() -> None:
    face = TokenAnswer(Identity("chat_1", "msg_1", "2026-11-21T10:00:00.000Z"))
    assert json.loads(rendered(face, encoded([ev.Chunk("Hi", 0), complete()]))) == {
        "chat_id": "chat_1",
        "message_id": "msg_1",
        "reply": "Hi",
        "created_at": "2026-11-21T10:00:00.000Z",
    }


@pytest.mark.parametrize("code", ErrorCode)
def test_each_code_has_its_status(code: ErrorCode) -> None:
    no = refusal(code, "No.", retryable=CODES[code].retryable)
    assert (no.status, json.loads(no.body)) == (CODES[code].status, {"error": code, "message": "No."})


def test_a_code_of_a_later_version_is_the_servers_fault() -> None:
    assert status_of("LATER") == 500
