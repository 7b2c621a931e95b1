"""Refusals for the AI SDK, whose client throws an `Error` with the answer's body as its message: one sentence."""

from __future__ import annotations

from headwater.api.answer import Answer, Headers
from headwater.api.problem import told_briefly
from headwater.delivery.formats.ai_sdk import text_refusal
from headwater.errors import HeadwaterError


def ai_sdk_error(error: HeadwaterError, *, headers: Headers = (), status: int | None = None) -> Answer:
    """The answer for an error that one of the rooms below raised; its code is in `Headwater-Error`."""
    told, message, after_s = told_briefly(error)
    no = text_refusal(told.code, message, status=status, retry_after_s=after_s)
    return Answer(no.status, no.body, [*no.headers, *headers])
