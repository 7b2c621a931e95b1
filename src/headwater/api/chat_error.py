"""Refusals in the shapes of the chat, `{"error","message"}`, and of the conversation, `{"type":"error",…}`."""

from __future__ import annotations

from collections.abc import Callable

from headwater.api.answer import Answer, Headers
from headwater.api.problem import naming_what, told_briefly
from headwater.delivery.formats import conversation, tokens
from headwater.delivery.held import Refusal
from headwater.errors import CODES, HeadwaterError


def chat_error(error: HeadwaterError, *, headers: Headers = (), status: int | None = None) -> Answer:
    """The answer for an error that one of the rooms below raised. `status` as in `problem`."""
    return _refused(tokens.refusal, error, headers, status)


def conversation_error(error: HeadwaterError, *, headers: Headers = (), status: int | None = None) -> Answer:
    """The answer for an error that one of the rooms below raised. `status` as in `problem`."""
    return _refused(conversation.refusal, error, headers, status)


def _refused(refuse: Callable[..., Refusal], error: HeadwaterError, headers: Headers, status: int | None) -> Answer:
    """The shapes have no place for what was at fault; its name stands before the sentence."""
    told, message, retry_after_s = told_briefly(error)
    no = refuse(
        told.code,
        naming_what(told, message),
        retryable=CODES[told.code].retryable,
        retry_after_s=retry_after_s,
        status=status,
    )
    return Answer(no.status, no.body, [*no.headers, *headers])
