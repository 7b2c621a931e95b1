"""Every exception of Headwater, in one tree.

    HeadwaterError
    ├── RefusedError            a request is refused before anything began: the caller reads its problem+json
    │   ├── BadRequestError     400  what was sent can not be understood (its `pointer` says where)
    │   ├── NotFoundError       404  no such run, or it belongs to another owner: the two look the same
    │   │   └── StreamGoneError      a stream that was deleted while others are still forked from it
    │   ├── ConflictError       409  the same idempotency key with another body
    │   │   ├── StreamClosedError    nothing can be appended to a stream that is closed
    │   │   └── ProducerGapError     a producer's number does not follow its last
    │   ├── AuthError           401  no key where one is needed, or one that is not taken
    │   ├── CursorAheadError    409  the cursor is past the log's tail
    │   ├── CursorTrimmedError  410  what the cursor asks for is gone; the snapshot is still there
    │   ├── TooLargeError       413  a body, a header, a depth, a message over its limit
    │   ├── MediaTypeError      415  a change that is not `application/json`
    │   ├── MethodError         405  not a method of this resource
    │   ├── NotAcceptableError  406  none of the forms that `Accept` names is on offer
    │   ├── ForbiddenError      403  a hostile Origin
    │   │   └── ProducerFencedError  a producer's epoch is older than the one in force
    │   ├── DisabledError       403  the operator has switched it off; `flag` says by which flag
    │   ├── WrongHostError      421  a Host that this server does not serve
    │   ├── UnsupportedError    422  well formed, but the model or this version can not do it
    │   ├── ContextLengthError  413  more tokens than one request may have
    │   ├── BudgetError         402  more tokens than are left
    │   ├── RateLimitError      429  too many requests of one caller
    │   ├── QueueFullError      429  too many runs wait
    │   ├── StorageFullError    507  the disk is full: runs that exist are served, new ones refused
    │   ├── UnavailableError    503  draining, or the storage has failed
    │   └── WorkflowFault       500  a workflow's own code failed before its run began
    ├── ProviderError           a model call failed; `code` says how, `detail` is the operator's
    │   └── Truncated           the provider's stream ended before it was whole
    ├── WireError               bytes that are not what they should be
    │   ├── LineTooLong
    │   ├── EventTooLarge
    │   ├── MalformedBody       the framing itself is broken: nothing after it can be told apart
    │   └── EncodeError         a field that would change the framing
    ├── StorageError            what an engine raises; `runs` and `delivery` translate it
    │   ├── LogMissing          no such log
    │   ├── SeqConflict         the tail is not where the writer believes
    │   ├── Fenced              the writer's epoch is not the log's
    │   ├── LogClosed           there is a final record
    │   ├── LogTrimmed          the records asked for are gone
    │   ├── LogCorrupt          a stored batch does not match its checksum; it is never served
    │   ├── StorageFull         no space; what was there before is untouched
    │   └── StorageFailed       a sync or a write failed: nothing is acknowledged after it
    ├── ConfigError             the operator's configuration can not be used
    └── ClientError             raised by `headwater.client` only; its tree is in `headwater.client.errors`

Each code has one row in `CODES`: who may try again, and the status where it is an answer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class ErrorCode(StrEnum):
    """The stable codes of the protocol: in `error` events, and in problem+json before a run."""

    NETWORK = "NETWORK"
    TIMEOUT = "TIMEOUT"
    RATE_LIMIT = "RATE_LIMIT"
    OVERLOADED = "OVERLOADED"
    AUTH = "AUTH"
    BAD_REQUEST = "BAD_REQUEST"
    UNSUPPORTED = "UNSUPPORTED"
    CONTEXT_LENGTH = "CONTEXT_LENGTH"
    CONTENT_FILTER = "CONTENT_FILTER"
    BUDGET = "BUDGET"
    CIRCUIT_OPEN = "CIRCUIT_OPEN"
    TRUNCATED = "TRUNCATED"
    PARSE = "PARSE"
    SERVER = "SERVER"
    INTERRUPTED = "INTERRUPTED"
    DRAINING = "DRAINING"
    STORAGE = "STORAGE"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    CURSOR_AHEAD = "CURSOR_AHEAD"
    CURSOR_TRIMMED = "CURSOR_TRIMMED"
    QUEUE_FULL = "QUEUE_FULL"
    STORAGE_FULL = "STORAGE_FULL"
    TOO_LARGE = "TOO_LARGE"
    FORBIDDEN = "FORBIDDEN"
    WRONG_HOST = "WRONG_HOST"
    MEDIA_TYPE = "MEDIA_TYPE"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    DISABLED = "DISABLED"
    # These two are raised by clients only: no server sends them.
    CANCELLED = "CANCELLED"
    MAX_RETRIES_EXCEEDED = "MAX_RETRIES_EXCEEDED"


class CodeRow(NamedTuple):
    """What a code means to whoever gets it: the HTTP status of a refusal, and whether to try again."""

    status: int
    retryable: bool
    title: str


CODES: dict[ErrorCode, CodeRow] = {
    ErrorCode.NETWORK: CodeRow(502, True, "The provider could not be reached"),
    ErrorCode.TIMEOUT: CodeRow(504, True, "A time limit was reached"),
    ErrorCode.RATE_LIMIT: CodeRow(429, True, "Too many requests"),
    ErrorCode.OVERLOADED: CodeRow(503, True, "The provider is overloaded"),
    ErrorCode.AUTH: CodeRow(401, False, "The key was not accepted"),
    ErrorCode.BAD_REQUEST: CodeRow(400, False, "The request can not be understood"),
    ErrorCode.UNSUPPORTED: CodeRow(422, False, "Not supported"),
    ErrorCode.CONTEXT_LENGTH: CodeRow(413, False, "Too long for this model"),
    ErrorCode.CONTENT_FILTER: CodeRow(422, False, "Stopped by the provider's content filter"),
    ErrorCode.BUDGET: CodeRow(402, False, "The budget is used up"),
    ErrorCode.CIRCUIT_OPEN: CodeRow(503, True, "The provider is resting after failures"),
    ErrorCode.TRUNCATED: CodeRow(502, True, "The provider's answer was cut off"),
    ErrorCode.PARSE: CodeRow(502, True, "The provider sent something that can not be read"),
    ErrorCode.SERVER: CodeRow(500, True, "Something went wrong on the server"),
    ErrorCode.INTERRUPTED: CodeRow(503, True, "The server stopped while the answer was being made"),
    ErrorCode.DRAINING: CodeRow(503, True, "The server is shutting down"),
    ErrorCode.STORAGE: CodeRow(503, True, "The answer could not be stored"),
    ErrorCode.NOT_FOUND: CodeRow(404, False, "Not found"),
    ErrorCode.CONFLICT: CodeRow(409, False, "Conflict"),
    ErrorCode.CURSOR_AHEAD: CodeRow(409, False, "The cursor is ahead of the log"),
    ErrorCode.CURSOR_TRIMMED: CodeRow(410, False, "The records asked for have been trimmed"),
    ErrorCode.QUEUE_FULL: CodeRow(429, True, "Too many runs are waiting"),
    ErrorCode.STORAGE_FULL: CodeRow(507, True, "The disk is full"),
    ErrorCode.TOO_LARGE: CodeRow(413, False, "Too large"),
    ErrorCode.FORBIDDEN: CodeRow(403, False, "Forbidden"),
    ErrorCode.WRONG_HOST: CodeRow(421, False, "This server does not serve that host"),
    ErrorCode.MEDIA_TYPE: CodeRow(415, False, "The body must be application/json"),
    ErrorCode.METHOD_NOT_ALLOWED: CodeRow(405, False, "Not a method of this resource"),
    ErrorCode.NOT_ACCEPTABLE: CodeRow(406, False, "Not available in the form asked for"),
    ErrorCode.DISABLED: CodeRow(403, False, "Switched off on this server"),
    ErrorCode.CANCELLED: CodeRow(499, False, "Cancelled"),
    ErrorCode.MAX_RETRIES_EXCEEDED: CodeRow(503, True, "Gave up after several tries"),
}


class HeadwaterError(Exception):
    """The root. `code` is stable and for programs; the message is fit to show a person."""

    code: ErrorCode = ErrorCode.SERVER

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message or CODES[self.code].title

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later, unchanged."""
        return CODES[self.code].retryable

    @property
    def status(self) -> int:
        """The HTTP status where this error is an answer."""
        return CODES[self.code].status


class RefusedError(HeadwaterError):
    """The caller's request was refused, and nothing was begun or changed."""

    def __init__(self, message: str = "", *, retry_after_s: float | None = None, **extra: object) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        #: further members of the problem+json object, e.g. `snapshot` for a trimmed cursor
        self.extra = extra


class BadRequestError(RefusedError):
    code = ErrorCode.BAD_REQUEST


class AuthError(RefusedError):
    code = ErrorCode.AUTH


class NotFoundError(RefusedError):
    code = ErrorCode.NOT_FOUND


class StreamGoneError(NotFoundError):
    """A stream was deleted, or its time is over, while others are still forked from it: its name is not free."""


class ConflictError(RefusedError):
    code = ErrorCode.CONFLICT


class StreamClosedError(ConflictError):
    """A stream is closed. `tail` is the seq of its last record."""

    def __init__(self, message: str = "", *, tail: int = 0) -> None:
        super().__init__(message)
        self.tail = tail


class ProducerGapError(ConflictError):
    """A producer sent `received` where `expected` would follow."""

    def __init__(self, message: str = "", *, expected: int = 0, received: int = 0) -> None:
        super().__init__(message)
        self.expected = expected
        self.received = received


class CursorAheadError(RefusedError):
    code = ErrorCode.CURSOR_AHEAD


class CursorTrimmedError(RefusedError):
    code = ErrorCode.CURSOR_TRIMMED


class TooLargeError(RefusedError):
    code = ErrorCode.TOO_LARGE


class MediaTypeError(RefusedError):
    code = ErrorCode.MEDIA_TYPE


class MethodError(RefusedError):
    code = ErrorCode.METHOD_NOT_ALLOWED


class NotAcceptableError(RefusedError):
    code = ErrorCode.NOT_ACCEPTABLE


class ForbiddenError(RefusedError):
    code = ErrorCode.FORBIDDEN


class ProducerFencedError(ForbiddenError):
    """A producer's epoch is older than `epoch`, which is in force."""

    def __init__(self, message: str = "", *, epoch: int = 0) -> None:
        super().__init__(message)
        self.epoch = epoch


class DisabledError(RefusedError):
    """What was asked for is behind a flag that is off."""

    code = ErrorCode.DISABLED

    def __init__(self, message: str = "", *, flag: str = "") -> None:
        super().__init__(message, flag=flag)


class WrongHostError(RefusedError):
    code = ErrorCode.WRONG_HOST


class UnsupportedError(RefusedError):
    code = ErrorCode.UNSUPPORTED


class ContextLengthError(RefusedError):
    code = ErrorCode.CONTEXT_LENGTH


class BudgetError(RefusedError):
    code = ErrorCode.BUDGET


class RateLimitError(RefusedError):
    code = ErrorCode.RATE_LIMIT


class QueueFullError(RefusedError):
    code = ErrorCode.QUEUE_FULL


class StorageFullError(RefusedError):
    code = ErrorCode.STORAGE_FULL


class UnavailableError(RefusedError):
    """Draining (the default), or the storage has failed."""

    def __init__(
        self, message: str = "", *, code: ErrorCode = ErrorCode.DRAINING, retry_after_s: float | None = None
    ) -> None:
        self.code = code
        super().__init__(message, retry_after_s=retry_after_s)


class WorkflowFault(RefusedError):
    """A workflow's own code has failed before its run began; the message has none of its words."""

    code = ErrorCode.SERVER


class ProviderError(HeadwaterError):
    """A model call failed.

    `message` is a sentence for the person who asked; `detail` is the provider's own words, for the
    operator, already free of keys; `retry_after_ms` is what the provider asked for, if it did.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str = "",
        *,
        provider: str = "",
        detail: str = "",
        status_code: int | None = None,
        retry_after_ms: int | None = None,
        phase: str | None = None,
        retryable: bool | None = None,
    ) -> None:
        self.code = code
        super().__init__(message)
        self.provider = provider
        self.detail = detail
        self.status_code = status_code
        self.retry_after_ms = retry_after_ms
        self.phase = phase
        self._retryable = retryable

    @property
    def retryable(self) -> bool:
        return super().retryable if self._retryable is None else self._retryable


class Truncated(ProviderError):
    """The provider's stream ended before the end that its dialect demands (PROTOCOL, "when a stream is whole")."""

    def __init__(self, message: str = "", *, provider: str = "", detail: str = "") -> None:
        super().__init__(ErrorCode.TRUNCATED, message, provider=provider, detail=detail)


class WireError(HeadwaterError):
    """Bytes that are not what they should be."""

    code = ErrorCode.PARSE


class LineTooLong(WireError):
    code = ErrorCode.TOO_LARGE


class EventTooLarge(WireError):
    code = ErrorCode.TOO_LARGE


class MalformedBody(WireError):
    """A body whose framing is broken: what follows can not be told apart."""


class EncodeError(WireError):
    """A field holds CR, LF or NUL where that would start another field."""


class StorageError(HeadwaterError):
    """What a storage engine raises."""

    code = ErrorCode.STORAGE


class LogMissing(StorageError):
    code = ErrorCode.NOT_FOUND


class SeqConflict(StorageError):
    """The writer's `after` is not the log's tail: it lost a race, or its own count."""


class Fenced(StorageError):
    """The writer's epoch is not the one in force: another owner has claimed the log."""


class LogClosed(StorageError):
    """The log has its final record; nothing follows it."""


class LogTrimmed(StorageError):
    """Records asked for are gone. `first` is the oldest seq that can still be read."""

    code = ErrorCode.CURSOR_TRIMMED

    def __init__(self, message: str = "", *, first: int) -> None:
        super().__init__(message)
        self.first = first


class LogCorrupt(StorageError):
    """A stored batch does not match its checksum."""


class StorageFull(StorageError):
    code = ErrorCode.STORAGE_FULL


class StorageFailed(StorageError):
    """A write or a sync failed in a way that leaves the disk's state unknown; the engine has stopped."""


class ConfigError(HeadwaterError):
    """The configuration can not be used; the message names the setting and says what to do.

    `others` are further faults that were found in the same reading, each a message of its own.
    """

    code = ErrorCode.BAD_REQUEST

    def __init__(self, message: str = "", *, others: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.others = tuple(others)


class ClientError(HeadwaterError):
    """Base of what `headwater.client` raises.

    `kind` is one of NETWORK, TIMEOUT, SERVER, PARSE, CANCELLED and MAX_RETRIES_EXCEEDED; `code` is the same or,
    where the server gave one, tells more: an `ErrorCode`, or the text of a newer server's that is none here.
    """

    kind: ErrorCode = ErrorCode.SERVER
    code: str  # type: ignore[assignment]  # only here a newer program speaks
