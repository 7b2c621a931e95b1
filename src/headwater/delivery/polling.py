"""Long-polls: one page for a request, which may wait until there is something to put on it.

Between two polls a client is not connected, but it has not left: it counts as a reader until it has
stayed away for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from headwater.clock import Clock
from headwater.errors import LogMissing
from headwater.storage.contract import EventLog, Page

#: The longest that a poll may wait.
WAIT_MS_MAX = 60_000
RECORDS_MAX = 1000


class _Poller:
    """A run's polls, seen as one reader."""

    __slots__ = ("gap", "joined_at", "records", "waiting")

    def __init__(self, now: float) -> None:
        self.joined_at = now
        self.records = 0
        self.waiting = 0
        self.gap: asyncio.TimerHandle | None = None


class Polling:
    """Reads pages. `joined` and `left` are called with the run when its first poller comes and its last has gone."""

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        *,
        gap_s: float,
        joined: Callable[[str], None],
        left: Callable[[str, float, int], None],
    ) -> None:
        self._log = log
        self._clock = clock
        self._gap_s = gap_s
        self._joined = joined
        self._left = left
        self._pollers: dict[str, _Poller] = {}
        self._waits: set[asyncio.Event] = set()
        self._draining = False

    @property
    def pollers(self) -> int:
        """Runs that are read by polls at this moment."""
        return len(self._pollers)

    async def page(self, run: str, after: int, wait_ms: int, limit: int) -> Page:
        """The records after a seq; where there are none, what comes within `wait_ms`, or an empty page.

        Cancel-safe. Raises `StorageError`.
        """
        limit = max(1, min(limit, RECORDS_MAX))
        if wait_ms <= 0:
            return await self._read(run, after, limit)
        poller = self._come(run)
        try:
            page = await self._wait(run, after, min(wait_ms, WAIT_MS_MAX) / 1000, limit)
            poller.records += len(page.payloads)
            return page
        finally:
            self._go(run, poller)

    def drain(self) -> None:
        """Every poll is answered now, and those that come do not wait."""
        self._draining = True
        for moved in self._waits:
            moved.set()
        for run, poller in list(self._pollers.items()):
            if poller.gap is not None:
                poller.gap.cancel()
                self._leave(run, poller)

    async def _wait(self, run: str, after: int, wait_s: float, limit: int) -> Page:
        moved = asyncio.Event()
        stop = self._log.watch(run, moved.set)
        self._waits.add(moved)
        try:
            async with asyncio.timeout(wait_s):
                while True:
                    moved.clear()
                    page = await self._read(run, after, limit)
                    if page.payloads or page.closed or page.tail > after or self._draining:
                        return page
                    await moved.wait()
        except TimeoutError:
            return await self._read(run, after, limit)
        finally:
            self._waits.discard(moved)
            stop()

    async def _read(self, run: str, after: int, limit: int) -> Page:
        page = self._log.peek(run, after, records_max=limit)
        if page is not None:
            return page
        try:
            return await self._log.read(run, after, records_max=limit)
        except LogMissing:
            # The caller has seen the run's row, so its log is still to come, or was deleted a moment ago.
            return Page(after, [], 0, False)

    def _come(self, run: str) -> _Poller:
        poller = self._pollers.get(run)
        if poller is None:
            poller = self._pollers[run] = _Poller(self._clock.monotonic())
            self._joined(run)
        if poller.gap is not None:
            poller.gap.cancel()
            poller.gap = None
        poller.waiting += 1
        return poller

    def _go(self, run: str, poller: _Poller) -> None:
        poller.waiting -= 1
        if poller.waiting:
            return
        if self._draining:
            self._leave(run, poller)
        else:
            poller.gap = asyncio.get_running_loop().call_later(self._gap_s, self._leave, run, poller)

    def _leave(self, run: str, poller: _Poller) -> None:
        del self._pollers[run]
        self._left(run, self._clock.monotonic() - poller.joined_at, poller.records)
