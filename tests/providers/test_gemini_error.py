"""Google's errors as our codes."""

import json
from typing import Any

import pytest

from headwater.errors import ErrorCode
from headwater.providers.gemini_error import google_error, google_refusal

RPC = "type.googleapis.com/google.rpc."


def error_of(code: int, status: str, message: str = "", *details: Any) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


def quota(**violation: Any) -> dict[str, Any]:
    return {"@type": f"{RPC}QuotaFailure", "violations": [violation]}


def info(reason: str) -> dict[str, Any]:
    return {"@type": f"{RPC}ErrorInfo", "reason": reason, "domain": "googleapis.com"}


def retry(delay: Any) -> dict[str, Any]:
    return {"@type": f"{RPC}RetryInfo", "retryDelay": delay}


PER_MINUTE = quota(quotaId="GenerateRequestsPerMinutePerProjectPerModel-FreeTier", quotaValue="10")
PER_DAY = quota(quotaId="GenerateRequestsPerDayPerProjectPerModel-FreeTier", quotaValue="50")
TOO_LONG = "The input token count (3475108) exceeds the maximum number of tokens allowed (1048576)."
SPENT = "You exceeded your current quota, please check your plan and billing details."
NO_CREDITS = "Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing."
CAPPED = "Your project has exceeded its monthly spending cap."

CASES: list[tuple[str, dict[str, Any], ErrorCode]] = [
    ("a bad request", error_of(400, "INVALID_ARGUMENT", "Invalid JSON payload"), ErrorCode.BAD_REQUEST),
    ("too long", error_of(400, "INVALID_ARGUMENT", TOO_LONG), ErrorCode.CONTEXT_LENGTH),
    ("a wrong key", error_of(400, "INVALID_ARGUMENT", "API key not valid.", info("API_KEY_INVALID")), ErrorCode.AUTH),
    ("a wrong key, in words only", error_of(400, "INVALID_ARGUMENT", "API key expired."), ErrorCode.AUTH),
    ("no place", error_of(400, "FAILED_PRECONDITION", "User location is not supported"), ErrorCode.UNSUPPORTED),
    ("a wrong token", error_of(401, "UNAUTHENTICATED", "", info("ACCESS_TOKEN_EXPIRED")), ErrorCode.AUTH),
    ("not allowed", error_of(403, "PERMISSION_DENIED"), ErrorCode.AUTH),
    ("no bill is paid", error_of(403, "PERMISSION_DENIED", "", info("BILLING_DISABLED")), ErrorCode.BUDGET),
    ("no such model", error_of(404, "NOT_FOUND", "models/x is not found"), ErrorCode.UNSUPPORTED),
    ("a rate", error_of(429, "RESOURCE_EXHAUSTED", SPENT, PER_MINUTE), ErrorCode.RATE_LIMIT),
    ("a rate, without a word more", error_of(429, "RESOURCE_EXHAUSTED"), ErrorCode.RATE_LIMIT),
    ("no credits", error_of(429, "RESOURCE_EXHAUSTED", NO_CREDITS), ErrorCode.BUDGET),
    ("a spending cap", error_of(429, "RESOURCE_EXHAUSTED", CAPPED), ErrorCode.BUDGET),
    ("a day's quota", error_of(429, "RESOURCE_EXHAUSTED", SPENT, PER_DAY), ErrorCode.BUDGET),
    ("a quota of none", error_of(429, "RESOURCE_EXHAUSTED", SPENT, quota(quotaValue="0")), ErrorCode.BUDGET),
    ("no room", error_of(429, "RESOURCE_EXHAUSTED", "", info("MODEL_CAPACITY_EXHAUSTED")), ErrorCode.OVERLOADED),
    ("cancelled", error_of(499, "CANCELLED", "The operation was cancelled."), ErrorCode.SERVER),
    ("an internal error", error_of(500, "INTERNAL"), ErrorCode.SERVER),
    ("overloaded", error_of(503, "UNAVAILABLE", "The model is overloaded."), ErrorCode.OVERLOADED),
    ("too slow", error_of(504, "DEADLINE_EXCEEDED"), ErrorCode.TIMEOUT),
]


@pytest.mark.parametrize(("value", "code"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_code(value: dict[str, Any], code: ErrorCode) -> None:
    status = value["error"]["code"]
    for found in (
        google_error(value, provider="gemini"),
        google_refusal(status, {}, json.dumps(value).encode(), provider="gemini"),
        google_refusal(status, {}, json.dumps([value]).encode(), provider="gemini"),
    ):
        assert (found.code, found.provider, found.status_code) == (code, "gemini", status)


@pytest.mark.parametrize(
    ("delay", "expected"),
    [("34s", 34_000), ("34.074824224s", 34_075), ("0s", 0), ("999999999s", 86_400_000), ("s", None), (34, None)],
)
def test_how_long_to_wait(delay: Any, expected: int | None) -> None:
    value = error_of(429, "RESOURCE_EXHAUSTED", "", PER_MINUTE, retry(delay))
    assert google_error(value, provider="gemini").retry_after_ms == expected


def test_the_headers_say_it_where_the_body_does_not() -> None:
    body = json.dumps(error_of(429, "RESOURCE_EXHAUSTED")).encode()
    assert google_refusal(429, {"Retry-After": "7"}, body, provider="gemini").retry_after_ms == 7_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"error": 1}',
        b'{"error": {"details": 1}}',
        b'{"error": {"details": [1, {"@type": 1}, {"@type": "google.rpc.QuotaFailure", "violations": [1, {}]}]}}',
        b'{"error": {"status": [], "message": {}, "details": [{"@type": "google.rpc.ErrorInfo", "reason": 1}]}}',
        b"[" * 100_000,
    ],
)
def test_anything_is_an_error(body: bytes) -> None:
    found = google_refusal(500, {}, body, provider="gemini")
    assert found.code is ErrorCode.SERVER
    assert found.retry_after_ms is None


def test_the_persons_sentence_quotes_nothing() -> None:
    found = google_error(error_of(400, "INVALID_ARGUMENT", "key AIzaSyA0123456789abcdefghij not valid"), provider="x")
    assert "AIza" not in found.message + found.detail
    assert "INVALID" not in found.message
