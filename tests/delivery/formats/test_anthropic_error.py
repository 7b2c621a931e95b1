"""Our codes in Anthropic's words: a row for each, and a status that its SDKs know what to do with."""

import json
from typing import get_args

import pytest
from anthropic.types import ErrorType

from headwater.delivery.formats.anthropic_error import error_json, fault_of, refusal
from headwater.errors import CODES, ErrorCode


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_a_row(code: ErrorCode) -> None:
    fault = fault_of(code)
    assert 400 <= fault.status <= 599
    assert fault.type in get_args(ErrorType)


@pytest.mark.parametrize("code", ErrorCode)
def test_nothing_that_may_be_repeated_looks_like_the_callers_fault(code: ErrorCode) -> None:
    if CODES[code].retryable:
        assert fault_of(code).status >= 500 or fault_of(code).type == "rate_limit_error"


def test_a_code_of_a_later_version_is_the_servers() -> None:
    assert fault_of("BRAND_NEW") == (500, "api_error")


def test_the_error_object() -> None:
    assert json.loads(error_json("BAD_REQUEST", "No.")) == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "No.", "code": "bad_request"},
    }


def test_a_refusal_has_a_status_and_headers() -> None:
    answer = refusal("OVERLOADED", "Busy.", retryable=True, retry_after_s=3)
    assert (answer.status, dict(answer.headers)[b"retry-after"]) == (529, b"3")
    assert refusal("SERVER", "No.", retryable=True, status=431).status == 431
