"""Group commit: what is asked for in the loop's thread becomes durable in the writer's, many at a time.

    open group ──send──▶ in flight ──landed──▶ receipts, watchers
         ▲                   │
         └── gathers ────────┘   one group at a time is in flight; the next is sent when it has landed,
                                 at once after a rest of `interval_s`, else `interval_s` after the last;
                                 a quarter of that where somebody waits for just this group,
                                 and longer where nobody looks for it (`Haste`)

A group fails as a whole. For want of space: what was built on it fails too, the space kept in reserve
is let go, and changes that end things are tried once more. For any other reason: the engine stops.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Protocol, TypeVar, cast

from headwater.errors import StorageFailed, StorageFull
from headwater.storage.backlog import Flush
from headwater.storage.contract import Commit, Haste
from headwater.storage.tail import Tail
from headwater.telemetry import Committed, Observer

T = TypeVar("T")

#: One append as it was accepted: the run's tail, the seq it follows, its records, whether it closes the log.
Append = tuple[Tail, int, Sequence[bytes], bool]

SPACE_CHECK_S = 1.0
#: Of the interval, the part that a group in haste keeps from the one before: many at once still share a commit.
NOW_SHARE = 0.25
#: How long what nobody looks for waits for others to come, in seconds, if the interval is not longer.
LATER_S = 0.02


class Change:
    """One change of rows, and who waits for it."""

    __slots__ = ("apply", "done", "error", "essential", "is_plain", "landed", "result")

    def __init__(
        self,
        apply: Callable[[sqlite3.Connection], Any],
        done: asyncio.Future[Any],
        landed: Callable[[Any], Any] | None,
        essential: bool,
        is_plain: bool = False,
    ) -> None:
        #: runs in the writer's thread, inside the group's transaction
        self.apply = apply
        self.done = done
        #: runs in the loop's thread once durable; what it returns is what the caller gets
        self.landed = landed
        #: whether the space kept in reserve may be used for it
        self.essential = essential
        #: refuses, if at all, before it has written anything, so that nothing has to be taken back
        self.is_plain = is_plain
        self.result: Any = None
        self.error: Exception | None = None


class Group:
    """What becomes durable together."""

    __slots__ = (
        "appends",
        "changes",
        "flushes",
        "haste",
        "journal_id",
        "left",
        "low",
        "receipt",
        "records",
        "seconds",
        "size",
    )

    def __init__(self, haste: Haste) -> None:
        self.receipt = Commit()
        self.appends: list[Append] = []
        self.changes: list[Change] = []
        self.flushes: list[Flush] = []
        #: the greatest of those in it
        self.haste = haste
        #: the frame that the appends become, and the oldest frame that is still needed
        self.journal_id = 0
        self.low = 0
        #: filled in by the writer; `left` are changes that there was no time for
        self.left: list[Change] = []
        self.size = 0
        self.records = 0
        self.seconds = 0.0


class Medium(Protocol):
    """What the writer's thread does to the disk. Every method blocks and is called in that thread only."""

    def commit(self, group: Group) -> None: ...

    def catch_up(self) -> None:
        """The group has been told of: time for work that nobody should wait for. Raises nothing."""
        ...

    def is_full(self, error: BaseException) -> bool:
        """Whether this is want of space, and nothing worse."""
        ...

    def release_reserve(self) -> bool: ...

    def make_reserve(self) -> bool: ...


class Book(Protocol):
    """Who keeps the tails. Every method is called in the loop's thread."""

    def prepare(self, group: Group) -> None:
        """The group is about to be sent: adds what is to be written out with it."""
        ...

    def landed(self, group: Group) -> None:
        """The group is durable: moves the tails."""
        ...

    def lost(self, group: Group) -> None:
        """The group is not on disk, nor will anything be that was accepted after it: moves the tails back."""
        ...

    def announce(self, group: Group) -> None:
        """Wakes the watchers of the group's runs."""
        ...


class GroupCommit:
    """Gathers groups, sends them to the writer's thread one at a time, and answers for what became of them."""

    def __init__(self, medium: Medium, book: Book, observer: Observer, interval_s: float) -> None:
        self._medium = medium
        self._book = book
        self._observer = observer
        self._interval_s = interval_s
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        #: what `open_group` returns, where there is one already
        self.gathering: Group | None = None
        self._in_flight: Group | None = None
        self._sent_at = float("-inf")
        self._timer: asyncio.Handle | None = None
        self._space_timer: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None
        self._callbacks: list[Callable[[BaseException], None]] = []
        self.failed: StorageFailed | None = None
        self.full = False

    # --- the writer's thread -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the writer's thread."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="headwater-writer", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _report(self, callback: Callable[..., None], *args: Any) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            return  # the loop is closed: nobody is left to tell

    async def in_writer(self, work: Callable[[], T]) -> T:
        """Runs something else in the writer's thread, between two groups. A cancelled caller does not stop it."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def job() -> None:
            try:
                result = work()
            except Exception as error:
                self._report(_refuse, done, error)
            else:
                self._report(_answer, done, result)

        self._jobs.put(job)
        return await done

    def between_groups(self, work: Callable[[], T], then: Callable[[T | None], None]) -> None:
        """`in_writer` for those who do not wait; `then` is told None where the work raised."""

        def job() -> None:
            try:
                result = work()
            except Exception:
                self._report(then, None)
            else:
                self._report(then, result)

        self._jobs.put(job)

    def _commit(self) -> None:
        group = self._in_flight
        assert group is not None
        start = perf_counter()
        try:
            self._medium.commit(group)
        except Exception as error:
            self._report(self._lost, error, self._medium.is_full(error) and self._medium.release_reserve())
            return
        group.seconds = perf_counter() - start
        self._report(self._landed)
        self._medium.catch_up()

    # --- the loop's thread -------------------------------------------------------------------------------------------

    def now(self) -> float:
        """The loop's seconds."""
        assert self._loop is not None
        return self._loop.time()

    def open_group(self, haste: Haste = Haste.SOON) -> Group:
        """The group that is being gathered; it will be sent without further ado, in this haste or a greater."""
        group = self.gathering
        if group is None:
            group = self.gathering = Group(haste)
        elif group.haste >= haste:
            return group
        else:
            group.haste = haste
            if self._timer is not None:
                self._timer.cancel()
        if self._in_flight is None:
            self._schedule(group)
        return group

    async def change(
        self,
        apply: Callable[[sqlite3.Connection], Any],
        *,
        landed: Callable[[Any], T] | None = None,
        essential: bool = True,
        is_plain: bool = False,
        haste: Haste = Haste.SOON,
    ) -> T:
        """Makes a change with the group that is being gathered; returns its result once it is durable.

        A change that raises is taken back alone; one that is plain does so before it writes anything, which spares the
        writer the preparations. Raises `StorageFull`, `StorageFailed`.
        """
        if self.failed is not None:
            raise StorageFailed(self.failed.message) from self.failed
        if self.full and not essential:
            raise StorageFull
        change = Change(apply, asyncio.get_running_loop().create_future(), landed, essential, is_plain)
        self.open_group(haste).changes.append(change)
        return cast(T, await change.done)

    def _schedule(self, group: Group) -> None:
        loop = self._loop
        assert loop is not None
        now = loop.time()
        if group.haste is Haste.LATER:
            due = now + max(self._interval_s, LATER_S)
        else:
            due = self._sent_at + self._interval_s * (NOW_SHARE if group.haste is Haste.NOW else 1.0)
        # After a rest the group goes at the end of this turn of the loop, with all that the turn brings.
        self._timer = loop.call_soon(self._send) if due <= now else loop.call_at(due, self._send)

    def _send(self) -> None:
        group = self.gathering
        if group is None or self._in_flight is not None or self.failed is not None:
            return
        assert self._loop is not None
        self.gathering = None
        self._in_flight = group
        self._sent_at = self._loop.time()
        self._book.prepare(group)
        self._jobs.put(self._commit)

    def _landed(self) -> None:
        group = self._in_flight
        assert group is not None
        self._in_flight = None
        book = self._book
        book.landed(group)
        for change in group.changes:
            _settle(change)
        group.receipt.resolve()
        if group.appends:
            self._observer.committed(Committed(group.records, group.size, group.seconds))
            book.announce(group)
        if group.left:
            self._go_on_with(group)
        self._next()

    def _go_on_with(self, group: Group) -> None:
        """What a group had no time for comes first in the next one."""
        if self.gathering is None:
            self.gathering = Group(group.haste)
        self.gathering.haste = max(self.gathering.haste, group.haste)
        self.gathering.changes[:0] = group.left

    def _next(self) -> None:
        if self.gathering is not None:
            self._schedule(self.gathering)
        elif self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _lost(self, error: BaseException, reserve_released: bool) -> None:
        group, self._in_flight = self._in_flight, None
        assert group is not None
        later, self.gathering = self.gathering, None
        self._book.lost(group)
        groups = [group] if later is None else [group, later]
        if not self._medium.is_full(error):
            self._stop(groups, error)
            return
        self.enter_full()
        again = [c for g in groups for c in g.changes if c.essential and (reserve_released or g is later)]
        for each in groups:
            for change in each.changes:
                if change not in again:
                    _refuse(change.done, StorageFull())
            each.receipt.resolve(StorageFull())
        if again:
            self.open_group().changes.extend(again)
        self._next()

    def _stop(self, groups: list[Group], error: BaseException) -> None:
        self.failed = failure = StorageFailed(f"{type(error).__name__}: {error}")
        failure.__cause__ = error
        for group in groups:
            for change in group.changes:
                _refuse(change.done, failure)
            group.receipt.resolve(failure)
        if self._space_timer is not None:
            self._space_timer.cancel()
        self._next()
        self._observer.storage_failed(failure.message)
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(failure)

    def on_failure(self, callback: Callable[[BaseException], None]) -> None:
        self._callbacks.append(callback)

    def enter_full(self) -> None:
        """From now on only what ends something is taken, until there is space for the reserve again."""
        if not self.full:
            self.full = True
            self._observer.storage_full(True)
        if self._space_timer is None:
            assert self._loop is not None
            self._space_timer = self._loop.call_later(SPACE_CHECK_S, self.check_space)

    def check_space(self) -> None:
        """Takes the reserve again if there is room for it, and then is full no more; called each `SPACE_CHECK_S`."""
        self.between_groups(self._medium.make_reserve, self._space_checked)

    def _space_checked(self, there_is: bool | None) -> None:
        self._space_timer = None
        if there_is:
            self.full = False
            self._observer.storage_full(False)
        elif self.failed is None:
            self.enter_full()

    async def close(self, last: Callable[[], None]) -> None:
        """Waits until everything is durable, then runs `last` in the writer's thread and ends it."""
        if self.failed is None and (self.gathering is not None or self._in_flight is not None):
            self._drained = asyncio.get_running_loop().create_future()
            if self._in_flight is None:
                self._send()
            await self._drained
        if self._space_timer is not None:
            self._space_timer.cancel()
        thread, self._thread = self._thread, None
        if thread is None:
            return
        await self.in_writer(last)
        self._jobs.put(None)
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
        self.failed = self.failed or StorageFailed("the storage is closed")


def _settle(change: Change) -> None:
    error = change.error
    if error is None:
        result = change.result
        if change.landed is not None:
            result = change.landed(result)
        _answer(change.done, result)
    else:
        _refuse(change.done, error)


def _answer(done: asyncio.Future[T], result: T) -> None:
    if not done.done():
        done.set_result(result)


def _refuse(done: asyncio.Future[Any], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
