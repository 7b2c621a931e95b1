"""The reference engine: all contracts in memory, for tests, simulations and reading.

What an engine must do is plain to see here; how to do it fast is `sqlite`'s business. Appends and
changes gather in a group that is committed on a later turn of the loop, so "accepted" and "durable"
are as far apart as on a disk. What is durable lives in a `MemoryMedium`, which outlives the engine
as a file outlives a process: `crash()` drops what was not committed, and another engine on the same
medium finds what a restarted server would find.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple, TypeVar, cast

from headwater.domain.document import Document
from headwater.domain.run import Run
from headwater.domain.stream import StreamLimits
from headwater.errors import (
    Fenced,
    LogClosed,
    LogMissing,
    SeqConflict,
    StorageError,
    StorageFailed,
    StorageFull,
)
from headwater.storage.contract import (
    Begun,
    Commit,
    Haste,
    IdempotencyKey,
    LogState,
    Page,
    begin_by_steps,
)
from headwater.storage.memory_documents import MemoryDocuments
from headwater.storage.memory_keys import MemoryApiKeys
from headwater.storage.memory_medium import MemoryMedium, StoredLog
from headwater.storage.memory_runs import MemoryRuns
from headwater.storage.memory_streams import MemoryStreams

T = TypeVar("T")


class _Accepted:
    """What the appends accepted so far amount to, durable or not: what the next one is checked against."""

    __slots__ = ("closed", "epoch", "tail")

    def __init__(self, state: LogState) -> None:
        self.reset(state)

    def reset(self, state: LogState) -> None:
        self.tail, self.closed, self.epoch = state.tail, state.closed, state.epoch


class _Append(NamedTuple):
    run: str
    log: _Accepted
    payloads: Sequence[bytes]
    final: bool


class _Change(NamedTuple):
    apply: Callable[[], Any]
    done: asyncio.Future[Any]
    #: whether it is refused while there is no space
    needs_space: bool


class _Group:
    def __init__(self) -> None:
        self.receipt = Commit()
        self.steps: list[_Append | _Change] = []


class MemoryStorage:
    """All contracts in memory.

    `commit_delay` gives the seconds that each group takes to become durable; without it a group is
    durable on the loop's next turn. `fail` and `full` play a broken and a full disk.
    """

    def __init__(
        self,
        medium: MemoryMedium | None = None,
        *,
        commit_delay: Callable[[], float] | None = None,
        stream_limits: StreamLimits | None = None,
    ) -> None:
        self.medium = medium or MemoryMedium()
        self.log = MemoryLog(self)
        self.runs = MemoryRuns(self, self.medium)
        self.streams = MemoryStreams(self, self.medium.streams, stream_limits or StreamLimits())
        self.documents = MemoryDocuments(self, self.medium.documents)
        self.api_keys = MemoryApiKeys(self, self.medium.api_keys)
        self.full = False
        self._commit_delay = commit_delay
        self._group: _Group | None = None
        self._timer: asyncio.Handle | None = None
        self._failed: BaseException | None = None
        self._callbacks: list[Callable[[BaseException], None]] = []

    @property
    def failed(self) -> BaseException | None:
        return self._failed

    @property
    def intact(self) -> bool:
        """A crash keeps what was durable, and there is nothing else."""
        return True

    async def settle(self) -> None:
        """There is nothing to note."""

    def on_failure(self, callback: Callable[[BaseException], None]) -> None:
        self._callbacks.append(callback)

    async def begin(
        self, run: Run, idempotency: IdempotencyKey | None = None, *, documents: Sequence[Document] = ()
    ) -> Begun:
        return await begin_by_steps(self, run, idempotency, documents=documents)

    async def open(self) -> None:
        """Raises `StorageError` where another engine that has not crashed or closed holds the medium."""
        if self.medium.held_by is not None:
            raise StorageError("the medium is in use")
        self.medium.held_by = self

    async def close(self) -> None:
        if self._group is not None and self._failed is None:
            self._commit()
        self.crash()

    def crash(self) -> None:
        """Loses what is not durable, without a word to anyone who waits for it; nothing is written after it."""
        if self._timer is not None:
            self._timer.cancel()
        self._group = None
        self._failed = self._failed or StorageFailed("the storage is closed")
        if self.medium.held_by is self:
            self.medium.held_by = None

    def fail(self, error: BaseException | None = None) -> None:
        """The disk breaks now: what is not durable is lost, and nothing is acknowledged after it."""
        if self._failed is not None:
            return
        self._failed = error or StorageFailed("the disk failed")
        if self._timer is not None:
            self._timer.cancel()
        group, self._group = self._group, None
        if group is not None:
            self._reject(group, self._failed)
        for callback in self._callbacks:
            callback(self._failed)

    def lose_group(self) -> None:
        """The disk is full now: what is not durable is lost, and there is no space until `full` is unset."""
        self.full = True
        if self._timer is not None:
            self._timer.cancel()
        group, self._group = self._group, None
        if group is not None:
            self._reject(group, StorageFull())

    def enqueue_append(self, step: _Append) -> Commit:
        group = self._open_group()
        group.steps.append(step)
        return group.receipt

    async def change(self, apply: Callable[[], T], *, needs_space: bool = False) -> T:
        """Applies a change in its turn and returns its result once it is durable."""
        if self._failed is not None:
            raise StorageFailed(str(self._failed)) from self._failed
        if needs_space and self.full:
            raise StorageFull
        done = asyncio.get_running_loop().create_future()
        self._open_group().steps.append(_Change(apply, done, needs_space))
        return cast(T, await done)

    def _open_group(self) -> _Group:
        if self._group is None:
            self._group = _Group()
            loop = asyncio.get_running_loop()
            if self._commit_delay is None:
                self._timer = loop.call_soon(self._commit)
            else:
                self._timer = loop.call_later(self._commit_delay(), self._commit)
        return self._group

    def _commit(self) -> None:
        group, self._group = self._group, None
        assert group is not None
        moved: dict[str, None] = {}
        for step in group.steps:
            if isinstance(step, _Append):
                self.log.store(step)
                moved[step.run] = None
            else:
                _settle(step)
        group.receipt.resolve()
        for run in moved:
            self.log.wake(run)

    def _reject(self, group: _Group, error: BaseException) -> None:
        self.log.roll_back()
        for step in group.steps:
            if isinstance(step, _Append):
                continue
            if isinstance(error, StorageFull) and not step.needs_space:
                _settle(step)
            elif not step.done.done():
                step.done.set_exception(error)
        group.receipt.resolve(error)


def _settle(step: _Change) -> None:
    """Applies a change whether its caller still waits or not: being cancelled does not take it back."""
    try:
        result = step.apply()
    except Exception as error:
        if not step.done.done():
            step.done.set_exception(error)
    else:
        if not step.done.done():
            step.done.set_result(result)


class MemoryLog:
    """`EventLog` in memory."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage
        self._accepted: dict[str, _Accepted] = {}
        self._watchers: dict[str, dict[int, Callable[[], None]]] = {}
        self._numbers = count()

    async def claim(self, run: str, epoch: int) -> LogState:
        storage, logs = self._storage, self._storage.medium.logs
        accepted = self._accepted.get(run)
        stored = logs.get(run)
        in_force = accepted.epoch if accepted is not None else stored.epoch if stored is not None else 0
        if epoch <= in_force:
            raise Fenced
        if storage.failed is None and accepted is not None:
            # From here on the older epoch adds nothing, though the new one is not durable yet.
            accepted.epoch = epoch

        def apply() -> LogState:
            log = logs.setdefault(run, StoredLog())
            if epoch <= log.epoch:
                raise Fenced
            log.epoch = epoch
            known = self._accepted.get(run)
            if known is None:
                self._accepted[run] = _Accepted(log.state())
            else:
                known.epoch = max(known.epoch, epoch)
            return log.state()

        return await storage.change(apply)

    def append(
        self,
        run: str,
        after: int,
        payloads: Sequence[bytes],
        epoch: int,
        final: bool = False,
        haste: Haste = Haste.SOON,
    ) -> Commit:
        storage = self._storage
        if storage.failed is not None:
            raise StorageFailed(str(storage.failed)) from storage.failed
        log = self._accepted.get(run)
        if log is None:
            raise LogMissing
        if epoch != log.epoch:
            raise Fenced
        if log.closed:
            raise LogClosed
        if after != log.tail:
            raise SeqConflict(f"the tail is {log.tail}, not {after}")
        if storage.full and not final:
            raise StorageFull
        if final and not payloads:
            raise ValueError("a final append needs a record")
        log.tail += len(payloads)
        log.closed = final
        return storage.enqueue_append(_Append(run, log, payloads, final))

    def store(self, step: _Append) -> None:
        if self._accepted.get(step.run) is not step.log:
            return  # the log was deleted meanwhile
        log = self._storage.medium.logs[step.run]
        log.records.extend(step.payloads)
        log.closed = step.final

    def roll_back(self) -> None:
        """What is not durable is gone: the next append has to follow the durable tail."""
        for run, accepted in self._accepted.items():
            accepted.reset(self._storage.medium.logs[run].state())

    def wake(self, run: str) -> None:
        for wake in tuple(self._watchers.get(run, {}).values()):
            wake()

    def _stored(self, run: str) -> StoredLog:
        log = self._storage.medium.logs.get(run)
        if log is None:
            raise LogMissing
        return log

    async def read(self, run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page:
        return self._stored(run).page(after, records_max, bytes_max)

    def peek(self, run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page | None:
        log = self._storage.medium.logs.get(run)
        if log is None or after + 1 < log.first:
            return None
        return log.page(after, records_max, bytes_max)

    async def state(self, run: str) -> LogState:
        return self._stored(run).state()

    def watch(self, run: str, wake: Callable[[], None]) -> Callable[[], None]:
        number = next(self._numbers)
        self._watchers.setdefault(run, {})[number] = wake

        def stop() -> None:
            watchers = self._watchers.get(run)
            if watchers is not None:
                watchers.pop(number, None)
                if not watchers:
                    del self._watchers[run]

        return stop

    @property
    def watcher_count(self) -> int:
        """How many watchers there are: for tests that look for leaks."""
        return sum(map(len, self._watchers.values()))

    async def trim(self, run: str, first: int) -> None:
        def apply() -> None:
            log = self._stored(run)
            keep = min(first, log.tail + 1)
            if keep > log.first:
                del log.records[: keep - log.first]
                log.first = keep

        await self._storage.change(apply)

    async def delete(self, run: str) -> None:
        if self._storage.failed is None:
            self._accepted.pop(run, None)

        def apply() -> None:
            self._storage.medium.logs.pop(run, None)
            self._accepted.pop(run, None)

        await self._storage.change(apply)
        self.wake(run)
