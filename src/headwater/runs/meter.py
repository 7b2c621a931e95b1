"""A run's figures, measured where its output passes: waiting, first token, pace, silences. Pure but for the clock."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headwater.clock import Clock
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.run import RunMetrics
from headwater.domain.snapshot import Fold
from headwater.runs.readership import Readership

#: A silence of the provider that counts as a stall, in seconds.
STALL_S = 5.0

#: What a person would see something of; the rest is about the run, not from the model.
OUTPUT: frozenset[type[ev.Event]] = frozenset({ev.Chunk, ev.Reasoning, ev.Refusal, ev.ToolCall, ev.Field, ev.Iteration})


class Meter:
    """Measures one run from `born`, the monotonic time at which it was created."""

    def __init__(self, clock: Clock, born: float) -> None:
        #: the monotonic time of the newest output
        self.last_at = born
        #: the same in the run's own time, in milliseconds
        self.last_ms = 0
        self._clock = clock
        self._born = born
        self._started_at: float | None = None
        self._first_at: float | None = None
        #: no output of the call under way yet: the wait for a first token is no stall
        self.awaits_first = True
        self._outputs = 0
        self._stalls = 0
        self._longest_gap_s = 0.0

    def elapsed_ms(self) -> int:
        return int((self._clock.monotonic() - self._born) * 1000)

    def started(self) -> None:
        """The run has its slot."""
        self._started_at = self._clock.monotonic()

    def call_began(self) -> None:
        self.awaits_first = True

    def took(self, events: Sequence[ev.Event]) -> bool:
        """Takes note of what happened together; returns whether output of the model was in it."""
        if len(events) == 1 and type(events[0]) is ev.Chunk:
            outputs = 1  # nearly everything that happens is this
        else:
            outputs, is_output = 0, False
            for event in events:
                if type(event) in OUTPUT:
                    is_output = True
                    # what was read from a text is no further piece of it
                    outputs += type(event) is not ev.Field
            if not is_output:
                return False
        now = self._clock.monotonic()
        if self.awaits_first:
            self.awaits_first = False
            if self._first_at is None:
                self._first_at = now
        else:
            gap_s = now - self.last_at
            if gap_s > self._longest_gap_s:
                self._longest_gap_s = gap_s
            if gap_s > STALL_S:
                self._stalls += 1
        self.last_at = now
        self.last_ms = int((now - self._born) * 1000)
        self._outputs += outputs
        return True

    def figures(self, usage: Usage | None, readership: Readership) -> RunMetrics:
        """How the run went, up to now. Output tokens a second are counted from the first output to the newest."""
        first, started = self._first_at, self._started_at
        rate: float | None = None
        if first is not None and usage is not None and self.last_at > first:
            rate = round(usage.output_tokens / (self.last_at - first), 2)
        return RunMetrics(
            queued_ms=None if started is None else int((started - self._born) * 1000),
            first_token_ms=None if first is None else int((first - self._born) * 1000),
            duration_ms=self.elapsed_ms(),
            chunks=self._outputs,
            tokens_per_s=rate,
            stalls=self._stalls,
            longest_gap_ms=int(self._longest_gap_s * 1000),
            readers=readership.readers,
            reader_ms=readership.reader_ms,
            interruptions=readership.interruptions,
        )


class LogMeter:
    """As much of a run's figures as its records tell, where the process that measured it is gone.

    Its readers, and how long it waited for a slot, are in no record.
    """

    def __init__(self) -> None:
        self._first_ms: int | None = None
        self._last_ms = 0
        self._outputs = 0

    def took(self, record: ev.Record) -> None:
        """Takes note of the next record."""
        if type(record.event) in OUTPUT:
            if self._first_ms is None:
                self._first_ms = record.t
            self._last_ms = record.t
            self._outputs += type(record.event) is not ev.Field

    def figures(self, fold: Fold) -> RunMetrics:
        """`fold` has the same records, and those that ended the run."""
        first_ms, usage = self._first_ms, fold.usage
        rate: float | None = None
        if first_ms is not None and usage is not None and self._last_ms > first_ms:
            rate = round(usage.output_tokens / (self._last_ms - first_ms) * 1000, 2)
        return RunMetrics(first_token_ms=first_ms, duration_ms=fold.t, chunks=self._outputs, tokens_per_s=rate)

    def before(self, rest: RunMetrics) -> RunMetrics:
        """Those of a run that went on after a crash, whose `rest` another process has measured from the same birth.

        No pace is told: the time between the two was nobody's.
        """
        first_ms = rest.first_token_ms if self._first_ms is None else self._first_ms
        return msgspec.structs.replace(
            rest, queued_ms=None, first_token_ms=first_ms, chunks=self._outputs + rest.chunks, tokens_per_s=None
        )
