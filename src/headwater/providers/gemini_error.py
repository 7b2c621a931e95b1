"""What Google's errors mean: `{"error": {"code", "status", "message", "details"}}`, alone, in a list, or in mid-stream.

`status` is a name of https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto, and `details` hold
messages of google/rpc/error_details.proto: how long to wait (`RetryInfo`), which quota is used up (`QuotaFailure`),
what is wrong with a key (`ErrorInfo`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from headwater.errors import ErrorCode, ProviderError
from headwater.providers.lenient_json import read_json
from headwater.providers.provider_error import error_words, provider_error

#: `reason` of an `ErrorInfo`; what begins with one of these.
_REASONS: Final[dict[str, ErrorCode]] = {
    "API_KEY": ErrorCode.AUTH,
    "ACCESS_TOKEN": ErrorCode.AUTH,
    "CREDENTIALS_MISSING": ErrorCode.AUTH,
    "SERVICE_DISABLED": ErrorCode.AUTH,
    "CONSUMER_": ErrorCode.AUTH,
    "BILLING_DISABLED": ErrorCode.BUDGET,
    "MODEL_CAPACITY_EXHAUSTED": ErrorCode.OVERLOADED,
}
#: `status` where it says more than the number beside it.
_STATUSES: Final[dict[str, ErrorCode]] = {
    "CANCELLED": ErrorCode.SERVER,
    "ABORTED": ErrorCode.SERVER,
    "UNKNOWN": ErrorCode.SERVER,
    "DATA_LOSS": ErrorCode.SERVER,
    "FAILED_PRECONDITION": ErrorCode.UNSUPPORTED,
}
_PHRASES: Final[tuple[tuple[re.Pattern[str], ErrorCode], ...]] = (
    (re.compile(r"input token count.{0,40}exceeds|exceeds the maximum number of tokens"), ErrorCode.CONTEXT_LENGTH),
    (re.compile(r"API key (?:not valid|expired|not found)", re.IGNORECASE), ErrorCode.AUTH),
)
#: A quota of a day is not there again within any run's time, and neither is one that is nothing.
_DAILY: Final = re.compile(r"PerDay|per_day", re.IGNORECASE)
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")
_DETAILS_MAX: Final = 32
_SEARCHED_CHARS_MAX: Final = 4_000


def google_error(
    value: object, *, provider: str, status: int | None = None, headers: Mapping[str, str] | None = None
) -> ProviderError:
    """The typed error of a decoded JSON value. `status` is None in mid-stream, where the answer itself was a 200."""
    inner = _inner(value)
    return provider_error(
        error_words(value),
        provider=provider,
        status=status,
        headers=headers,
        code=_code(inner),
        retry_after_ms=_retry_delay_ms(inner),
    )


def google_refusal(status: int, headers: Mapping[str, str], body: bytes, *, provider: str) -> ProviderError:
    """The error of an answer that is not 2xx. `body` may be anything: cut off, HTML, empty."""
    return google_error(read_json(body), provider=provider, status=status, headers=headers)


def _inner(value: object) -> Mapping[str, Any]:
    if isinstance(value, list) and value:
        value = value[0]
    inner = value.get("error") if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _code(inner: Mapping[str, Any]) -> ErrorCode | None:
    """What only Google's own words say; None leaves it to what every provider's error says."""
    for detail in _details(inner, "ErrorInfo"):
        reason = detail.get("reason")
        for beginning, code in _REASONS.items():
            if isinstance(reason, str) and reason.startswith(beginning):
                return code
    for detail in _details(inner, "QuotaFailure"):
        if any(_is_spent(violation) for violation in _dicts(detail.get("violations"))):
            return ErrorCode.BUDGET
    message = inner.get("message")
    for pattern, code in _PHRASES:
        if isinstance(message, str) and pattern.search(message[:_SEARCHED_CHARS_MAX]):
            return code
    status = inner.get("status")
    return _STATUSES.get(status) if isinstance(status, str) else None


def _is_spent(violation: Mapping[str, Any]) -> bool:
    names = " ".join(str(violation.get(name, ""))[:200] for name in ("quotaId", "quotaMetric"))
    return bool(_DAILY.search(names)) or violation.get("quotaValue") in (0, "0")


def _retry_delay_ms(inner: Mapping[str, Any]) -> int | None:
    """A `google.protobuf.Duration` in JSON: seconds with up to nine digits behind the point, and an s."""
    for detail in _details(inner, "RetryInfo"):
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and (match := _DURATION.fullmatch(delay)):
            return math.ceil(float(match[1]) * 1000)
    return None


def _details(inner: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    for detail in _dicts(inner.get("details")):
        kind = detail.get("@type")
        if isinstance(kind, str) and kind.endswith(f"google.rpc.{name}"):
            yield detail


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value[:_DETAILS_MAX] if isinstance(each, dict)] if isinstance(value, list) else []
