"""What a refusal means: the errors of providers, in whatever form they send them, as our codes.

The shapes seen are OpenAI's `{"error": {message, type, code, param}}`, the same with a string or inside a list
(Ollama, Gemini), Anthropic's `{"type": "error", "error": {type, message}}`, the flat ones of vLLM, Mistral and
Alibaba, and FastAPI's `detail`. Words decide before the status, for a status says too little: 429 is both "wait" and
"pay".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from headwater.domain.surrogates import replace_surrogates
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.lenient_json import read_json

_DETAIL_CHARS_MAX: Final = 500
#: Of a message only so much is searched for words, so that a hostile one costs nothing.
_SEARCHED_CHARS_MAX: Final = 4_000
_RETRY_AFTER_MS_MAX: Final = 24 * 60 * 60 * 1000

#: The provider's own `code` or `type`, in lower case.
CODE_BY_WORD: Final[dict[str, ErrorCode]] = {
    "context_length_exceeded": ErrorCode.CONTEXT_LENGTH,
    "string_above_max_length": ErrorCode.CONTEXT_LENGTH,
    "exceed_context_size_error": ErrorCode.CONTEXT_LENGTH,
    "request_too_large": ErrorCode.CONTEXT_LENGTH,
    "content_filter": ErrorCode.CONTENT_FILTER,
    "content_policy_violation": ErrorCode.CONTENT_FILTER,
    "responsibleaipolicyviolation": ErrorCode.CONTENT_FILTER,
    "data_inspection_failed": ErrorCode.CONTENT_FILTER,
    "datainspectionfailed": ErrorCode.CONTENT_FILTER,
    "insufficient_quota": ErrorCode.BUDGET,
    "billing_hard_limit_reached": ErrorCode.BUDGET,
    "billing_not_active": ErrorCode.BUDGET,
    "insufficient_balance": ErrorCode.BUDGET,
    "arrearage": ErrorCode.BUDGET,
    "billing_error": ErrorCode.BUDGET,
    "contract_spend_limit_reached": ErrorCode.BUDGET,
    "enforced_spend_limit_reached": ErrorCode.BUDGET,
    "linked_organization_spend_limit_reached": ErrorCode.BUDGET,
    "invalid_api_key": ErrorCode.AUTH,
    "authentication_error": ErrorCode.AUTH,
    "permission_error": ErrorCode.AUTH,
    "permission_denied": ErrorCode.AUTH,
    "unauthenticated": ErrorCode.AUTH,
    "rate_limit_exceeded": ErrorCode.RATE_LIMIT,
    "rate_limit_error": ErrorCode.RATE_LIMIT,
    "too_many_requests": ErrorCode.RATE_LIMIT,
    "resource_exhausted": ErrorCode.RATE_LIMIT,
    "overloaded_error": ErrorCode.OVERLOADED,
    "engine_overloaded": ErrorCode.OVERLOADED,
    "capacity_exceeded": ErrorCode.OVERLOADED,
    "unavailable": ErrorCode.OVERLOADED,
    "timeout": ErrorCode.TIMEOUT,
    "timeout_error": ErrorCode.TIMEOUT,
    "deadline_exceeded": ErrorCode.TIMEOUT,
    "model_not_found": ErrorCode.UNSUPPORTED,
    "not_found_error": ErrorCode.UNSUPPORTED,
    "unsupported_parameter": ErrorCode.UNSUPPORTED,
    "unsupported_value": ErrorCode.UNSUPPORTED,
    "server_error": ErrorCode.SERVER,
    "internal_server_error": ErrorCode.SERVER,
    # How a response fails, https://platform.openai.com/docs/api-reference/responses/object: of an image, all but one
    # say that it can not be used. `invalid_prompt` is left to the message, which may say that the prompt was flagged.
    "bio_policy": ErrorCode.CONTENT_FILTER,
    "misalignment_policy_violation": ErrorCode.CONTENT_FILTER,
    "image_content_policy_violation": ErrorCode.CONTENT_FILTER,
    "invalid_image": ErrorCode.BAD_REQUEST,
    "invalid_image_format": ErrorCode.BAD_REQUEST,
    "invalid_base64_image": ErrorCode.BAD_REQUEST,
    "invalid_image_url": ErrorCode.BAD_REQUEST,
    "invalid_image_mode": ErrorCode.BAD_REQUEST,
    "image_too_large": ErrorCode.BAD_REQUEST,
    "image_too_small": ErrorCode.BAD_REQUEST,
    "image_parse_error": ErrorCode.BAD_REQUEST,
    "image_file_too_large": ErrorCode.BAD_REQUEST,
    "image_file_not_found": ErrorCode.BAD_REQUEST,
    "unsupported_image_media_type": ErrorCode.BAD_REQUEST,
    "empty_image_file": ErrorCode.BAD_REQUEST,
    "failed_to_download_image": ErrorCode.BAD_REQUEST,
    "data_residency_mismatch": ErrorCode.BAD_REQUEST,
    "vector_store_timeout": ErrorCode.TIMEOUT,
    # The model, not the caller, wrote arguments that do not fit the tool's schema; another try may do better.
    "tool_use_failed": ErrorCode.SERVER,
}

#: What a message says where code and type say nothing, e.g. `invalid_request_error`.
CODE_BY_PHRASE: Final[tuple[tuple[re.Pattern[str], ErrorCode], ...]] = (
    (
        re.compile(
            r"maximum context length|context (?:length|window|size)|prompt is too long|too many tokens|"
            r"maximum prompt length|input is too long|exceed context limit",
            re.IGNORECASE,
        ),
        ErrorCode.CONTEXT_LENGTH,
    ),
    (
        re.compile(
            r"current quota|insufficient (?:quota|balance|credits|funds)|out of credits|requires more credits|"
            r"credit balance|specified (?:workspace )?API usage limits|spend(?:ing)? limit|used all available credits|"
            # xAI and OpenRouter, both as a 403
            r"have any credits|key limit exceeded",
            re.IGNORECASE,
        ),
        ErrorCode.BUDGET,
    ),
    (
        re.compile(r"content management policy|content filter|requires moderation|was flagged", re.IGNORECASE),
        ErrorCode.CONTENT_FILTER,
    ),
    (re.compile(r"(?:incorrect|invalid) api key", re.IGNORECASE), ErrorCode.AUTH),
    # OpenAI of a reasoning model's `temperature`, with and without a code of its own.
    (
        re.compile(r"unsupported (?:parameter|value)\b|not supported with this model", re.IGNORECASE),
        ErrorCode.UNSUPPORTED,
    ),
    (re.compile(r"overloaded|at capacity|over capacity", re.IGNORECASE), ErrorCode.OVERLOADED),
)

#: What a message says of money behind a word that says "wait": Google's `RESOURCE_EXHAUSTED` is both. Its "current
#: quota" is that of a minute, too. https://ai.google.dev/gemini-api/docs/billing
_SPENT: Final = re.compile(r"prepayment credits|spending cap", re.IGNORECASE)

#: Statuses that say more than their hundred. Three of the 400s may pass by themselves: 409 is a lock that was waited
#: for in vain (OpenAI's and Anthropic's SDKs send the request again), 425 asks for just that (RFC 8470, 5.2), and 499
#: is a request that somebody between us and the model gave up: we did not, or there would be nobody to read of it.
CODE_BY_STATUS: Final[dict[int, ErrorCode]] = {
    401: ErrorCode.AUTH,
    402: ErrorCode.BUDGET,
    403: ErrorCode.AUTH,
    404: ErrorCode.UNSUPPORTED,
    405: ErrorCode.UNSUPPORTED,
    408: ErrorCode.TIMEOUT,
    409: ErrorCode.SERVER,
    410: ErrorCode.UNSUPPORTED,
    413: ErrorCode.CONTEXT_LENGTH,
    425: ErrorCode.SERVER,
    429: ErrorCode.RATE_LIMIT,
    498: ErrorCode.OVERLOADED,
    499: ErrorCode.SERVER,
    501: ErrorCode.UNSUPPORTED,
    503: ErrorCode.OVERLOADED,
    504: ErrorCode.TIMEOUT,
    524: ErrorCode.TIMEOUT,
    529: ErrorCode.OVERLOADED,
}

#: The sentence for the person who asked. The provider's own words may quote keys or prompts, so they are never in it.
SENTENCES: Final[dict[ErrorCode, str]] = {
    ErrorCode.AUTH: "The model's provider did not accept this server's key.",
    ErrorCode.BAD_REQUEST: "The model's provider did not accept the request.",
    ErrorCode.BUDGET: "The budget at the model's provider is used up.",
    ErrorCode.CONTENT_FILTER: "The provider's content filter stopped this request.",
    ErrorCode.CONTEXT_LENGTH: "The conversation is too long for this model.",
    ErrorCode.OVERLOADED: "The model's provider is overloaded. Try again in a moment.",
    ErrorCode.RATE_LIMIT: "The model's provider asks to wait before the next request.",
    ErrorCode.SERVER: "The model's provider had an internal error. Try again.",
    ErrorCode.TIMEOUT: "The model's provider took too long. Try again.",
    ErrorCode.UNSUPPORTED: "The model's provider does not offer what was asked for.",
}

_KEYS: Final = re.compile(
    r"\bBearer\s+\S+"
    r"|\b(?:sk|pk|rk|gsk|xai|pplx|csk|hf|r8|nvapi|sess|tgp|fw)[-_][\w*.-]{4,}"
    r"|\bAIza[\w-]{16,}"
    r"|\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"
    r"|(?i:(?:api[-_ ]?key|authorization|password|secret|access[-_ ]?token)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]+"
    # Whatever else is long and looks random, but for the names of requests, which support asks for.
    r"|(?<![\w-])(?!(?:req|chatcmpl|gen|run)[-_])(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[A-Za-z0-9]{32,}(?![\w-])"
)


class ErrorWords(NamedTuple):
    """What an error object says: its message, and whatever it has of `code`, `type` and `status`, in lower case."""

    message: str
    words: tuple[str, ...]
    status: int | None


def redact_keys(text: str) -> str:
    """`text` with everything that looks like a key or a token replaced."""
    return _KEYS.sub("[redacted]", text)


def error_words(value: object) -> ErrorWords | None:
    """What the error in a decoded JSON value says, or None where nothing in it is an error."""
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return None
    inner = value.get("error")
    if isinstance(inner, dict):
        return _words(inner, value)
    if isinstance(inner, str) and inner:
        return _words({"message": inner}, value)
    if inner:
        return _words({}, value)
    if isinstance(value.get("message"), str) and ("code" in value or value.get("object") == "error"):
        return _words(value, {})
    if value.get("detail"):
        return _words({"message": _detail_message(value["detail"])}, {})
    return None


def _detail_message(detail: object) -> str:
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        # FastAPI's list also holds `input`, which is what was sent: only its sentence is taken.
        detail = detail[0].get("msg")
    return detail if isinstance(detail, str) else ""


def _words(inner: Mapping[str, Any], outer: Mapping[str, Any]) -> ErrorWords:
    message = inner.get("message")
    words: list[str] = []
    status: int | None = None
    # What is further inside says more: Azure's first, Anthropic's second.
    inside = [each for name in ("innererror", "details") if isinstance(each := inner.get(name), dict)]
    for place in (*inside, inner, outer):
        for key in ("error_code", "code", "type", "status", "status_code"):
            found = place.get(key)
            if isinstance(found, str) and found.isdecimal() and len(found) == 3:
                found = int(found)
            # Anthropic's whole body is of the type `error`.
            if isinstance(found, str) and found != "error":
                words.append(found.lower())
            elif isinstance(found, int) and 400 <= found <= 599 and status is None:
                status = found
    metadata = inner.get("metadata")
    if isinstance(metadata, dict) and "flagged_input" in metadata:
        # OpenRouter's 403 of what a moderator flagged: https://openrouter.ai/docs/errors
        words.append("content_policy_violation")
    return ErrorWords(message if isinstance(message, str) else "", tuple(words), status)


def provider_error(
    found: ErrorWords | None,
    *,
    provider: str,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    code: ErrorCode | None = None,
    retry_after_ms: int | None = None,
) -> ProviderError:
    """The typed error. `status` is None for an error in mid-stream, where the answer itself was a 200.

    `code` and `retry_after_ms` are what a dialect found in a place of its provider's own.
    """
    said = found or ErrorWords("", (), None)
    code = code or _code(said, status if status is not None else said.status)
    lowered = {name.lower(): value for name, value in (headers or {}).items()}
    detail = replace_surrogates(" ".join([*dict.fromkeys(said.words), said.message])).strip()
    return ProviderError(
        code,
        SENTENCES[code],
        provider=provider,
        detail=redact_keys(detail[:_SEARCHED_CHARS_MAX])[:_DETAIL_CHARS_MAX],
        status_code=status if status is not None else said.status,
        retry_after_ms=_retry_after_ms(lowered) if retry_after_ms is None else min(retry_after_ms, _RETRY_AFTER_MS_MAX),
        retryable={"true": True, "false": False}.get(lowered.get("x-should-retry", "").lower()),
    )


def refusal_error(status: int, headers: Mapping[str, str], body: bytes, *, provider: str) -> ProviderError:
    """The error of an answer that is not 2xx. `body` may be anything: cut off, HTML, empty."""
    # Only what is known to be an error's words is shown to the operator; a page of HTML says nothing.
    return provider_error(error_words(read_json(body)), provider=provider, status=status, headers=headers)


def _code(said: ErrorWords, status: int | None) -> ErrorCode:
    if status == 413:
        # Groq says `rate_limit_exceeded` here too, of a single request that no waiting makes small enough.
        return ErrorCode.CONTEXT_LENGTH
    searched = said.message[:_SEARCHED_CHARS_MAX]
    for word in said.words:
        if word in CODE_BY_WORD:
            code = CODE_BY_WORD[word]
            return ErrorCode.BUDGET if code is ErrorCode.RATE_LIMIT and _SPENT.search(searched) else code
    for pattern, code in CODE_BY_PHRASE:
        # "Too many tokens" a minute is a rate, not a length.
        if pattern.search(searched) and not (status == 429 and code is ErrorCode.CONTEXT_LENGTH):
            return code
    if status is None:
        refused = {"invalid_request_error", "invalid_prompt"} & {*said.words}
        return ErrorCode.BAD_REQUEST if refused else ErrorCode.SERVER
    if status in CODE_BY_STATUS:
        return CODE_BY_STATUS[status]
    return ErrorCode.SERVER if status >= 500 else ErrorCode.BAD_REQUEST


def _retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """How long the provider asks to wait; a date counts from the answer's own `Date`, for there is no clock here."""
    for name, factor in (("retry-after-ms", 1.0), ("retry-after", 1000.0)):
        try:
            wait_ms = float(headers[name]) * factor
        except (KeyError, ValueError):
            continue
        if math.isfinite(wait_ms):
            return min(max(0, math.ceil(wait_ms)), _RETRY_AFTER_MS_MAX)
    try:
        until = parsedate_to_datetime(headers["retry-after"])
        wait_s = (until - parsedate_to_datetime(headers["date"])).total_seconds()
    except (KeyError, ValueError, TypeError, OverflowError):
        # the last of a time zone that no number of seconds holds
        return None
    return min(max(0, math.ceil(wait_s * 1000)), _RETRY_AFTER_MS_MAX)
