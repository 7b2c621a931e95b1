"""Every refusal is a problem of RFC 9457, its code one of the table's."""

import inspect
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import msgspec
import pytest

from headwater import errors
from headwater.api.problem import DETAIL_CHARS_MAX, NO_SUCH_RUN, Problem, naming_what, problem, problem_of
from headwater.errors import CODES, ErrorCode

#: RFC 9457, appendix A, with what Headwater promises beside it.
RFC_9457 = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "retryable"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string", "minLength": 1},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "minLength": 1, "maxLength": DETAIL_CHARS_MAX},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"enum": [code.value for code in CODES]},
        "retryable": {"type": "boolean"},
    },
}


def check(status: int, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The problem in an answer, found to be one by the RFC, by the table and by our own struct."""
    assert headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = json.loads(body)
    jsonschema.validate(found, RFC_9457)
    row = CODES[ErrorCode(found["code"])]
    assert found["status"] == status
    assert (found["title"], found["retryable"]) == (row.title, row.retryable)
    assert headers["x-should-retry"] == str(row.retryable).lower()
    msgspec.json.decode(body, type=Problem)
    return found


def headers_of(answer: Any) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in answer.headers}


def raised() -> list[errors.HeadwaterError]:
    """One of every error that a room can raise."""
    special: dict[type[Any], Callable[[], errors.HeadwaterError]] = {
        errors.ProviderError: lambda: errors.ProviderError(ErrorCode.NETWORK),
        errors.LogTrimmed: lambda: errors.LogTrimmed(first=7),
    }
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.HeadwaterError)]
    assert len(classes) > 25
    return [special.get(cls, cls)() for cls in classes if cls is not errors.ClientError]


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_a_problem(code: ErrorCode) -> None:
    answer = problem(code)
    assert answer.status == CODES[code].status
    check(answer.status, headers_of(answer), answer.body)


@pytest.mark.parametrize("error", raised(), ids=lambda error: type(error).__name__)
def test_every_error_is_a_problem(error: errors.HeadwaterError) -> None:
    answer = problem_of(error)
    check(answer.status, headers_of(answer), answer.body)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.LogMissing("run_1 in /var/lib"), 404, "NOT_FOUND"),
        (errors.LogTrimmed("run_1", first=3), 410, "CURSOR_TRIMMED"),
        (errors.StorageFull("/var/lib"), 507, "STORAGE_FULL"),
        (errors.StorageFailed("/var/lib"), 503, "STORAGE"),
        (errors.LogCorrupt("/var/lib"), 503, "STORAGE"),
    ],
)
def test_the_storage_s_own_words_stay_inside(error: errors.StorageError, status: int, code: str) -> None:
    answer = problem_of(error)
    assert (answer.status, json.loads(answer.body)["code"]) == (status, code)
    assert b"/var/lib" not in answer.body
    assert b"run_1" not in answer.body


def test_a_log_that_is_gone_looks_like_a_run_that_never_was() -> None:
    assert problem_of(errors.LogMissing()).body == problem_of(errors.NotFoundError(NO_SUCH_RUN)).body


def test_further_members() -> None:
    answer = problem_of(errors.BadRequestError("No.", pointer="/a", weight=3))
    members = json.loads(answer.body)
    assert (members["detail"], members["pointer"], members["weight"]) == ("No.", "/a", 3)


@pytest.mark.parametrize(("seconds", "header"), [(0, "0"), (0.1, "1"), (1, "1"), (1.5, "2"), (-3, "0")])
def test_retry_after_is_whole_seconds(seconds: float, header: str) -> None:
    answer = problem_of(errors.QueueFullError(retry_after_s=seconds))
    assert headers_of(answer)["retry-after"] == header


@pytest.mark.parametrize("code", ["QUEUE_FULL", "DRAINING", "STORAGE", "STORAGE_FULL", "RATE_LIMIT"])
def test_who_may_come_back_is_told_when(code: str) -> None:
    assert int(headers_of(problem(ErrorCode(code)))["retry-after"]) > 0


@pytest.mark.parametrize("code", ["BAD_REQUEST", "NOT_FOUND", "CONFLICT", "TOO_LARGE"])
def test_who_may_not_is_not(code: str) -> None:
    assert "retry-after" not in headers_of(problem(ErrorCode(code)))


def test_a_long_detail_is_cut() -> None:
    detail = json.loads(problem(ErrorCode.BAD_REQUEST, "x" * 10_000).body)["detail"]
    assert len(detail) == DETAIL_CHARS_MAX


@pytest.mark.parametrize(
    ("sentence", "whole"),
    [("No.", "X-It: No."), ("X-It: No.", "X-It: No."), ("X-It may be 1.", "X-It: X-It may be 1."), ("", "X-It: ")],
)
def test_what_is_at_fault_is_named_once(sentence: str, whole: str) -> None:
    assert naming_what(errors.BadRequestError(sentence, parameter="X-It"), sentence) == whole


def test_a_finer_status_is_in_the_body_too() -> None:
    answer = problem(ErrorCode.TOO_LARGE, status=431)
    assert answer.status == json.loads(answer.body)["status"] == 431
