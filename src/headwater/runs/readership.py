"""Who reads which run, as far as a run's `on_disconnect` has to know. Pure but for the clock.

A reader is an open event stream, or a long-poll and a while after it (delivery decides when it has
left). A run that never had a reader has not been left.
"""

from __future__ import annotations

from typing import NamedTuple

from headwater.clock import Clock


class Readership(NamedTuple):
    """Who read a run, up to now: connections, their time in all, and how many left before its end."""

    readers: int = 0
    reader_ms: int = 0
    interruptions: int = 0


class _Count:
    __slots__ = ("interruptions", "joined_at_sum", "now", "reader_s", "readers")

    def __init__(self) -> None:
        self.now = 0
        self.readers = 0
        self.interruptions = 0
        #: the sum of the joining times of those who are here: time read = now·count − this
        self.joined_at_sum = 0.0
        self.reader_s = 0.0


class Readers:
    """Counts readers of live runs; `open` begins to count for a run, `close` forgets it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[str, _Count] = {}

    def open(self, run: str) -> None:
        self._counts[run] = _Count()

    def close(self, run: str) -> None:
        self._counts.pop(run, None)

    def joined(self, run: str) -> None:
        if (count := self._counts.get(run)) is not None:
            count.now += 1
            count.readers += 1
            count.joined_at_sum += self._clock.monotonic()

    def left(self, run: str) -> bool:
        """Takes one away; True if nobody is left."""
        count = self._counts.get(run)
        if count is None or count.now == 0:
            return False
        now = self._clock.monotonic()
        mean = count.joined_at_sum / count.now
        count.joined_at_sum -= mean
        count.reader_s += now - mean
        count.now -= 1
        count.interruptions += 1
        return count.now == 0

    def now(self, run: str) -> int:
        """How many read the run at this moment."""
        count = self._counts.get(run)
        return count.now if count else 0

    def figures(self, run: str) -> Readership:
        count = self._counts.get(run)
        if count is None:
            return Readership()
        here_s = count.now * self._clock.monotonic() - count.joined_at_sum
        return Readership(count.readers, int((count.reader_s + here_s) * 1000), count.interruptions)
