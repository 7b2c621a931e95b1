"""Sinks and sources that tests hold in their hands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from headwater.storage.contract import Commit, Haste, LogState, Page
from headwater.storage.memory import MemoryStorage


class HeldSink:
    """Takes everything; says that it is full from the first write after `hold` until `drain`."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.full = False
        self.finished = False
        self.aborted = False
        self.drained: Callable[[], None] = lambda: None

    @property
    def body(self) -> bytes:
        return b"".join(self.writes)

    @property
    def ended(self) -> bool:
        return self.finished or self.aborted

    def hold(self) -> None:
        self.full = True

    def drain(self) -> None:
        self.full = False
        self.drained()

    def write(self, data: bytes) -> bool:
        assert not self.ended, "written after the end"
        self.writes.append(data)
        return not self.full

    def finish(self) -> None:
        assert not self.ended, "ended twice"
        self.finished = True

    def abort(self) -> None:
        assert not self.ended, "ended twice"
        self.aborted = True


class ColdLog:
    """A log whose pages are in memory only when `warm()` says so; whatever is read otherwise takes a turn or more.

    With `late_wakes` the log has moved for a while before its watchers hear of it.
    """

    def __init__(
        self,
        warm: Callable[[], bool] = lambda: False,
        turn: Callable[[], Any] | None = None,
        *,
        late_wakes: bool = False,
    ) -> None:
        self._late_wakes = late_wakes
        #: how many watch the log at this moment
        self.watchers = 0
        self.warm_log = MemoryStorage().log
        self.reads = 0
        self.fault: BaseException | None = None
        self._warm = warm
        self._turn = turn

    async def claim(self, run: str, epoch: int) -> LogState:
        return await self.warm_log.claim(run, epoch)

    def append(
        self,
        run: str,
        after: int,
        payloads: Sequence[bytes],
        epoch: int,
        final: bool = False,
        haste: Haste = Haste.SOON,
    ) -> Commit:
        return self.warm_log.append(run, after, payloads, epoch, final)

    async def read(self, run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page:
        self.reads += 1
        if self._turn is not None:
            await self._turn()
        if self.fault is not None:
            raise self.fault
        return await self.warm_log.read(run, after, records_max=records_max, bytes_max=bytes_max)

    def peek(self, run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page | None:
        if not self._warm():
            return None
        return self.warm_log.peek(run, after, records_max=records_max, bytes_max=bytes_max)

    async def state(self, run: str) -> LogState:
        return await self.warm_log.state(run)

    def watch(self, run: str, wake: Callable[[], None]) -> Callable[[], None]:
        self.watchers += 1
        if self._late_wakes:
            now, loop = wake, asyncio.get_running_loop()

            def wake() -> None:
                loop.call_soon(now)

        stop = self.warm_log.watch(run, wake)

        def stop_counted() -> None:
            self.watchers -= 1
            stop()

        return stop_counted

    async def trim(self, run: str, first: int) -> None:
        await self.warm_log.trim(run, first)

    async def delete(self, run: str) -> None:
        await self.warm_log.delete(run)
