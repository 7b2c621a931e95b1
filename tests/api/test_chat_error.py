"""Refusals of the chat and of the conversation: one for every error, with the members that their clients read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater import errors
from headwater.api.chat_error import chat_error, conversation_error
from headwater.api.problem import DETAIL_CHARS_MAX
from headwater.errors import BadRequestError, RateLimitError
from tests.api.test_problem import headers_of, raised


@pytest.mark.parametrize("error", raised(), ids=lambda error: type(error).__name__)
def test_every_error_has_the_shape(error: errors.HeadwaterError) -> None:
    for refuse, names in (
        (chat_error, {"error", "message"}),
        (conversation_error, {"type", "code", "message", "retryable"}),
    ):
        answer = refuse(error)
        body: dict[str, Any] = json.loads(answer.body)
        assert set(body) == names
        assert body["message"]
        assert 400 <= answer.status <= 599
        assert headers_of(answer)["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("where", "name"),
    [({}, ""), ({"pointer": "/chat_id"}, "chat_id: "), ({"parameter": "x-user-id"}, "x-user-id: ")],
)
def test_what_is_at_fault_stands_before_the_sentence(where: dict[str, Any], name: str) -> None:
    error = BadRequestError("No.", **where)
    assert json.loads(chat_error(error).body) == {"error": "BAD_REQUEST", "message": f"{name}No."}
    assert json.loads(conversation_error(error).body) == {
        "type": "error",
        "code": "BAD_REQUEST",
        "message": f"{name}No.",
        "retryable": False,
    }


def test_who_may_come_back_is_told_when() -> None:
    answer = conversation_error(RateLimitError("No.", retry_after_s=1.2), headers=[(b"allow", b"GET")])
    headers = headers_of(answer)
    assert (answer.status, headers["retry-after"], headers["allow"]) == (429, "2", "GET")


def test_a_long_sentence_is_cut() -> None:
    assert len(json.loads(chat_error(BadRequestError("x" * 10_000)).body)["message"]) == DETAIL_CHARS_MAX
