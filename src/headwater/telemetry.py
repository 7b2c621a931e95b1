"""What happens inside, told to whoever observes: metrics, logs, tests.

Every method is called with a frozen detail and must neither block nor raise. No prompt, no answer
and no key is ever part of a detail, but for `ProviderCalled.detail`, which is for an operator who asked for it.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import NamedTuple, Protocol

#: Of a traceback, the innermost frames that are told.
_FRAMES_MAX = 8


def frames(error: BaseException) -> list[str]:
    """Where an error came from, outermost first. Its words stay out: they may quote what a person wrote."""
    innermost = traceback.extract_tb(error.__traceback__)[-_FRAMES_MAX:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in innermost]


def forget_frames(error: BaseException) -> None:
    """Lets go of the frames that an error went through, and those it came from: one of them may hold the error."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = None
        left += [each.__context__, each.__cause__]
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions


class RunEnded(NamedTuple):
    run: str
    workflow: str
    model: str
    state: str
    code: str | None
    duration_s: float
    queued_s: float | None
    first_token_s: float | None
    chunks: int
    tokens_per_s: float | None
    stalls: int
    longest_gap_s: float
    readers: int
    interruptions: int


class ReaderLeft(NamedTuple):
    run: str
    transport: str
    seconds: float
    records: int
    #: "end", "client", "stalled", "drain", "deleted", "error"
    why: str


class Committed(NamedTuple):
    records: int
    bytes: int
    seconds: float


class ProviderCalled(NamedTuple):
    run: str
    provider: str
    model: str
    #: None for a call that reached its end
    code: str | None
    seconds: float
    #: the name that callers say
    name: str = ""
    first_token_s: float | None = None
    tokens_per_s: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    #: None where it is not known
    cost_usd: float | None = None
    #: the provider's own words for a failure, without keys; they may quote the request
    detail: str = ""
    #: it was ended by a limit of the run's own, below everybody's, which says nothing about the model
    was_hurried: bool = False


class CallRepeated(NamedTuple):
    """A model call goes on with another try after one that failed."""

    run: str
    #: the name, as callers say it, of the model that failed
    model: str
    code: str
    #: "retry", "whole" or "fall_back"; "reattach" where the same try goes on over another connection
    step: str
    wait_s: float


BREAKER_STATES = ("closed", "open", "half_open")


class BreakerMoved(NamedTuple):
    """A model's breaker has come to another state."""

    #: the name that callers say, who is called, and the name that they know the model by
    name: str
    provider: str
    model: str
    #: one of `BREAKER_STATES`
    state: str


class Observer(Protocol):
    def run_started(self, run: str) -> None: ...
    def run_ended(self, detail: RunEnded) -> None: ...
    def reader_joined(self, run: str, transport: str) -> None: ...
    def reader_left(self, detail: ReaderLeft) -> None: ...
    def committed(self, detail: Committed) -> None: ...
    def provider_called(self, detail: ProviderCalled) -> None: ...
    def call_repeated(self, detail: CallRepeated) -> None: ...
    def breaker_moved(self, detail: BreakerMoved) -> None: ...
    def storage_failed(self, error: str) -> None: ...
    def storage_full(self, full: bool) -> None: ...
    def runs_recovered(self, interrupted: int, cancelled: int, taken_up: int) -> None: ...


class SilentObserver:
    """Hears everything and says nothing; the base for observers that care for some of it."""

    def run_started(self, run: str) -> None: ...

    def run_ended(self, detail: RunEnded) -> None: ...

    def reader_joined(self, run: str, transport: str) -> None: ...

    def reader_left(self, detail: ReaderLeft) -> None: ...

    def committed(self, detail: Committed) -> None: ...

    def provider_called(self, detail: ProviderCalled) -> None: ...

    def call_repeated(self, detail: CallRepeated) -> None: ...

    def breaker_moved(self, detail: BreakerMoved) -> None: ...

    def storage_failed(self, error: str) -> None: ...

    def storage_full(self, full: bool) -> None: ...

    def runs_recovered(self, interrupted: int, cancelled: int, taken_up: int) -> None: ...


class Observers:
    """Several observers as one."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def run_started(self, run: str) -> None:
        for each in self._observers:
            each.run_started(run)

    def run_ended(self, detail: RunEnded) -> None:
        for each in self._observers:
            each.run_ended(detail)

    def reader_joined(self, run: str, transport: str) -> None:
        for each in self._observers:
            each.reader_joined(run, transport)

    def reader_left(self, detail: ReaderLeft) -> None:
        for each in self._observers:
            each.reader_left(detail)

    def committed(self, detail: Committed) -> None:
        for each in self._observers:
            each.committed(detail)

    def provider_called(self, detail: ProviderCalled) -> None:
        for each in self._observers:
            each.provider_called(detail)

    def call_repeated(self, detail: CallRepeated) -> None:
        for each in self._observers:
            each.call_repeated(detail)

    def breaker_moved(self, detail: BreakerMoved) -> None:
        for each in self._observers:
            each.breaker_moved(detail)

    def storage_failed(self, error: str) -> None:
        for each in self._observers:
            each.storage_failed(error)

    def storage_full(self, full: bool) -> None:
        for each in self._observers:
            each.storage_full(full)

    def runs_recovered(self, interrupted: int, cancelled: int, taken_up: int) -> None:
        for each in self._observers:
            each.runs_recovered(interrupted, cancelled, taken_up)
