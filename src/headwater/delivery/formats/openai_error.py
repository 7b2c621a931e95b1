"""Our error codes in the words of OpenAI's API, which its SDKs turn into typed exceptions. Pure.

https://platform.openai.com/docs/guides/error-codes and the SDKs' own tables: the status chooses the exception, and
`type`, `code` and `param` are what a program can look at. Codes that OpenAI has no word for are ours in lower case.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from headwater.delivery.formats.refusal_headers import refusal_headers
from headwater.delivery.held import Refusal
from headwater.errors import CODES, ErrorCode


class Fault(NamedTuple):
    """One code in OpenAI's words."""

    status: int
    type: str
    code: str


_INVALID = "invalid_request_error"
_SERVER = "server_error"

#: Where OpenAI has a word or a status of its own; the rest is made from `CODES`.
_NAMED: dict[ErrorCode, Fault] = {
    ErrorCode.BAD_REQUEST: Fault(400, _INVALID, "invalid_request"),
    ErrorCode.UNSUPPORTED: Fault(400, _INVALID, "unsupported_value"),
    ErrorCode.CONTEXT_LENGTH: Fault(400, _INVALID, "context_length_exceeded"),
    ErrorCode.CONTENT_FILTER: Fault(400, _INVALID, "content_filter"),
    ErrorCode.AUTH: Fault(401, "authentication_error", "invalid_api_key"),
    ErrorCode.BUDGET: Fault(429, "insufficient_quota", "insufficient_quota"),
    ErrorCode.RATE_LIMIT: Fault(429, "rate_limit_error", "rate_limit_exceeded"),
    ErrorCode.QUEUE_FULL: Fault(429, "rate_limit_error", "queue_full"),
    ErrorCode.FORBIDDEN: Fault(403, "permission_error", "forbidden"),
    ErrorCode.CANCELLED: Fault(499, "cancelled", "cancelled"),
}

#: What a model's name that nobody has is called.
MODEL_NOT_FOUND = "model_not_found"
#: What it is called where a response is to follow one that is not there.
PREVIOUS_RESPONSE_NOT_FOUND = "previous_response_not_found"

_encode = msgspec.json.Encoder().encode


def fault_of(code: str) -> Fault:
    """The row for one of our codes; one that this version does not know counts as the server's."""
    try:
        known = ErrorCode(code)
    except ValueError:
        return Fault(500, _SERVER, code.lower())
    if (named := _NAMED.get(known)) is not None:
        return named
    status = CODES[known].status
    return Fault(status, _SERVER if status >= 500 else _INVALID, known.lower())


def error_json(code: str, message: str, *, param: str | None = None, name: str | None = None) -> bytes:
    """`{"error": {message, type, code, param}}`. `name` is for what OpenAI calls more exactly than our code does."""
    fault = fault_of(code)
    error = {"message": message, "type": fault.type, "code": name or fault.code, "param": param}
    return _encode({"error": error})


def refusal(
    code: str,
    message: str,
    *,
    param: str | None = None,
    name: str | None = None,
    retryable: bool,
    retry_after_s: float | None = None,
    status: int | None = None,
) -> Refusal:
    """An answer that says no."""
    headers = refusal_headers(retryable=retryable, retry_after_s=retry_after_s)
    return Refusal(status or fault_of(code).status, headers, error_json(code, message, param=param, name=name))
