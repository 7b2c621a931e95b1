"""Our error codes in the words of Anthropic's API, which its SDKs turn into typed exceptions. Pure.

https://platform.claude.com/docs/en/api/errors and the SDKs' own tables: the status chooses the exception, and
`error.type` is what a program can look at. `error.code` is ours, for it says more: no client minds it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from headwater.delivery.formats.refusal_headers import refusal_headers
from headwater.delivery.held import Refusal
from headwater.errors import CODES, ErrorCode


class Fault(NamedTuple):
    """One code in Anthropic's words."""

    status: int
    type: str


_INVALID = "invalid_request_error"
_SERVER = "api_error"

#: Where Anthropic has a word or a status of its own; the rest is made from `CODES`.
_NAMED: dict[ErrorCode, Fault] = {
    ErrorCode.BAD_REQUEST: Fault(400, _INVALID),
    ErrorCode.UNSUPPORTED: Fault(400, _INVALID),
    ErrorCode.CONTEXT_LENGTH: Fault(400, _INVALID),
    ErrorCode.CONTENT_FILTER: Fault(400, _INVALID),
    ErrorCode.AUTH: Fault(401, "authentication_error"),
    ErrorCode.BUDGET: Fault(402, "billing_error"),
    ErrorCode.FORBIDDEN: Fault(403, "permission_error"),
    ErrorCode.NOT_FOUND: Fault(404, "not_found_error"),
    ErrorCode.TOO_LARGE: Fault(413, _INVALID),
    ErrorCode.RATE_LIMIT: Fault(429, "rate_limit_error"),
    ErrorCode.QUEUE_FULL: Fault(429, "rate_limit_error"),
    ErrorCode.TIMEOUT: Fault(504, "timeout_error"),
    ErrorCode.OVERLOADED: Fault(529, "overloaded_error"),
    ErrorCode.CIRCUIT_OPEN: Fault(529, "overloaded_error"),
    ErrorCode.DRAINING: Fault(529, "overloaded_error"),
    ErrorCode.CANCELLED: Fault(499, _SERVER),
}

_encode = msgspec.json.Encoder().encode


def fault_of(code: str) -> Fault:
    """The row for one of our codes; one that this version does not know counts as the server's."""
    try:
        known = ErrorCode(code)
    except ValueError:
        return Fault(500, _SERVER)
    status = CODES[known].status
    return _NAMED.get(known, Fault(status, _SERVER if status >= 500 else _INVALID))


def error_json(code: str, message: str) -> bytes:
    """`{"type": "error", "error": {type, message, code}}`."""
    error: dict[str, Any] = {"type": fault_of(code).type, "message": message, "code": code.lower()}
    return _encode({"type": "error", "error": error})


def refusal(
    code: str, message: str, *, retryable: bool, retry_after_s: float | None = None, status: int | None = None
) -> Refusal:
    """An answer that says no. Anthropic's SDKs repeat as OpenAI's do, unless they are told what to do."""
    headers = refusal_headers(retryable=retryable, retry_after_s=retry_after_s)
    return Refusal(status or fault_of(code).status, headers, error_json(code, message))
