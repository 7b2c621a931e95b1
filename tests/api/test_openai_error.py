"""Refusals in OpenAI's shape: one for every error, with what its SDKs look at."""

import json
from typing import Any

import jsonschema
import pytest

from headwater import errors
from headwater.api.openai_error import ModelNotFoundError, openai_error
from headwater.api.problem import DETAIL_CHARS_MAX
from headwater.errors import BadRequestError, QueueFullError
from tests.api.test_problem import headers_of, raised

SHAPE = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code", "param"],
            "additionalProperties": False,
            "properties": {
                "message": {"type": "string", "minLength": 1, "maxLength": DETAIL_CHARS_MAX},
                "type": {"type": "string", "pattern": "^[a-z_]+$"},
                "code": {"type": "string", "pattern": "^[a-z_]+$"},
                "param": {"type": ["string", "null"]},
            },
        }
    },
}


def check_openai(status: int, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The error in an answer, in the shape that OpenAI's SDKs read."""
    assert headers["content-type"] == "application/json"
    assert headers["x-should-retry"] in ("true", "false")
    assert 400 <= status <= 599
    found: dict[str, Any] = json.loads(body)
    jsonschema.validate(found, SHAPE)
    error: dict[str, Any] = found["error"]
    return error


@pytest.mark.parametrize("error", raised(), ids=lambda error: type(error).__name__)
def test_every_error_has_the_shape(error: errors.HeadwaterError) -> None:
    answer = openai_error(error)
    check_openai(answer.status, headers_of(answer), answer.body)


@pytest.mark.parametrize(
    ("pointer", "param"),
    [
        ("", None),
        ("/model", "model"),
        ("/messages/0/content/12/type", "messages[0].content[12].type"),
        ("/settings/stop/3", "stop[3]"),
        ("/settings/json_schema", "response_format"),
        ("/settings/logprobs", "top_logprobs"),
        ("/tools/0/function/name", "tools[0].function.name"),
    ],
)
def test_a_pointer_becomes_the_name_of_a_parameter(pointer: str, param: str | None) -> None:
    answer = openai_error(BadRequestError("No.", pointer=pointer))
    error = check_openai(answer.status, headers_of(answer), answer.body)
    assert (answer.status, error["param"], error["message"]) == (400, param, "No.")


def test_a_header_is_named_as_it_is() -> None:
    answer = openai_error(BadRequestError("No.", parameter="Idempotency-Key"))
    assert check_openai(answer.status, headers_of(answer), answer.body)["param"] == "Idempotency-Key"


def test_an_unknown_model_is_named_so() -> None:
    answer = openai_error(ModelNotFoundError("No.", pointer="/model"))
    error = check_openai(answer.status, headers_of(answer), answer.body)
    assert (answer.status, error["code"], error["param"]) == (404, "model_not_found", "model")


def test_who_may_come_back_is_told_when() -> None:
    headers = headers_of(openai_error(QueueFullError("Full.", retry_after_s=1.2)))
    assert (headers["x-should-retry"], headers["retry-after"]) == ("true", "2")


def test_a_long_sentence_is_cut() -> None:
    answer = openai_error(BadRequestError("x" * 10_000))
    assert len(check_openai(answer.status, headers_of(answer), answer.body)["message"]) == DETAIL_CHARS_MAX


def test_further_headers_are_kept() -> None:
    assert headers_of(openai_error(BadRequestError(), headers=[(b"allow", b"GET")]))["allow"] == "GET"
