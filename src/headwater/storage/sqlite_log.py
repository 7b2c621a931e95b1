"""`EventLog` over SQLite: the loop's side, which checks, gathers and remembers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from itertools import count

from headwater.errors import (
    Fenced,
    LogClosed,
    LogMissing,
    LogTrimmed,
    SeqConflict,
    StorageError,
    StorageFailed,
    StorageFull,
)
from headwater.storage.backlog import Backlog
from headwater.storage.batches import KEY_MAX
from headwater.storage.commits import Group, GroupCommit
from headwater.storage.contract import Commit, Haste, LogState, Page
from headwater.storage.journal import SLOT_BYTES, slots_of
from headwater.storage.sqlite_medium import delete_log, trim_log
from headwater.storage.sqlite_readers import SqliteReaders, read_page, read_state
from headwater.storage.tail import Tail

#: How often there is a look at what may leave memory.
TICK_S = 1.0
#: A log that was claimed: its key, and how it stands.
Claimed = tuple[int, LogState]
#: So many ended logs are remembered, without their records, to say `LogClosed` at once.
ENDED_MAX = 1024


class SqliteLog:
    """The runs' logs. Also the `Book` of the group commit: who keeps the tails."""

    def __init__(self, backlog: Backlog) -> None:
        self.backlog = backlog
        self.next_journal_id = 1
        self._tails: dict[str, Tail] = {}
        self._ended: dict[Tail, None] = {}
        self._watchers: dict[str, dict[int, Callable[[], None]]] = {}
        self._numbers = count()
        self._tick_timer: asyncio.TimerHandle | None = None
        self._scrub = False
        self._commits: GroupCommit
        self._readers: SqliteReaders
        self._truncate_wal: Callable[[], bool]

    def attach(self, commits: GroupCommit, readers: SqliteReaders, truncate_wal: Callable[[], bool]) -> None:
        """What only the whole engine can give."""
        self._commits = commits
        self._readers = readers
        self._truncate_wal = truncate_wal

    # --- the contract ------------------------------------------------------------------------------------------------

    async def claim(self, run: str, epoch: int) -> LogState:
        apply, landed = self.claiming(run, epoch)
        return await self._commits.change(apply, landed=landed, is_plain=True, haste=Haste.NOW)

    def claiming(
        self, run: str, epoch: int
    ) -> tuple[Callable[[sqlite3.Connection], Claimed], Callable[[Claimed], LogState]]:
        """The change that `claim` makes, and what follows once it is durable. Raises `Fenced`."""
        known = self._tails.get(run)
        if known is not None and not known.deleted and self._commits.failed is None:
            if epoch <= known.epoch:
                raise Fenced(f"epoch {known.epoch} is in force")
            # From here on the older epoch adds nothing, though the new one is not durable yet.
            known.epoch = epoch

        def apply(db: sqlite3.Connection) -> Claimed:
            # Nearly every log that is claimed is new.
            cursor = db.execute(
                "INSERT INTO logs (run, epoch, first, tail, closed) VALUES (?, ?, 1, 0, 0)"
                " ON CONFLICT (run) DO NOTHING",
                (run, epoch),
            )
            if cursor.rowcount:
                assert cursor.lastrowid is not None
                assert cursor.lastrowid <= KEY_MAX
                return cursor.lastrowid, LogState(0, False, epoch, 1)
            row = db.execute("SELECT key, epoch, first, tail, closed FROM logs WHERE run = ?", (run,)).fetchone()
            key, in_force, first, tail, closed = row
            if epoch <= in_force:
                raise Fenced(f"epoch {in_force} is in force")
            db.execute("UPDATE logs SET epoch = ? WHERE key = ?", (epoch, key))
            return key, LogState(tail, bool(closed), epoch, first)

        def landed(result: Claimed) -> LogState:
            key, state = result
            tail = self._tails.get(run)
            if tail is None or tail.key != key:
                tail = self._tails[run] = Tail(run, key, state)
                if state.closed:
                    self._remember_ended(tail)
            tail.epoch = max(tail.epoch, epoch)
            tail.durable_epoch = max(tail.durable_epoch, epoch)
            return tail.state()._replace(epoch=epoch)

        return apply, landed

    def append(
        self,
        run: str,
        after: int,
        payloads: Sequence[bytes],
        epoch: int,
        final: bool = False,
        haste: Haste = Haste.SOON,
    ) -> Commit:
        tail, commits = self._tails.get(run), self._commits
        if (
            tail is None
            or tail.epoch != epoch
            or tail.closed
            or tail.tail != after
            or final
            or commits.full
            or commits.failed is not None
        ):
            tail = self._checked(tail, after, payloads, epoch, final)
        tail.tail = after + len(payloads)
        group = commits.gathering
        if group is None or group.haste < haste:
            group = commits.open_group(haste)
        group.appends.append((tail, after, payloads, final))
        return group.receipt

    def _checked(self, tail: Tail | None, after: int, payloads: Sequence[bytes], epoch: int, final: bool) -> Tail:
        """The long way for what is not plain: raises what the contract says, in its order."""
        failed = self._commits.failed
        if failed is not None:
            raise StorageFailed(failed.message) from failed
        if tail is None or tail.deleted:
            raise LogMissing
        if tail.epoch != epoch:
            raise Fenced(f"epoch {tail.epoch} is in force, not {epoch}")
        if tail.closed:
            raise LogClosed
        if tail.tail != after:
            raise SeqConflict(f"the tail is {tail.tail}, not {after}")
        if self._commits.full and not final:
            raise StorageFull
        if final:
            if not payloads:
                raise ValueError("a final append needs a record")
            tail.closed = True
        return tail

    async def read(self, run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page:
        tail = self._tails.get(run)
        if tail is not None:
            if after + 1 < tail.first:
                raise LogTrimmed(first=tail.first)
            page = tail.page(after, records_max, bytes_max)
            if page is not None:
                return page
        page = await self._readers.run(lambda db: read_page(db, run, after, records_max, bytes_max))
        tail = self._tails.get(run)
        return page if tail is None else page._replace(tail=tail.durable, closed=tail.ended)

    def peek(self, run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page | None:
        tail = self._tails.get(run)
        return None if tail is None else tail.page(after, records_max, bytes_max)

    async def state(self, run: str) -> LogState:
        tail = self._tails.get(run)
        if tail is not None:
            return tail.state()
        state = await self._readers.run(lambda db: read_state(db, run))
        tail = self._tails.get(run)
        return state if tail is None else tail.state()

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

    async def trim(self, run: str, first: int) -> None:
        known = self._tails.get(run)
        durable = None if known is None else known.durable

        def landed(left: int | None) -> None:
            if left is None:
                raise LogMissing
            tail = self._tails.get(run)
            if tail is not None:
                tail.trimmed(left)

        def apply(db: sqlite3.Connection) -> int:
            left = trim_log(db, run, first, durable)
            if left is None:
                raise LogMissing
            return left

        await self._commits.change(apply, landed=landed)

    async def delete(self, run: str) -> None:
        known = self._tails.get(run)
        if known is not None and self._commits.failed is None:
            known.deleted = known.closed = True
            group = self._commits.open_group()
            group.appends = [append for append in group.appends if append[0] is not known]

        def landed(_: None) -> None:
            tail = self._tails.pop(run, None)
            if tail is not None:
                self._ended.pop(tail, None)
                self.backlog.forget(tail)
            self._scrub = True
            self._tick_later()
            self._wake(run)

        try:
            await self._commits.change(lambda db: delete_log(db, run), landed=landed, haste=Haste.NOW)
        except StorageError:
            if known is not None:
                known.deleted = False
                known.roll_back()
            raise

    # --- the book ----------------------------------------------------------------------------------------------------

    def prepare(self, group: Group) -> None:
        group.journal_id = self.next_journal_id
        self.next_journal_id += 1
        backlog = self.backlog
        if not self._commits.full and (backlog.has_due or backlog.is_over):
            group.flushes = backlog.take()
            group.low = backlog.lowest_frame(group.journal_id)

    def landed(self, group: Group) -> None:
        dirty, journal_id, now, records = self.backlog.dirty, group.journal_id, self._commits.now(), 0
        if group.flushes:
            self.backlog.flushed(group.flushes, group.low)
        for tail, after, payloads, final in group.appends:
            count = len(payloads)
            tail.records += payloads
            tail.durable = after + count
            tail.touched = now
            records += count
            if final:
                tail.ended = True
                self._remember_ended(tail)
            if tail not in dirty:
                dirty[tail] = journal_id
        group.records = records
        if group.size:
            self.backlog.committed(journal_id, slots_of(group.size) * SLOT_BYTES)
        if self._tick_timer is None and self.backlog.has_work:
            self._tick_later()

    def lost(self, group: Group) -> None:
        for tail in self._tails.values():
            tail.roll_back()
        self.backlog.put_back(group.flushes)

    def announce(self, group: Group) -> None:
        watchers = self._watchers
        if not watchers:
            return
        for run in {append[0].run: None for append in group.appends}:
            if run in watchers:
                self._wake(run)

    def _wake(self, run: str) -> None:
        for wake in tuple(self._watchers.get(run, {}).values()):
            wake()

    # --- memory ------------------------------------------------------------------------------------------------------

    @property
    def watcher_count(self) -> int:
        """How many watchers there are: for tests that look for leaks."""
        return sum(map(len, self._watchers.values()))

    @property
    def records_in_memory(self) -> int:
        """How many records are held in memory."""
        return sum(len(tail.records) for tail in self._tails.values())

    @property
    def tails_in_memory(self) -> int:
        """How many logs are known in memory."""
        return len(self._tails)

    def _remember_ended(self, tail: Tail) -> None:
        """Ended logs leave memory when many more have ended since, and only once nothing of them is in memory alone."""
        ended = self._ended
        ended[tail] = None
        if len(ended) > ENDED_MAX:
            oldest = next(iter(ended))
            del ended[oldest]
            if oldest in self.backlog.dirty or oldest.flushed < oldest.durable:
                ended[oldest] = None
            elif self._tails.get(oldest.run) is oldest:
                del self._tails[oldest.run]

    def _tick_later(self) -> None:
        if self._tick_timer is None:
            self._tick_timer = asyncio.get_running_loop().call_later(TICK_S, self.tick)

    def tick(self) -> None:
        """Writes out what is due and lets go of what is written; its own timer calls it each `TICK_S`."""
        self.stop_ticking()
        if self._commits.failed is not None:
            return
        for tail in self.backlog.tick(self._commits.now()):
            tail.release()
        if self.backlog.has_due and not self._commits.full:
            self._commits.open_group()
        if self._scrub:
            self._scrub = False
            self._commits.between_groups(self._truncate_wal, self._scrubbed)
        if self.backlog.has_work:
            self._tick_later()

    def _scrubbed(self, done: bool | None) -> None:
        if not done:
            self._scrub = True
            self._tick_later()

    def stop_ticking(self) -> None:
        """For the end."""
        if self._tick_timer is not None:
            self._tick_timer.cancel()
            self._tick_timer = None
