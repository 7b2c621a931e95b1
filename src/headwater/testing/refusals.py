"""Everything that a server may answer with in place of a stream, and what every dialect's `error` must make of it.

1. Whatever the body is, `error` gives a `ProviderError` with the status; it never raises.
2. A key that was not accepted, a limit, a fault of the request's and a fault of the server's are told apart.
3. What the server said is in `detail` at most, for the operator, and a key in it is in neither. The message is for
   the person who asked, and never quotes.
4. How long to wait is heard.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Dialect
from headwater.testing.hostile import KEY, check_silent

#: What a server says, and nobody but the operator should read.
WORDS: Final = "the upstream heron is quoted"

#: What each status can mean; a body may say which. Another one than these is the server's own invention.
MEANINGS: Final[dict[int, frozenset[ErrorCode]]] = {
    400: frozenset({ErrorCode.BAD_REQUEST}),
    401: frozenset({ErrorCode.AUTH}),
    402: frozenset({ErrorCode.BUDGET}),
    403: frozenset({ErrorCode.AUTH, ErrorCode.BUDGET}),
    404: frozenset({ErrorCode.UNSUPPORTED, ErrorCode.BAD_REQUEST}),
    413: frozenset({ErrorCode.CONTEXT_LENGTH, ErrorCode.TOO_LARGE}),
    422: frozenset({ErrorCode.BAD_REQUEST, ErrorCode.UNSUPPORTED}),
    429: frozenset({ErrorCode.RATE_LIMIT, ErrorCode.OVERLOADED}),
    500: frozenset({ErrorCode.SERVER}),
    502: frozenset({ErrorCode.SERVER, ErrorCode.OVERLOADED, ErrorCode.NETWORK}),
    503: frozenset({ErrorCode.OVERLOADED, ErrorCode.SERVER}),
    504: frozenset({ErrorCode.TIMEOUT, ErrorCode.SERVER, ErrorCode.OVERLOADED}),
    529: frozenset({ErrorCode.OVERLOADED, ErrorCode.SERVER}),
}

_STRANGE: Final = (
    b"",
    b"\xff\xfe",
    b"<html><h1>502 Bad Gateway</h1></html>",
    b"null",
    b"[]",
    b"7",
    b'"no"',
    b"{}",
    b'{"error":',
    b'{"error":null}',
    b'{"error":[]}',
    b'{"error":{"message":{"a":[]},"type":7,"code":[],"status":{},"details":"x"}}',
    b'[{"error":{"code":"x","details":[7,null,{"@type":7}]}}]',
    b'{"detail":[{"loc":7}],"message":[],"code":{}}',
    b'{"error":{"message":"half \\ud800 a pair"}}',
    b"[" * 50_000,
    b'{"error":' * 20_000,
)


def check_refusals(dialect: Dialect) -> None:
    """Holds `error` to its laws. Raises AssertionError for a broken one."""
    for status, codes in MEANINGS.items():
        for body in _bodies(WORDS, status):
            what = f"status {status} with {body[:80]!r}"
            error = _error(dialect, status, {}, body, what)
            assert error.code in codes, f"{what} is {error.code}, and not one of {sorted(codes)}"
            assert WORDS not in error.message + str(error), f"{what}: the message quotes the server"
            # Who is not let in stays outside; a server that is ill may get well.
            expected = status >= 500 or status == 429
            assert error.retryable is expected, f"{what}: retryable is {error.retryable}"
        for body in _bodies(f"Incorrect key {KEY}, sent as Bearer {KEY}", status):
            what = f"status {status} that quotes the key"
            check_silent(_error(dialect, status, {}, body, what), what)
        for body in _STRANGE:
            _error(dialect, status, {"Retry-After": "soon"}, body, f"status {status} with {body[:80]!r}")
    for name in ("Retry-After", "retry-after"):
        error = _error(dialect, 429, {name: "7"}, b"", f"{name}: 7")
        assert error.retry_after_ms == 7_000, f"{name}: 7 is heard as {error.retry_after_ms} ms"


def _bodies(words: str, status: int) -> Iterator[bytes]:
    """The shapes of an error that servers use, with nothing in them that says more than the status."""
    for value in (
        {"error": {"message": words}},
        {"error": words},
        {"type": "error", "error": {"type": "odd_error", "message": words}},
        [{"error": {"code": status, "message": words, "status": "ODD"}}],
        {"message": words},
        {"detail": words},
    ):
        yield json.dumps(value).encode()


def _error(dialect: Dialect, status: int, headers: dict[str, str], body: bytes, what: str) -> ProviderError:
    try:
        error = dialect.error(status, headers, body)
    except Exception as raised:
        raise AssertionError(f"{what}: `error` raised {type(raised).__name__}: {raised}") from raised
    assert isinstance(error, ProviderError), f"{what}: `error` gave a {type(error).__name__}"
    assert error.status_code == status, f"{what}: the status is told as {error.status_code}"
    assert error.message, f"{what}: the error says nothing to the person who asked"
    try:
        (error.message + error.detail).encode()
    except UnicodeEncodeError:
        raise AssertionError(f"{what}: the error holds half a surrogate pair") from None
    return error
