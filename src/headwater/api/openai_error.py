"""Refusals in the shape of OpenAI's API, for the faces that its SDKs call."""

from __future__ import annotations

import re
from typing import Any

from headwater.api.answer import Answer, Headers
from headwater.api.problem import told_briefly
from headwater.delivery.formats.openai_error import MODEL_NOT_FOUND, PREVIOUS_RESPONSE_NOT_FOUND, refusal
from headwater.errors import CODES, BadRequestError, HeadwaterError, NotFoundError

#: Where a fault of the run that a body was turned into has another name in the body itself.
_PARAMS = {"json_schema": "response_format", "logprobs": "top_logprobs"}


class ModelNotFoundError(NotFoundError):
    """No model of that name can be called."""


class PreviousResponseNotFoundError(BadRequestError):
    """The response that another one is to follow is not there, or can not be followed."""


#: What OpenAI calls more exactly than our codes do.
_NAMES: dict[type[HeadwaterError], str] = {
    ModelNotFoundError: MODEL_NOT_FOUND,
    PreviousResponseNotFoundError: PREVIOUS_RESPONSE_NOT_FOUND,
}


def openai_error(error: HeadwaterError, *, headers: Headers = (), status: int | None = None) -> Answer:
    """The answer for an error that one of the rooms below raised. `status` as in `problem`."""
    told, message, after_s = told_briefly(error)
    no = refusal(
        told.code,
        message,
        param=_param(told.extra),
        name=_NAMES.get(type(error)),
        retryable=CODES[told.code].retryable,
        retry_after_s=after_s,
        status=status,
    )
    return Answer(no.status, no.body, [*no.headers, *headers])


def _param(extra: dict[str, Any]) -> str | None:
    """`messages[0].content` from the JSON pointer `/messages/0/content`; None for the whole body."""
    if (parameter := extra.get("parameter")) is not None:
        return str(parameter)
    pointer = str(extra.get("pointer") or "").removeprefix("/settings").removeprefix("/")
    first, _, rest = pointer.partition("/")
    path = re.sub(r"/(\d+)(?=/|$)", r"[\1]", "/".join(filter(None, (_PARAMS.get(first, first), rest))))
    return path.replace("/", ".") or None
