"""A circuit breaker for each model: after too many failures it is not called for a while. Pure: time is passed in.

The states and what leads from one to another are a table; the documentation's diagram is made from it
(`breaker_diagram`). What a call says about a model counts only for the stretch in which the call began: a call that
was under way when the breaker opened neither closes it nor opens it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

#: Of the window no more outcomes than this are kept: enough for a rate, and little memory.
OUTCOMES_MAX: Final = 100


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


#: From each state, where it can go and what moves it there.
TRANSITIONS: Final[Mapping[BreakerState, Mapping[BreakerState, str]]] = {
    BreakerState.CLOSED: {
        BreakerState.OPEN: "enough failures, and too large a share",
    },
    BreakerState.OPEN: {
        BreakerState.HALF_OPEN: "it has rested, and a call comes: that one is the probe",
    },
    BreakerState.HALF_OPEN: {
        BreakerState.CLOSED: "the probe puts something out",
        BreakerState.OPEN: "the probe fails, or is given up",
    },
}


def breaker_diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {BreakerState.CLOSED}"]
    for state, exits in TRANSITIONS.items():
        lines += [f"    {state} --> {target}: {why}" for target, why in exits.items()]
    return "\n".join(lines) + "\n"


class Thresholds(NamedTuple):
    """When a breaker opens, and for how long. Times in seconds."""

    #: so many failures at least; 0 turns breakers off
    failures: int = 5
    #: and at least so large a share of what was tried
    share: float = 0.5
    #: only what ended in so long a time counts, and of that the newest `OUTCOMES_MAX`
    window_s: float = 60.0
    #: how long the model rests before it is tried again
    rest_s: float = 15.0


class BreakerFigures(NamedTuple):
    """How a breaker stands."""

    state: BreakerState
    #: in the window
    failures: int
    outcomes: int
    #: until a call may be tried, in seconds; 0 where one may now
    rests_s: float


class Breaker:
    """The breaker of one model. `on_move` hears of each state that it comes to."""

    def __init__(self, thresholds: Thresholds, on_move: Callable[[BreakerState], None] = lambda _: None) -> None:
        self.state = BreakerState.CLOSED
        self._thresholds = thresholds
        self._on_move = on_move
        #: counts the stretches between two moves
        self._stretch = 0
        #: when each outcome was, and whether it was a success
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=OUTCOMES_MAX)
        #: OPEN: when the next call is let through, as a probe. HALF_OPEN: when a further one is
        self._until = 0.0

    def rests_s(self, now: float) -> float:
        """How long no call will be let through, in seconds; 0 where the next one is."""
        return 0.0 if self.state is BreakerState.CLOSED else max(0.0, self._until - now)

    def admit(self, now: float) -> Permit | None:
        """Lets a call through, or not (None). Whoever gets a permit has to say what became of the call."""
        if self.state is not BreakerState.CLOSED:
            if now < self._until:
                return None
            if self.state is BreakerState.OPEN:
                self._move(BreakerState.HALF_OPEN)
            # A probe may be silent for minutes: each rest that goes by lets one more through beside it.
            self._until = now + self._thresholds.rest_s
        return Permit(self, self._stretch)

    def figures(self, now: float) -> BreakerFigures:
        self._forget(now)
        failures = sum(not good for _, good in self._outcomes)
        return BreakerFigures(self.state, failures, len(self._outcomes), self.rests_s(now))

    def _move(self, to: BreakerState) -> None:
        assert to in TRANSITIONS[self.state], (self.state, to)
        self.state = to
        self._stretch += 1
        self._outcomes.clear()
        self._on_move(to)

    def _note(self, now: float, *, good: bool) -> None:
        thresholds = self._thresholds
        self._outcomes.append((now, good))
        if good or not thresholds.failures:
            return
        self._forget(now)
        failures = sum(not each for _, each in self._outcomes)
        if failures >= thresholds.failures and failures >= thresholds.share * len(self._outcomes):
            self._rest(now)

    def _rest(self, now: float) -> None:
        self._move(BreakerState.OPEN)
        self._until = now + self._thresholds.rest_s

    def _forget(self, now: float) -> None:
        while self._outcomes and self._outcomes[0][0] <= now - self._thresholds.window_s:
            self._outcomes.popleft()


class Permit:
    """One call that a breaker let through. It ends by `succeeded`, `failed` or `abandoned`, once."""

    __slots__ = ("_breaker", "_stretch")

    def __init__(self, breaker: Breaker, stretch: int) -> None:
        self._breaker = breaker
        self._stretch = stretch

    @property
    def _counts(self) -> bool:
        return self._stretch == self._breaker._stretch

    @property
    def _is_probe(self) -> bool:
        return self._counts and self._breaker.state is BreakerState.HALF_OPEN

    def put_out(self) -> None:
        """The model has put something out. A probe closes the breaker by it, for an answer may take minutes."""
        if self._is_probe:
            self._breaker._move(BreakerState.CLOSED)
            self._stretch = self._breaker._stretch

    def succeeded(self, now: float) -> None:
        """The call has reached its end."""
        self.put_out()
        if self._counts:
            self._breaker._note(now, good=True)

    def failed(self, now: float) -> None:
        """The call has failed in a way that speaks against the model, before or after its first output."""
        if self._is_probe:
            self._breaker._rest(now)
        elif self._counts:
            self._breaker._note(now, good=False)

    def abandoned(self, now: float) -> None:
        """The call ended without saying anything about the model: it was cancelled, or was at fault itself."""
        if self._is_probe:
            self._breaker._move(BreakerState.OPEN)
            self._breaker._until = now
