"""How a run ends: why it is stopped, and what its last records say. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from headwater.domain import event as ev
from headwater.domain.message import Message, TextPart, Usage
from headwater.domain.run import RunRequest
from headwater.domain.snapshot import Fold
from headwater.errors import CODES, ErrorCode, HeadwaterError, ProviderError, StorageError

#: A provider's sentence is cut here, so that it fits a record whatever it is.
MESSAGE_CHARS_MAX = 2000
#: `complete.final_response` as JSON; escapes can make it longer than its text.
FINAL_RESPONSE_JSON_BYTES_MAX = 2 * ev.FINAL_RESPONSE_BYTES_MAX + 2
#: An application's result as JSON; with the response it fits a record.
RESULT_BYTES_MAX = 96 * 1024


class Stop(NamedTuple):
    """Why a run ends without being whole; `event` makes its final record from the partial's length in bytes."""

    why: str
    event: Callable[[int], ev.Cancelled | ev.Error]


def stop_cancelled(by: ev.CancelledBy) -> Stop:
    return Stop("cancelled", lambda partial_bytes: ev.Cancelled(by, partial_bytes))


def stop_error(code: ErrorCode, message: str = "", *, phase: str | None = None) -> Stop:
    row = CODES[code]
    text = message or f"{row.title}."
    return Stop(code, lambda size: ev.Error(code, text, row.retryable, phase=phase, partial_bytes=size))


def stop_timeout(phase: str, limit_s: float) -> Stop:
    return stop_error(ErrorCode.TIMEOUT, f"The run reached its limit of {limit_s:g} s ({phase}).", phase=phase)


def stop_failed(error: BaseException) -> Stop:
    """The end of a run whose work raised `error`. Of an exception that is not ours nothing is shown."""
    if isinstance(error, StorageError):
        return stop_error(ErrorCode.STORAGE)
    if not isinstance(error, HeadwaterError):
        return stop_error(ErrorCode.SERVER)
    code, retryable = error.code, error.retryable
    text = error.message[:MESSAGE_CHARS_MAX]
    provider = after_ms = phase = None
    if isinstance(error, ProviderError):
        provider, after_ms, phase = error.provider or None, error.retry_after_ms, error.phase
    return Stop(code, lambda size: ev.Error(code, text, retryable, after_ms, provider, phase, partial_bytes=size))


def whole_events(
    fold: Fold, request: RunRequest, *, called: bool, reason: ev.FinishReason, result: Any
) -> list[ev.Event]:
    """The last records of a run that reached its end: its usage where no call reported one, and `complete`."""
    text = fold.text.encode()
    missing = _missing_usage(fold, request, called, len(text))
    fits = (
        len(text) <= ev.FINAL_RESPONSE_BYTES_MAX
        and len(msgspec.json.encode(fold.text)) <= FINAL_RESPONSE_JSON_BYTES_MAX
    )
    complete = ev.Complete(
        finish_reason=reason,
        usage=fold.usage or (missing[0].usage if missing else Usage()),
        final_response=fold.text if fits else None,
        final_response_bytes=len(text),
        final_response_sha256=hashlib.sha256(text).hexdigest(),
        result=result,
    )
    return [*missing, complete]


def cut_events(fold: Fold, request: RunRequest, stop: Stop, *, called: bool) -> list[ev.Event]:
    """The last records of a run that was stopped: its usage where no call reported one, and why it ended."""
    size = len(fold.text.encode())
    return [*_missing_usage(fold, request, called, size), stop.event(size)]


def _missing_usage(fold: Fold, request: RunRequest, called: bool, output_bytes: int) -> list[ev.UsageReport]:
    if fold.usage is not None or not called:
        return []
    return [ev.UsageReport(estimated(request.messages, output_bytes))]


def estimated(messages: Sequence[Message], output_bytes: int) -> Usage:
    """Four bytes a token: a stated rule of thumb, and marked as an estimate."""
    asked = sum(map(_text_bytes, messages))
    return Usage(input_tokens=-(-asked // 4), output_tokens=-(-output_bytes // 4), source="estimated")


def _text_bytes(message: Message) -> int:
    if isinstance(message.content, str):
        return len(message.content.encode("utf-8", "replace"))
    return sum(len(part.text.encode("utf-8", "replace")) for part in message.content if isinstance(part, TextPart))
