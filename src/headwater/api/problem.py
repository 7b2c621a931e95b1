"""Refusals on the wire: `application/problem+json` (RFC 9457), every one from the table in `headwater.errors`."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from headwater.api.answer import Answer, Headers
from headwater.errors import (
    CODES,
    CursorTrimmedError,
    ErrorCode,
    HeadwaterError,
    LogMissing,
    LogTrimmed,
    NotFoundError,
    RefusedError,
    StorageError,
    StorageFull,
    StorageFullError,
    UnavailableError,
)

#: `detail` may quote what was sent (a field's name); it never quotes more than this.
DETAIL_CHARS_MAX = 500

#: When to come back where the error itself does not say, in seconds.
RETRY_AFTER_S: dict[ErrorCode, float] = {
    ErrorCode.QUEUE_FULL: 1,
    ErrorCode.RATE_LIMIT: 1,
    ErrorCode.DRAINING: 5,
    ErrorCode.STORAGE: 5,
    ErrorCode.STORAGE_FULL: 30,
}

_encoder = msgspec.json.Encoder()


class Problem(msgspec.Struct, omit_defaults=True):
    """A problem of RFC 9457 with the members that every problem of Headwater has.

    Further members by code: `pointer` (RFC 6901, into the body) or `parameter` with BAD_REQUEST,
    `snapshot` with CURSOR_TRIMMED, `tail` with CURSOR_AHEAD, `run` where one of several is meant, `flag` with DISABLED.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    pointer: str | None = None
    parameter: str | None = None
    snapshot: str | None = None
    tail: int | None = None
    run: str | None = None
    flag: str | None = None


def problem_type(code: str) -> str:
    """The URI that names this kind of problem. It identifies; there is nothing to fetch."""
    return f"urn:headwater:problem:{code.lower().replace('_', '-')}"


def problem(
    code: ErrorCode,
    detail: str = "",
    *,
    status: int | None = None,
    retry_after_s: float | None = None,
    headers: Headers = (),
    **extra: Any,
) -> Answer:
    """The answer for one code. `status` is for where HTTP has a finer one than the table (431, 408).

    `extra` are further members of the problem object.
    """
    row = CODES[code]
    status = status or row.status
    detail = _within_bounds(detail or row.title)
    members: dict[str, Any] = {
        "type": problem_type(code),
        "title": row.title,
        "status": status,
        "detail": detail,
        "code": code,
        "retryable": row.retryable,
        **extra,
    }
    all_headers = [
        (b"content-type", b"application/problem+json"),
        # Understood by the SDKs of OpenAI, which else repeat every 409.
        (b"x-should-retry", b"true" if row.retryable else b"false"),
        *headers,
    ]
    if retry_after_s is None:
        retry_after_s = RETRY_AFTER_S.get(code)
    if retry_after_s is not None:
        all_headers.append((b"retry-after", b"%d" % max(0, math.ceil(retry_after_s))))
    return Answer(status, _encoder.encode(members), all_headers)


def problem_of(error: HeadwaterError, *, headers: Headers = (), status: int | None = None) -> Answer:
    """The answer for an error that one of the rooms below raised. `status` as in `problem`."""
    refusal = refused(error)
    extra: dict[str, Any] = dict(refusal.extra)
    return problem(
        refusal.code, refusal.message, status=status, retry_after_s=refusal.retry_after_s, headers=headers, **extra
    )


def refused(error: HeadwaterError) -> RefusedError:
    """What the caller is told. Storage's own words are the operator's, so they stay here."""
    match error:
        case RefusedError():
            return error
        case LogMissing():
            return NotFoundError(NO_SUCH_RUN)
        case LogTrimmed():
            return CursorTrimmedError("The records that follow this cursor are gone; the snapshot holds what they did.")
        case StorageFull():
            return StorageFullError()
        case StorageError():
            return UnavailableError("The storage can not be used.", code=ErrorCode.STORAGE)
    return UnavailableError(error.message, code=error.code)


def told_briefly(error: HeadwaterError) -> tuple[RefusedError, str, float | None]:
    """What the caller is told, its sentence within bounds, and after how many seconds to come back, if at all."""
    told = refused(error)
    after_s = told.retry_after_s if told.retry_after_s is not None else RETRY_AFTER_S.get(told.code)
    return told, _within_bounds(told.message), after_s


def naming_what(told: RefusedError, sentence: str) -> str:
    """The sentence, behind the name of what was at fault where it does not begin with that: for shapes without a place
    for the name."""
    what = told.extra.get("parameter") or str(told.extra.get("pointer") or "").removeprefix("/").replace("/", ".")
    return f"{what}: {sentence}" if what and not sentence.startswith(f"{what}: ") else sentence


def _within_bounds(sentence: str) -> str:
    return sentence if len(sentence) <= DETAIL_CHARS_MAX else sentence[: DETAIL_CHARS_MAX - 1] + "…"


#: One sentence for an unknown run, another owner's run and what can not be a run's id: they must look the same.
NO_SUCH_RUN = "There is no such run."
