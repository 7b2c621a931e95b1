"""Our codes in OpenAI's words: a row for each, and a status that its SDKs know what to do with."""

import json

import pytest

from headwater.delivery.formats.openai_error import error_json, fault_of, refusal
from headwater.errors import CODES, ErrorCode


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_a_row(code: ErrorCode) -> None:
    fault = fault_of(code)
    assert 400 <= fault.status <= 599
    assert fault.code.islower()
    assert (fault.type == "server_error") == (fault.status >= 500)


def test_no_two_codes_are_called_the_same() -> None:
    assert len({fault_of(code).code for code in ErrorCode}) == len(ErrorCode)


@pytest.mark.parametrize("code", ErrorCode)
def test_nothing_that_may_be_repeated_looks_like_the_callers_fault(code: ErrorCode) -> None:
    if CODES[code].retryable:
        assert fault_of(code).type in ("server_error", "rate_limit_error")


def test_a_code_of_a_later_version_is_the_servers() -> None:
    assert fault_of("BRAND_NEW") == (500, "server_error", "brand_new")


def test_the_error_object() -> None:
    assert json.loads(error_json("BAD_REQUEST", "No.", param="model", name="model_not_found")) == {
        "error": {"message": "No.", "type": "invalid_request_error", "code": "model_not_found", "param": "model"}
    }


@pytest.mark.parametrize(("after_s", "header"), [(None, None), (0.2, b"1"), (3, b"3"), (-1, b"0")])
def test_a_refusal_has_its_headers(after_s: float | None, header: bytes | None) -> None:
    answer = refusal("OVERLOADED", "Busy.", retryable=True, retry_after_s=after_s)
    headers = dict(answer.headers)
    assert answer.status == 503
    assert headers.get(b"retry-after") == header
    assert headers[b"x-should-retry"] == b"true"
    assert dict(refusal("CONFLICT", "No.", retryable=False).headers)[b"x-should-retry"] == b"false"
