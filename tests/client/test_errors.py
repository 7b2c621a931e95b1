from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.client import errors
from headwater.domain import event as ev
from headwater.errors import ClientError, ConflictError, CursorAheadError, ErrorCode, HeadwaterError, RefusedError

KINDS = {
    ErrorCode.NETWORK: errors.NetworkError(),
    ErrorCode.TIMEOUT: errors.TimedOut(),
    ErrorCode.SERVER: errors.ServerError(500, {}),
    ErrorCode.PARSE: errors.ParseError(),
    ErrorCode.CANCELLED: errors.Cancelled(),
    ErrorCode.MAX_RETRIES_EXCEEDED: errors.MaxRetriesExceeded(errors.NetworkError(), 3),
}


def body(code: object, **members: object) -> bytes:
    return msgspec.json.encode({"code": code, "detail": "A sentence.", **members})


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_says_which_it_is(kind: ErrorCode) -> None:
    error = KINDS[kind]
    assert isinstance(error, ClientError)
    assert error.kind == error.code == kind
    assert error.message


@pytest.mark.parametrize(
    ("status", "code", "kind", "twin"),
    [
        (404, "NOT_FOUND", errors.NotFound, HeadwaterError),
        (409, "CONFLICT", errors.Conflict, ConflictError),
        (409, "CURSOR_AHEAD", errors.CursorAhead, CursorAheadError),
        (410, "CURSOR_TRIMMED", errors.CursorTrimmed, RefusedError),
        (429, "QUEUE_FULL", errors.ServerError, ClientError),
    ],
)
def test_the_code_decides_the_type(status: int, code: str, kind: type, twin: type) -> None:
    error = errors.refusal(status, body(code))
    assert type(error) is kind
    assert isinstance(error, twin)
    assert (error.status, error.code, error.kind, error.message) == (status, code, ErrorCode.SERVER, "A sentence.")


def test_a_code_of_a_later_version_is_a_servers_error_and_is_kept() -> None:
    error = errors.refusal(418, body("TEAPOT"))
    assert type(error) is errors.ServerError
    assert (error.code, error.retryable) == ("TEAPOT", False)
    assert errors.RunFailed(ev.Error("TEAPOT", "Short and stout.", True)).code == "TEAPOT"


@pytest.mark.parametrize("code", [None, 7, ["NOT_FOUND"]])
def test_what_is_no_code_is_a_servers_error(code: object) -> None:
    assert errors.refusal(418, msgspec.json.encode({"code": code})).code is ErrorCode.SERVER


def test_a_known_code_is_one_of_ours() -> None:
    assert errors.refusal(429, body("QUEUE_FULL")).code is ErrorCode.QUEUE_FULL


@pytest.mark.parametrize("status", [404, 409, 410])
def test_a_status_without_a_code_says_nothing_about_the_run(status: int) -> None:
    assert type(errors.refusal(status, b"<h1>Nope</h1>")) is errors.ServerError


@pytest.mark.parametrize(
    ("status", "said", "retryable"),
    [
        (503, None, True),
        (500, None, True),
        (429, None, True),
        (404, None, False),
        (409, True, True),
        (500, False, False),
    ],
)
def test_the_body_says_whether_to_try_again_else_the_status(status: int, said: bool | None, retryable: bool) -> None:
    assert errors.refusal(status, b"{}" if said is None else body("X", retryable=said)).retryable is retryable


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("7", 7.0), ("0", 0.0), ("-1", None), ("1.5", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None),
     ("٣", None), ("9" * 5000, 999_999_999.0)],
)  # fmt: skip
def test_retry_after_is_seconds_or_nothing(header: str | None, seconds: float | None) -> None:
    assert errors.refusal(503, b"", retry_after=header).retry_after_s == seconds


def test_a_trimmed_cursor_says_where_to_go_on() -> None:
    error = errors.refusal(410, body("CURSOR_TRIMMED", snapshot="/api/v1/runs/run_1"))
    assert isinstance(error, errors.CursorTrimmed)
    assert error.snapshot == "/api/v1/runs/run_1"


def test_a_failed_run_has_the_runs_code() -> None:
    error = errors.RunFailed(ev.Error("CONTEXT_LENGTH", "Too long.", False))
    assert (error.code, error.kind, error.retryable) == (ErrorCode.CONTEXT_LENGTH, ErrorCode.SERVER, False)


@given(st.integers(300, 599), st.binary(max_size=200), st.text(max_size=20))
def test_any_answer_gives_an_error(status: int, answer: bytes, header: str) -> None:
    error = errors.refusal(status, answer, retry_after=header)
    assert error.status == status
    assert error.message


@given(st.dictionaries(st.sampled_from(["code", "detail", "title", "retryable", "snapshot"]), st.none() | st.text()))
def test_a_problem_with_any_members_gives_an_error(members: dict[str, object]) -> None:
    assert isinstance(errors.refusal(400, msgspec.json.encode(members)).message, str)
