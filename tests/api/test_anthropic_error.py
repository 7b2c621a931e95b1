"""Refusals in Anthropic's shape: one for every error, with what its SDKs look at."""

import json
from typing import Any

import pytest
from anthropic.types import ErrorResponse

from headwater import errors
from headwater.api.anthropic_error import anthropic_error
from headwater.api.problem import DETAIL_CHARS_MAX
from headwater.errors import BadRequestError, QueueFullError
from tests.api.test_problem import headers_of, raised


def check_anthropic(status: int, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The error in an answer, in the shape that Anthropic's SDKs read."""
    assert headers["content-type"] == "application/json"
    assert headers["x-should-retry"] in ("true", "false")
    assert 400 <= status <= 599
    found: dict[str, Any] = json.loads(body)
    ErrorResponse.model_validate({"request_id": None, **found})
    error: dict[str, Any] = found["error"]
    assert error["message"]
    return error


@pytest.mark.parametrize("error", raised(), ids=lambda error: type(error).__name__)
def test_every_error_has_the_shape(error: errors.HeadwaterError) -> None:
    answer = anthropic_error(error)
    check_anthropic(answer.status, headers_of(answer), answer.body)


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ({}, ""),
        ({"pointer": "/model"}, "model: "),
        ({"pointer": "/messages/0/content/12/type"}, "messages.0.content.12.type: "),
        ({"parameter": "Idempotency-Key"}, "Idempotency-Key: "),
    ],
)
def test_what_is_at_fault_stands_before_the_sentence(where: dict[str, Any], name: str) -> None:
    answer = anthropic_error(BadRequestError("No.", **where))
    error = check_anthropic(answer.status, headers_of(answer), answer.body)
    assert error == {"type": "invalid_request_error", "message": f"{name}No.", "code": "bad_request"}


def test_who_may_come_back_is_told_when() -> None:
    answer = anthropic_error(QueueFullError("Full.", retry_after_s=1.2), headers=[(b"allow", b"GET")])
    headers = headers_of(answer)
    assert (headers["x-should-retry"], headers["retry-after"], headers["allow"]) == ("true", "2", "GET")


def test_a_long_sentence_is_cut() -> None:
    answer = anthropic_error(BadRequestError("x" * 10_000))
    assert len(check_anthropic(answer.status, headers_of(answer), answer.body)["message"]) == DETAIL_CHARS_MAX
