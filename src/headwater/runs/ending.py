"""How a run ends: why it is stopped, and what its last records say. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from headwater.domain import event as ev
from headwater.domain.message import NOTHING_USED
from headwater.domain.run import Run, RunMetrics, RunRequest, RunState
from headwater.domain.snapshot import Fold
from headwater.errors import CODES, ErrorCode, HeadwaterError, ProviderError, StorageError
from headwater.providers import estimate
from headwater.providers.cost import Pricing, priced
from headwater.workflows.contract import EndedRun

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
    fold: Fold, untold: Sequence[ev.UsageReport] = (), *, reason: ev.FinishReason, result: Any
) -> list[ev.Event]:
    """The last records of a run that reached its end: what its calls used and could not tell, and `complete`."""
    said = fold.text
    text = said.encode()
    fits = len(text) <= ev.FINAL_RESPONSE_BYTES_MAX and len(msgspec.json.encode(said)) <= FINAL_RESPONSE_JSON_BYTES_MAX
    complete = ev.Complete(
        finish_reason=reason,
        usage=fold.usage_with(untold) or NOTHING_USED,
        final_response=said if fits else None,
        final_response_bytes=len(text),
        final_response_sha256=hashlib.sha256(text).hexdigest(),
        result=result,
    )
    return [*untold, complete]


def cut_events(fold: Fold, stop: Stop, untold: Sequence[ev.UsageReport] = (), *, result: Any = None) -> list[ev.Event]:
    """The last records of a run that was stopped: what its calls used and could not tell, and why it ended.

    Where no call has used anything, that is told too. `result` is the application's as far as it had come.
    """
    told = untold if fold.usage_with(untold) is not None else [ev.UsageReport(NOTHING_USED)]
    return [*told, msgspec.structs.replace(stop.event(len(fold.text.encode())), result=result)]


def sealed_result(value: object) -> Any:
    """An application's result as it is now: what its workflow does to it later is not in the log.

    Raises ValueError for one that is too large, and whatever its encoding raises.
    """
    encoded = msgspec.json.encode(value)
    if len(encoded) > RESULT_BYTES_MAX:
        raise ValueError(f"a result has at most {RESULT_BYTES_MAX} bytes as JSON, this one has {len(encoded)}")
    return msgspec.json.decode(encoded)


def ended_run(run: Run, state: RunState, fold: Fold, ended_at_ms: int, metrics: RunMetrics | None) -> EndedRun:
    """What a workflow is told of the end of its run; `fold` has all of its records."""
    result = fold.final.result if isinstance(fold.final, ev.Complete) else None
    return EndedRun(
        run.id, run.owner, run.request, state, fold.snapshot(), result, run.created_at_ms, ended_at_ms, metrics
    )


def lost_usage(fold: Fold, request: RunRequest, pricing: Callable[[str, str], Pricing]) -> list[ev.UsageReport]:
    """What the calls of a run used whose server died before it could say so; nothing of those that have said it.

    `pricing` is asked for by the name of a provider and the provider's name for the model.
    """
    own = estimate.input_bytes(request.messages)
    reports: list[ev.UsageReport] = []
    for spent in fold.spent():
        asked = own if spent.input_bytes is None else spent.input_bytes
        guess = estimate.usage(asked + spent.begun_bytes, spent.said_bytes, spent.reasoning_bytes)
        if (lost := estimate.completed(spent.reported, guess)) is not None:
            used = priced(lost, pricing(spent.provider, spent.model))
            reports.append(ev.UsageReport(used, None if spent.call == 1 else spent.call))
    return reports
