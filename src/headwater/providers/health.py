"""How each model has been lately: how many calls succeeded, how soon they began, how fast they went, what went wrong.

Of each model the newest calls are kept, and none that is older than the window: figures of yesterday's outage say
nothing about now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, NamedTuple

from headwater.clock import Clock
from headwater.errors import ErrorCode
from headwater.telemetry import ProviderCalled, SilentObserver

#: So long back, in seconds.
WINDOW_S: Final = 900.0
#: And no more calls than this.
CALLS_MAX: Final = 200
#: Ends that say nothing about a model: somebody stopped it, or asked for what it can not do.
NEUTRAL: Final = frozenset(
    {
        ErrorCode.CANCELLED,
        ErrorCode.BAD_REQUEST,
        ErrorCode.UNSUPPORTED,
        ErrorCode.CONTEXT_LENGTH,
        ErrorCode.CONTENT_FILTER,
        ErrorCode.TOO_LARGE,
        ErrorCode.DRAINING,
        ErrorCode.CIRCUIT_OPEN,
    }
)


class LastError(NamedTuple):
    """What went wrong last, and when (Unix time in milliseconds). It stays until the next one."""

    code: ErrorCode
    at_ms: int


class HealthFigures(NamedTuple):
    """A model's calls in the window. What there is nothing to say about is None."""

    #: that ended well or badly; those that say nothing about the model are not among them
    calls: int
    failures: int
    #: from 0 to 1
    success_rate: float | None
    #: from the call to its first output: the middle one, and the one that 95 of 100 are not above
    first_token_ms: int | None
    first_token_ms_p95: int | None
    #: output tokens a second, the middle one
    tokens_per_s: float | None
    last_error: LastError | None


NOTHING: Final = HealthFigures(0, 0, None, None, None, None, None)


class _Outcome(NamedTuple):
    at: float
    #: None for a call that says nothing about success
    is_good: bool | None
    first_token_s: float | None
    tokens_per_s: float | None


class RecentCalls:
    """One model's calls. Pure: `now` is a monotonic time in seconds."""

    def __init__(self) -> None:
        self._outcomes: deque[_Outcome] = deque(maxlen=CALLS_MAX)
        self._last_error: LastError | None = None

    def note(self, detail: ProviderCalled, now: float, now_ms: int) -> None:
        code = None if detail.code is None else ErrorCode(detail.code)
        is_neutral = detail.was_hurried or code in NEUTRAL
        is_good = True if code is None else None if is_neutral else False
        if code is not None and is_good is False:
            self._last_error = LastError(code, now_ms)
        self._outcomes.append(_Outcome(now, is_good, detail.first_token_s, detail.tokens_per_s))

    def figures(self, now: float) -> HealthFigures:
        while self._outcomes and self._outcomes[0].at <= now - WINDOW_S:
            self._outcomes.popleft()
        ends = [each.is_good for each in self._outcomes if each.is_good is not None]
        firsts = sorted(each.first_token_s for each in self._outcomes if each.first_token_s is not None)
        rates = [each.tokens_per_s for each in self._outcomes if each.tokens_per_s is not None]
        return HealthFigures(
            calls=len(ends),
            failures=ends.count(False),
            success_rate=round(ends.count(True) / len(ends), 4) if ends else None,
            first_token_ms=_ms(firsts, median),
            first_token_ms_p95=_ms(firsts, _p95),
            tokens_per_s=round(median(rates), 2) if rates else None,
            last_error=self._last_error,
        )


class Health(SilentObserver):
    """That of all models that have been called, by the names that callers say: as many as the catalog has rows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._models: dict[str, RecentCalls] = {}

    def provider_called(self, detail: ProviderCalled) -> None:
        model = self._models.setdefault(detail.name, RecentCalls())
        model.note(detail, self._clock.monotonic(), self._clock.now_ms())

    def figures(self, name: str) -> HealthFigures:
        """Of a model by the name that callers say; `NOTHING` for one that was not called."""
        known = self._models.get(name)
        return NOTHING if known is None else known.figures(self._clock.monotonic())


def _ms(values: Sequence[float], of: Callable[[Sequence[float]], float]) -> int | None:
    return round(of(values) * 1000) if values else None


def _p95(values: Sequence[float]) -> float:
    """The nearest rank, of values in order."""
    return values[-(-len(values) * 95 // 100) - 1]
