"""A token a frame: `{"token":"Hello","done":false}` … `{"token":"","done":true,"fullText":"…"}`.

What small chat back ends speak, and whole `{"chat_id","message_id","reply","created_at"}`. An error is
`{"error","message"}`, as a frame or as the body of a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.delivery.formats.plain_answer import PlainAnswer, PlainStream, text_of
from headwater.delivery.formats.refusal_headers import refusal_headers
from headwater.delivery.formats.standing_records import Said
from headwater.delivery.held import Refusal
from headwater.domain import event as ev
from headwater.errors import CODES, ErrorCode

_encode = msgspec.json.Encoder().encode


class Identity(msgspec.Struct, frozen=True):
    """What a whole answer says of itself: its chat, its own id, and when it was asked for (RFC 3339)."""

    chat: str
    message: str
    created_at: str


def refusal(
    code: str, message: str, *, retryable: bool, retry_after_s: float | None = None, status: int | None = None
) -> Refusal:
    """An answer that says no."""
    headers = refusal_headers(retryable=retryable, retry_after_s=retry_after_s)
    body = _encode({"error": code, "message": message})
    return Refusal(status or status_of(code), headers, body)


def status_of(code: str) -> int:
    """The HTTP status for one of our codes; one that this version does not know counts as the server's fault."""
    try:
        return CODES[ErrorCode(code)].status
    except ValueError:
        return 500


class TokenStream(PlainStream):
    """The encoding of one streamed answer."""

    transport = "tokens"

    __slots__ = ()

    def __init__(self, *, run: str | None = None, after: int = 0) -> None:
        super().__init__(refusal, run=run, after=after)

    def piece(self, text: str) -> bytes:
        return b'{"token":%b,"done":false}' % _encode(text)

    def done(self, end: ev.Complete) -> bytes:
        return b'{"token":"","done":true,"fullText":%b}' % _encode(self.text)


class TokenAnswer(PlainAnswer):
    """The encoding of one whole answer."""

    transport = "tokens_whole"

    __slots__ = ("_identity",)

    def __init__(self, identity: Identity) -> None:
        super().__init__(refusal)
        self._identity = identity

    def answer(self, said: Sequence[Said], end: ev.Complete) -> dict[str, Any]:
        return {
            "chat_id": self._identity.chat,
            "message_id": self._identity.message,
            "reply": text_of(said),
            "created_at": self._identity.created_at,
        }
