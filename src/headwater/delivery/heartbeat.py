"""Looks after readers when nothing happens: breaks silences, and cuts who has stopped reading.

One timer for all readers. It notices by itself that something was written, from the cursor, so that
writing costs nothing more. A silence therefore seems shorter by up to one beat than it was, and the
limit is taken that much earlier.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from headwater.clock import Clock
from headwater.delivery.subscription import Reader, State, Why

#: How often in the shortest of its limits the timer looks.
_LOOKS_PER_LIMIT = 8


class Watched:
    """A reader with what was last seen of it; times are the clock's monotonic seconds."""

    __slots__ = ("full_since", "progress", "quiet_since", "reader")

    def __init__(self, reader: Reader, now: float) -> None:
        self.reader = reader
        self.quiet_since = now
        self.full_since: float | None = None
        self.progress = reader.progress

    def look(self, now: float, silence_s: float, stall_s: float) -> None:
        """Sends a heartbeat if it has been silent, ends it if it has been full without progress."""
        reader = self.reader
        progress = reader.progress
        if progress != self.progress:
            self.progress = progress
            self.quiet_since = now
            self.full_since = None
        if reader.state is not State.FULL:
            self.full_since = None
        elif self.full_since is None:
            self.full_since = now
        elif now - self.full_since >= stall_s:
            reader.end(Why.STALLED)
        if now - self.quiet_since >= silence_s:
            self.quiet_since = now
            reader.heartbeat()


class Heartbeat:
    """The timer. It runs while there are readers: `start` when the first comes, it stops itself after the last."""

    def __init__(
        self,
        clock: Clock,
        readers: Callable[[], Iterable[Watched]],
        *,
        heartbeat_s: float,
        stall_s: float,
        tidy: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._tidy = tidy
        self._readers = readers
        self._stall_s = stall_s
        self.interval_s = min(heartbeat_s, stall_s) / _LOOKS_PER_LIMIT
        # A write just after a look is seen at the next one only, and the look that answers may be as late again.
        self._silence_s = heartbeat_s - 2 * self.interval_s
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.interval_s, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        readers = tuple(self._readers())
        for reader in readers:
            reader.look(now, self._silence_s, self._stall_s)
        self._tidy()
        if readers:
            self.start()
