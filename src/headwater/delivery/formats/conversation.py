"""An assistant's answer: `status`, `context`, `chunk`…, then `complete` with suggestions and the session, or `error`.

Whole it is `{"message","suggestions","session_id"}`. Suggestions and context come from the application's result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.delivery.formats.plain_answer import PlainAnswer, PlainStream, text_of
from headwater.delivery.formats.refusal_headers import refusal_headers
from headwater.delivery.formats.standing_records import Said
from headwater.delivery.formats.tokens import status_of
from headwater.delivery.held import Refusal
from headwater.domain import event as ev

_encode = msgspec.json.Encoder().encode


def refusal(
    code: str, message: str, *, retryable: bool, retry_after_s: float | None = None, status: int | None = None
) -> Refusal:
    """An answer that says no."""
    headers = refusal_headers(retryable=retryable, retry_after_s=retry_after_s)
    body = _encode({"type": "error", "code": code, "message": message, "retryable": retryable})
    return Refusal(status or status_of(code), headers, body)


def suggestions_in(result: object) -> list[str]:
    """The suggestions of an application's result; none where it has no such thing."""
    found = result.get("suggestions") if isinstance(result, dict) else None
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


class ConversationStream(PlainStream):
    """The encoding of one streamed answer."""

    transport = "conversation"

    __slots__ = ("_session",)

    def __init__(self, session: str) -> None:
        super().__init__(refusal)
        self._session = session

    def greeting(self, retry_ms: int) -> bytes:
        return b'data: {"type":"status","status":"processing"}\n\n'

    def piece(self, text: str) -> bytes:
        return b'{"type":"chunk","content":%b}' % _encode(text)

    def context(self, event: ev.Context) -> bytes:
        return _encode({"type": "context", "context": event.context})

    def done(self, end: ev.Complete) -> bytes:
        return _encode({"type": "complete", "suggestions": suggestions_in(end.result), "session_id": self._session})


class ConversationAnswer(PlainAnswer):
    """The encoding of one whole answer."""

    transport = "conversation_whole"

    __slots__ = ("_session",)

    def __init__(self, session: str) -> None:
        super().__init__(refusal)
        self._session = session

    def answer(self, said: Sequence[Said], end: ev.Complete) -> dict[str, Any]:
        return {"message": text_of(said), "suggestions": suggestions_in(end.result), "session_id": self._session}
