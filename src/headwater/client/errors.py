"""What the client raises.

    ClientError (of `headwater.errors`)      kind, code, retryable, message
    ├── NetworkError           NETWORK       no connection, or it broke
    ├── TimedOut               TIMEOUT       the connection stands, but nothing comes any more
    ├── ServerError            SERVER        an answer with an error status; `code` is the server's own
    │   ├── NotFound                         also a `NotFoundError`
    │   ├── Conflict                         also a `ConflictError`: the key was used for another body
    │   ├── CursorAhead                      also a `CursorAheadError`
    │   └── CursorTrimmed                    also a `CursorTrimmedError`; `snapshot` is where to go on
    ├── RunFailed              SERVER        the run itself ended in `error`; `code` is the run's
    ├── ParseError             PARSE         what came is not what the protocol says
    ├── Cancelled              CANCELLED     this side stopped reading
    └── MaxRetriesExceeded     MAX_RETRIES_EXCEEDED     `last` is what the last try ended with

The four with a twin in `headwater.errors` are caught by either name, so that code which catches what the server
raises also works on this side of the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headwater.domain.event import Error
from headwater.errors import (
    ClientError,
    ConflictError,
    CursorAheadError,
    CursorTrimmedError,
    ErrorCode,
    HeadwaterError,
    NotFoundError,
)

#: Of an error's body no more than this is read.
PROBLEM_BYTES_MAX: Final = 64 * 1024
#: Statuses worth another try where the body does not say: RFC 9110, RFC 6585, and every fault of a server or proxy.
_RETRYABLE_STATUSES: Final = frozenset({408, 425, 429})


class NetworkError(ClientError):
    """The server can not be reached, or the connection broke. `unreachable`: nothing had been sent."""

    kind = code = ErrorCode.NETWORK

    def __init__(self, message: str = "The connection to the server broke", *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.unreachable = unreachable


class TimedOut(ClientError):
    """Nothing came for longer than a live server is ever silent."""

    kind = code = ErrorCode.TIMEOUT


class ParseError(ClientError):
    """What came is not what the protocol says."""

    kind = code = ErrorCode.PARSE


class Cancelled(ClientError):
    """Reading was stopped on this side. The run goes on."""

    kind = code = ErrorCode.CANCELLED


class MaxRetriesExceeded(ClientError):
    """Several tries in a row brought nothing. `last` is the error of the last one."""

    kind = code = ErrorCode.MAX_RETRIES_EXCEEDED

    def __init__(self, last: ClientError, tries: int) -> None:
        super().__init__(f"Gave up after {tries} tries: {last.message}")
        self.last = last
        self.tries = tries


class RunFailed(ClientError):
    """The run ended in an `error` record, `event`; what it had put out until then is kept in its log."""

    def __init__(self, event: Error) -> None:
        super().__init__(event.message)
        self.code = _code(event.code)
        self.event = event

    @property
    def retryable(self) -> bool:
        return self.event.retryable


class ServerError(ClientError):
    """An answer with an error status.

    `status` is the answer's, `problem` its problem+json members (RFC 9457; empty if it was something else), and
    `retry_after_s` what its `Retry-After` asked for. Without a `code` it is SERVER.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        message = problem.get("detail") or problem.get("title")
        super().__init__(message if isinstance(message, str) else f"The server answered with status {status}")
        self.code = _code(problem.get("code"))
        self.problem = problem
        self.retry_after_s = retry_after_s
        self._status = status

    @property
    def status(self) -> int:
        return self._status

    @property
    def retryable(self) -> bool:
        said = self.problem.get("retryable")
        return said if isinstance(said, bool) else self._status >= 500 or self._status in _RETRYABLE_STATUSES


# Each takes its initialiser from ServerError; the twin is there to be caught by.
class NotFound(ServerError, NotFoundError):
    """No such run, or it belongs to another owner."""

    code: ErrorCode


class Conflict(ServerError, ConflictError):
    """The idempotency key was used for another request."""

    code: ErrorCode


class CursorAhead(ServerError, CursorAheadError):
    """The cursor is past the log's tail: it belongs to another run, or to data that the server has lost."""

    code: ErrorCode


class CursorTrimmed(ServerError, CursorTrimmedError):
    """The records after the cursor are gone."""

    code: ErrorCode

    @property
    def snapshot(self) -> str | None:
        """Where the run's snapshot is, a path or URL, if the server said so."""
        link = self.problem.get("snapshot")
        return link if isinstance(link, str) else None


_CODES: Final = frozenset[str](ErrorCode)
_BY_CODE: Final[dict[str, type[ServerError]]] = {
    ErrorCode.NOT_FOUND: NotFound,
    ErrorCode.CONFLICT: Conflict,
    ErrorCode.CURSOR_AHEAD: CursorAhead,
    ErrorCode.CURSOR_TRIMMED: CursorTrimmed,
}


def refusal(status: int, body: bytes, *, retry_after: str | None = None) -> ServerError:
    """The typed error of an answer. `body` may be anything, a proxy's page too; `retry_after` is the header's text."""
    try:
        problem = msgspec.json.decode(body)
    except msgspec.DecodeError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    # Only the code decides: a 404 without one may be a proxy's, and says nothing about the run.
    kind = _BY_CODE.get(_code(problem.get("code")), ServerError)
    return kind(status, problem, _seconds(retry_after))


def _code(name: object) -> str:
    """An `ErrorCode` where it is one of these, else the server's own word."""
    if not isinstance(name, str):
        return ErrorCode.SERVER
    return ErrorCode(name) if name in _CODES else name


def _seconds(retry_after: str | None) -> float | None:
    # The form with a date is left alone: it needs two clocks to agree, and Headwater never sends it.
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()):
        return None
    return float(retry_after[:9])


__all__ = [
    "Cancelled",
    "ClientError",
    "Conflict",
    "CursorAhead",
    "CursorTrimmed",
    "HeadwaterError",
    "MaxRetriesExceeded",
    "NetworkError",
    "NotFound",
    "ParseError",
    "RunFailed",
    "ServerError",
    "TimedOut",
    "refusal",
]
