"""A refusal becomes the right code, with what the provider asked for and without anyone's key."""

import json
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import ErrorCode, ProviderError
from headwater.providers.openai_chat import OpenAIChat, Quirks
from headwater.providers.provider_error import (
    CODE_BY_PHRASE,
    CODE_BY_STATUS,
    CODE_BY_WORD,
    SENTENCES,
    error_words,
    provider_error,
    redact_keys,
)
from headwater.providers.retry import consequence_of

DIALECT = OpenAIChat(Quirks(provider_name="acme"))
SPENT = "enforced_spend_limit_reached"
SPENT_AT_XAI = "Your team t-1 has either used all available credits or reached its monthly spending limit."
NO_CREDITS = "Your newly created team doesn't have any credits or licenses yet."
KEY_LIMIT = "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys"


def exhausted(message: str) -> dict[str, Any]:
    """As Google's own API and its OpenAI-compatible one say it."""
    return {"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED"}}


def refused(status: int, body: Any = None, headers: dict[str, str] | None = None) -> ProviderError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return DIALECT.error(status, headers or {}, raw)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}, ErrorCode.AUTH),
        (400, {"code": "x", "error": "Incorrect API key provided: xa***. Get one."}, ErrorCode.AUTH),
        (403, None, ErrorCode.AUTH),
        (403, {"error": {"code": 403, "message": "Your input was flagged", "metadata": {}}}, ErrorCode.CONTENT_FILTER),
        (429, {"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}, ErrorCode.RATE_LIMIT),
        (429, {"error": {"message": "Too many tokens per minute"}}, ErrorCode.RATE_LIMIT),
        (
            429,
            {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota"}},
            ErrorCode.BUDGET,
        ),
        (429, [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "x"}}], ErrorCode.RATE_LIMIT),
        (402, {"error": {"message": "Insufficient Balance"}}, ErrorCode.BUDGET),
        (400, {"error": {"message": "...", "code": "context_length_exceeded"}}, ErrorCode.CONTEXT_LENGTH),
        (
            400,
            {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400},
            ErrorCode.CONTEXT_LENGTH,
        ),
        (400, {"error": {"type": "exceed_context_size_error", "message": "x", "code": 400}}, ErrorCode.CONTEXT_LENGTH),
        (413, {"error": {"code": "rate_limit_exceeded", "message": "Request too large"}}, ErrorCode.CONTEXT_LENGTH),
        (
            400,
            {"error": {"code": "x", "message": "m", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
            ErrorCode.CONTENT_FILTER,
        ),
        (404, {"error": {"code": "model_not_found", "message": "The model `x` does not exist"}}, ErrorCode.UNSUPPORTED),
        (404, b"<html>", ErrorCode.UNSUPPORTED),
        (400, {"error": {"code": "unsupported_parameter", "message": "x"}}, ErrorCode.UNSUPPORTED),
        (400, {"detail": "Bad thing"}, ErrorCode.BAD_REQUEST),
        (422, {"detail": [{"loc": ["body"], "msg": "Field required", "input": "the prompt"}]}, ErrorCode.BAD_REQUEST),
        (400, {"error": {"code": "429", "type": "x", "message": "m"}}, ErrorCode.BAD_REQUEST),
        (408, None, ErrorCode.TIMEOUT),
        (504, b"", ErrorCode.TIMEOUT),
        (409, {"error": {"message": "Could not get the lock in time"}}, ErrorCode.SERVER),
        (409, {"error": {"message": "m", "code": "invalid_api_key"}}, ErrorCode.AUTH),
        (425, b"", ErrorCode.SERVER),
        (499, {"error": {"message": "Request cancelled", "type": "request_cancelled"}}, ErrorCode.SERVER),
        (500, {"error": "model crashed"}, ErrorCode.SERVER),
        (
            400,
            {
                "error": {
                    "message": "Unsupported parameter: 'temperature' is not supported with this model.",
                    "code": None,
                }
            },
            ErrorCode.UNSUPPORTED,
        ),
        (500, {"error": {"message": "The server is overloaded"}}, ErrorCode.OVERLOADED),
        (502, b"\xff\xfe", ErrorCode.SERVER),
        (503, None, ErrorCode.OVERLOADED),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, ErrorCode.OVERLOADED),
        (402, {"type": "error", "error": {"type": "billing_error", "message": "m"}}, ErrorCode.BUDGET),
        (429, {"code": "Some resource has been exhausted", "error": SPENT_AT_XAI}, ErrorCode.BUDGET),
        (403, {"code": "permission-denied", "error": SPENT_AT_XAI}, ErrorCode.BUDGET),
        (403, {"code": "The caller does not have permission", "error": NO_CREDITS}, ErrorCode.BUDGET),
        (403, {"error": {"code": 403, "message": KEY_LIMIT}}, ErrorCode.BUDGET),
        (
            403,
            {"error": {"code": 403, "message": "m", "metadata": {"reasons": ["violence"], "flagged_input": "x"}}},
            ErrorCode.CONTENT_FILTER,
        ),
        (403, {"error": {"code": 403, "message": "m", "metadata": {"raw": "x"}}}, ErrorCode.AUTH),
        (429, exhausted("Your prepayment credits are depleted. Please go to AI Studio"), ErrorCode.BUDGET),
        (429, exhausted("Your project has exceeded its monthly spending cap."), ErrorCode.BUDGET),
        (429, exhausted("You exceeded your current quota, please check your plan"), ErrorCode.RATE_LIMIT),
        (
            429,
            {"type": "error", "error": {"type": "rate_limit_error", "details": {"error_code": SPENT}, "message": "m"}},
            ErrorCode.BUDGET,
        ),
        (
            400,
            {
                "error": {
                    "type": "invalid_request_error",
                    "message": "You have reached your specified API usage limits.",
                }
            },
            ErrorCode.BUDGET,
        ),
        (
            400,
            {
                "error": {
                    "type": "invalid_request_error",
                    "message": "input length and `max_tokens` exceed context limit",
                }
            },
            ErrorCode.CONTEXT_LENGTH,
        ),
        (413, {"type": "error", "error": {"type": "request_too_large", "message": "m"}}, ErrorCode.CONTEXT_LENGTH),
        (302, b"", ErrorCode.BAD_REQUEST),
        (418, {"error": {}}, ErrorCode.BAD_REQUEST),
        (400, b'{"error": {"message": "cut o', ErrorCode.BAD_REQUEST),
        (400, b"[" * 100_000, ErrorCode.BAD_REQUEST),
    ],
)
def test_code(status: int, body: Any, code: ErrorCode) -> None:
    error = refused(status, body)
    assert error.code is code
    assert (error.provider, error.status_code, error.message) == ("acme", status, SENTENCES[code])


def test_the_status_may_be_in_the_error_itself() -> None:
    for status in (503, "503"):
        said = error_words({"error": {"code": status, "message": "x"}})
        assert said is not None
        assert (said.status, said.words) == (503, ())
        assert provider_error(said, provider="acme").code is ErrorCode.OVERLOADED


def test_every_code_has_a_sentence() -> None:
    codes = {*CODE_BY_WORD.values(), *CODE_BY_STATUS.values(), *(code for _, code in CODE_BY_PHRASE)}
    assert codes | {ErrorCode.SERVER, ErrorCode.BAD_REQUEST} == SENTENCES.keys()


SDKS: dict[str, openai.OpenAI | anthropic.Anthropic] = {
    "openai": openai.OpenAI(api_key="k"),
    "anthropic": anthropic.Anthropic(api_key="k"),
}


@pytest.mark.parametrize("sdk", SDKS)
def test_what_the_providers_own_sdks_try_again_is_tried_again(sdk: str) -> None:
    """Whoever comes from one of them expects no less."""
    again = {status for status in range(400, 600) if SDKS[sdk]._should_retry(httpx2.Response(status))}
    assert {408, 409, 429, 500, 502, 503, 504, 529} <= again
    ours = {status for status in range(400, 600) if consequence_of(refused(status).code).retry}
    assert again - ours == {501}
    assert ours - again == {425, 498, 499}


def test_a_quota_is_not_worth_another_try_and_a_rate_is() -> None:
    assert not refused(429, {"error": {"type": "insufficient_quota"}}).retryable
    assert refused(429).retryable


@pytest.mark.parametrize(("said", "retryable"), [("true", True), ("FALSE", False), ("maybe", True), ("", True)])
def test_the_provider_may_say_whether_to_try_again(said: str, retryable: bool) -> None:
    assert refused(500, None, {"X-Should-Retry": said}).retryable is retryable


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({"Retry-After": "2"}, 2000),
        ({"retry-after": "0.25"}, 250),
        ({"retry-after-ms": "120", "retry-after": "2"}, 120),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2000),
        ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 30_000),
        ({"Retry-After": "Sat, 21 Nov 2026 09:00:00 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 0),
        ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 -0000"}, None),
        ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT"}, None),
        ({"Retry-After": "-5"}, 0),
        ({"Retry-After": "1e300"}, 24 * 60 * 60 * 1000),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "later"}, None),
        ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 +99999999999999"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], wait_ms: int | None) -> None:
    assert refused(429, None, headers).retry_after_ms == wait_ms


def test_figures_that_are_no_number_are_a_word_like_others() -> None:
    assert refused(500, {"error": {"code": "\u00b2\u00b2\u00b2", "message": "no"}}).detail == "\u00b2\u00b2\u00b2 no"


def test_detail_is_the_providers_words_for_the_operator_only() -> None:
    error = refused(400, {"error": {"message": "Unknown field: foo", "type": "invalid_request_error", "code": "bad"}})
    assert error.detail == "bad invalid_request_error Unknown field: foo"
    assert "foo" not in error.message


def test_detail_never_has_what_was_sent() -> None:
    detail = refused(422, {"detail": [{"msg": "Field required", "input": "the prompt"}]}).detail
    assert detail == "Field required"
    failed = {"error": {"code": "tool_use_failed", "message": "No match", "failed_generation": "the answer"}}
    assert refused(400, failed).detail == "tool_use_failed No match"
    assert refused(500, b"<html>the prompt</html>").detail == ""


def test_detail_is_bounded_and_can_be_written() -> None:
    detail = refused(400, b'{"error": {"message": "\\ud800' + b"x " * 50_000 + b'"}}').detail
    assert len(detail) == 500
    detail.encode()


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcDEF123_456",
        "sk-ant-api03-abc",
        "sk-****************wxyz",
        "gsk_abcdefgh1234",
        "xai-abcdefgh1234",
        "hf_abcdefgh1234",
        "AIzaSyA1234567890abcdefghij",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "0123456789abcdef0123456789abcdef",
    ],
)
@pytest.mark.parametrize("around", ["Incorrect API key provided: {}. See the docs.", "Bearer {}", 'key="{}"', "({})"])
def test_keys_are_redacted(key: str, around: str) -> None:
    redacted = redact_keys(around.format(key))
    assert key not in redacted
    assert key[-6:] not in redacted
    assert "[redacted]" in redacted
    assert key not in refused(401, {"error": {"message": around.format(key)}}).detail


@pytest.mark.parametrize("secret", ["api_key=hunter2", "Authorization: hunter2", '"password": "hunter2"'])
def test_what_is_called_a_secret_is_redacted(secret: str) -> None:
    assert "hunter2" not in redact_keys(secret)


@pytest.mark.parametrize(
    "harmless",
    [
        "The model `gpt-4o-mini` does not exist. Request id: req_0123456789abcdef0123456789abcdef",
        "This model's maximum context length is 4096 tokens, of which 3000 are used.",
        "risk-taking and task-force are words",
    ],
)
def test_other_words_are_left(harmless: str) -> None:
    assert redact_keys(harmless) == harmless


@pytest.mark.parametrize(
    "value", [None, 1, "x", [], {}, {"error": None}, {"error": ""}, {"choices": []}, [1], {"id": "x"}]
)
def test_what_is_no_error(value: object) -> None:
    assert error_words(value) is None


@given(
    st.integers(100, 599),
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date", "x-should-retry"]), st.text()),
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "detail", "msg"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode()),
)
def test_any_answer_is_some_error(status: int, headers: dict[str, str], body: bytes) -> None:
    error = DIALECT.error(status, headers, body)
    assert error.code in SENTENCES
    assert len(error.detail) <= 500
    assert error.retry_after_ms is None or error.retry_after_ms >= 0
