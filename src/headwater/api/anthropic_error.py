"""Refusals in the shape of Anthropic's API, for the face that its SDKs call."""

from __future__ import annotations

from headwater.api.answer import Answer, Headers
from headwater.api.problem import naming_what, told_briefly
from headwater.delivery.formats.anthropic_error import refusal
from headwater.errors import CODES, HeadwaterError


def anthropic_error(error: HeadwaterError, *, headers: Headers = (), status: int | None = None) -> Answer:
    """The answer for an error that one of the rooms below raised. `status` as in `problem`.

    The shape has no place for what was at fault; its name stands before the sentence, as in Anthropic's own.
    """
    told, message, retry_after_s = told_briefly(error)
    no = refusal(
        told.code,
        naming_what(told, message),
        retryable=CODES[told.code].retryable,
        retry_after_s=retry_after_s,
        status=status,
    )
    return Answer(no.status, no.body, [*no.headers, *headers])
