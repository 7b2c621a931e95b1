"""A disk and the engine on it: slow, cold, full, broken, or gone from one moment to the next.

The engine is the reference engine. What this adds is below and around it: when records reach the medium is noted
before anybody is told, claims and appends are noted as they are accepted, and pages are out of memory at times.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from headwater.domain.document import Document
from headwater.domain.run import Run
from headwater.errors import LogCorrupt
from headwater.storage.contract import Begun, Commit, Haste, IdempotencyKey, LogState, Page, begin_by_steps
from headwater.storage.memory import MemoryLog, MemoryStorage
from headwater.storage.memory_medium import MemoryMedium
from tests.kit.history import Appended, Claimed, Durable, History, SpaceBack, SpaceGone
from tests.simulation.virtual import pause


class Disk:
    """The medium, with what was synced apart from what was merely written. Engines come and go."""

    def __init__(self, chance: random.Random, history: History) -> None:
        self.medium = MemoryMedium()
        self.history = history
        self.chance = chance
        self.slow = chance.choice((0.0, 0.05, 0.3))
        self.cold = chance.choice((0.0, 0.3, 0.8))
        self.flaky = chance.choice((0.0, 0.0, 0.05)) if self.cold else 0.0
        self.engines: list[SimulatedStorage] = []
        self._synced: dict[str, int] = {}

    def engine(self) -> SimulatedStorage:
        engine = SimulatedStorage(self)
        self.engines.append(engine)
        return engine

    def commit_delay_s(self) -> float:
        chance = self.chance
        return chance.uniform(0.05, 0.2) if chance.random() < self.slow else chance.uniform(0.0005, 0.006)

    def synced(self, run: str, tail: int, closed: bool) -> None:
        self._synced[run] = tail
        self.history.note(Durable(run, tail, closed))

    def power_cut(self) -> None:
        """What was written and not synced is gone."""
        for run, log in self.medium.logs.items():
            kept = max(0, self._synced.get(run, 0) - log.first + 1)
            if len(log.records) > kept:
                del log.records[kept:]
                log.closed = False

    def watchers(self) -> int:
        return sum(engine.log.watcher_count for engine in self.engines)


class SimulatedStorage(MemoryStorage):
    def __init__(self, disk: Disk) -> None:
        super().__init__(disk.medium, commit_delay=disk.commit_delay_s)
        self.disk = disk
        self.log: SimulatedLog = SimulatedLog(self)

    def crash(self) -> None:
        super().crash()
        self.disk.power_cut()

    def space_gone(self) -> None:
        self.disk.history.note(SpaceGone())
        self.lose_group()

    def space_back(self) -> None:
        self.full = False
        self.disk.history.note(SpaceBack())

    def writer(self, name: str) -> WriterView:
        """The engine as one server's: its writes are noted under that name."""
        return WriterView(self, name)


class SimulatedLog(MemoryLog):
    def __init__(self, storage: SimulatedStorage) -> None:
        super().__init__(storage)
        self.disk = storage.disk

    def store(self, step: Any) -> None:
        super().store(step)
        log = self.disk.medium.logs.get(step.run)
        if log is not None:
            self.disk.synced(step.run, log.tail, log.closed)

    async def read(self, run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page:
        if not self.disk.cold:
            return await super().read(run, after, records_max=records_max, bytes_max=bytes_max)
        # What the disk says was so when it read; the log may have moved when that arrives.
        await pause(self.disk.chance.uniform(0.0, 0.03))
        page = await super().read(run, after, records_max=records_max, bytes_max=bytes_max)
        await pause(self.disk.chance.uniform(0.0, 0.15))
        return page

    def peek(self, run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page | None:
        if self.disk.cold and self.disk.chance.random() < self.disk.cold:
            return None
        return super().peek(run, after, records_max=records_max, bytes_max=bytes_max)


class WriterLog:
    """The log as one server sees it."""

    def __init__(self, log: SimulatedLog, history: History, name: str) -> None:
        self._log = log
        self._history = history
        self._name = name

    async def claim(self, run: str, epoch: int) -> LogState:
        state = await self._log.claim(run, epoch)
        self._history.note(Claimed(run, epoch, self._name))
        return state

    def append(
        self,
        run: str,
        after: int,
        payloads: Sequence[bytes],
        epoch: int,
        final: bool = False,
        haste: Haste = Haste.SOON,
    ) -> Commit:
        receipt = self._log.append(run, after, payloads, epoch, final, haste)
        self._history.note(Appended(run, epoch, after + 1, len(payloads), self._name))
        return receipt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class ReaderLog(WriterLog):
    """The log as a server's readers see it: now and then a page can not be read."""

    async def read(self, run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page:
        if self._log.disk.chance.random() < self._log.disk.flaky:
            raise LogCorrupt("a page that does not match its checksum")
        return await self._log.read(run, after, records_max=records_max, bytes_max=bytes_max)


class WriterView:
    """The engine as one server sees it: several may believe that it is theirs."""

    def __init__(self, storage: SimulatedStorage, name: str) -> None:
        self._storage = storage
        self.log = WriterLog(storage.log, storage.disk.history, name)
        self.log_for_readers = ReaderLog(storage.log, storage.disk.history, name)

    async def begin(
        self, run: Run, idempotency: IdempotencyKey | None = None, *, documents: Sequence[Document] = ()
    ) -> Begun:
        return await begin_by_steps(self, run, idempotency, documents=documents)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)
