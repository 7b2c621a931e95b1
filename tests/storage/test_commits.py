"""Group commit, with a medium that does what the test says: order, failure, want of space."""

import asyncio
import errno
import sqlite3
import threading
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from headwater.errors import StorageFailed, StorageFull
from headwater.storage import commits as commits_module
from headwater.storage.commits import Group, GroupCommit
from headwater.storage.contract import Haste, LogState
from headwater.storage.tail import Tail
from headwater.telemetry import Committed, SilentObserver


class Medium:
    """A disk in the writer's thread: each commit waits for `go`, then does what `errors` says next."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.errors: list[BaseException | None] = []
        #: how many changes it has time for in one commit
        self.changes_max = 1000
        self.committed: list[list[int]] = []
        self.reserve = True
        self.space = True
        #: how often it had time for work of its own, and what it waits for in it
        self.caught_up = 0
        self.let_catch_up = threading.Event()
        self.let_catch_up.set()

    def commit(self, group: Group) -> None:
        self.go.acquire()
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        group.changes, group.left = group.changes[: self.changes_max], group.changes[self.changes_max :]
        for change in group.changes:
            change.result = change.apply(None)  # type: ignore[arg-type] # no test's change looks at the database
        self.committed.append([append[1] for append in group.appends])

    def catch_up(self) -> None:
        self.let_catch_up.wait()
        self.caught_up += 1

    def is_full(self, error: BaseException) -> bool:
        return isinstance(error, OSError) and error.errno == errno.ENOSPC

    def release_reserve(self) -> bool:
        had, self.reserve = self.reserve, False
        return had

    def make_reserve(self) -> bool:
        self.reserve = self.space
        return self.space


class Book:
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.sent_at: list[float] = []
        self.sent = asyncio.Event()

    def prepare(self, group: Group) -> None:
        self.calls.append("prepare")
        self.sent_at.append(asyncio.get_running_loop().time())
        self.sent.set()

    def landed(self, group: Group) -> None:
        self.calls.append("landed")
        group.records = len(group.appends)

    def lost(self, group: Group) -> None:
        self.calls.append("lost")

    def announce(self, group: Group) -> None:
        assert group.receipt.done
        self.calls.append("announce")


class Watching(SilentObserver):
    def __init__(self) -> None:
        self.commits: list[Committed] = []
        self.failures: list[str] = []
        self.full: list[bool] = []

    def committed(self, detail: Committed) -> None:
        self.commits.append(detail)

    def storage_failed(self, error: str) -> None:
        self.failures.append(error)

    def storage_full(self, full: bool) -> None:
        self.full.append(full)


class Bench:
    """A group commit between the two."""

    def __init__(self) -> None:
        self.medium, self.book, self.observer = Medium(), Book(), Watching()
        self.commits = GroupCommit(self.medium, self.book, self.observer, 0.0)
        self.tail = Tail("r", 1, LogState(0, False, 1, 1))

    def append(self, seq: int) -> Group:
        group = self.commits.open_group()
        group.appends.append((self.tail, seq, [b"x"], False))
        return group

    async def sent(self) -> None:
        """Until the open group is in flight."""
        self.book.sent.clear()
        await self.book.sent.wait()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    bench.commits.start()
    yield bench
    bench.medium.go.release(1000)
    await bench.commits.close(lambda: None)


NO_SPACE = OSError(errno.ENOSPC, "no space")


async def test_one_group_at_a_time_is_in_flight_and_the_next_gathers(bench: Bench) -> None:
    first = bench.append(0)
    assert bench.append(1) is first
    await bench.sent()
    second = bench.append(2)
    assert second is not first
    assert bench.append(3) is second
    bench.medium.go.release()
    await first.receipt
    assert not second.receipt.done
    bench.medium.go.release()
    await second.receipt
    assert bench.medium.committed == [[0, 1], [2, 3]]
    assert bench.book.calls == ["prepare", "landed", "announce"] * 2
    assert [detail.records for detail in bench.observer.commits] == [2, 2]


async def test_nobody_waits_for_what_the_medium_does_after_a_commit(bench: Bench) -> None:
    bench.medium.let_catch_up.clear()
    first = bench.append(0)
    bench.medium.go.release(2)
    await first.receipt
    assert bench.medium.caught_up == 0
    second = bench.append(1)
    bench.medium.let_catch_up.set()
    await second.receipt
    assert bench.medium.caught_up >= 1


async def test_the_interval_is_kept_between_two_commits_and_not_after_a_rest() -> None:
    medium, book = Medium(), Book()
    medium.go.release(1000)
    commits = GroupCommit(medium, book, SilentObserver(), 0.05)
    commits.start()
    first = commits.open_group()
    await asyncio.sleep(0)  # paces: the end of this turn of the loop is when the first group goes
    assert book.calls == ["prepare"]
    await first.receipt
    for _ in range(2):
        await commits.open_group().receipt
    assert all(later - earlier >= 0.05 - 1e-6 for earlier, later in pairwise(book.sent_at))
    await commits.close(lambda: None)


@pytest.mark.parametrize(("interval_s", "share"), [(3600.0, 0.0), (0.2, 0.25)])
async def test_what_somebody_waits_for_goes_before_the_interval_is_over(
    monkeypatch: pytest.MonkeyPatch, interval_s: float, share: float
) -> None:
    monkeypatch.setattr(commits_module, "NOW_SHARE", share)
    medium, book = Medium(), Book()
    medium.go.release(1000)
    commits = GroupCommit(medium, book, SilentObserver(), interval_s)
    commits.start()
    await commits.open_group().receipt
    before = commits.open_group()
    await commits.change(lambda db: None, haste=Haste.NOW)
    assert before.receipt.done, "what was gathered before goes with it"
    first, second = book.sent_at
    assert second - first >= share * interval_s - 1e-6, "many in haste share commits"
    await commits.close(lambda: None)


async def test_what_nobody_looks_for_goes_with_what_comes_next(bench: Bench) -> None:
    bench.medium.go.release(1000)
    late = bench.commits.open_group(Haste.LATER)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await bench.sent()
    assert bench.append(0) is late
    await bench.sent()
    assert (late.haste, bench.book.calls[0]) == (Haste.SOON, "prepare")
    await late.receipt
    await bench.commits.open_group(Haste.LATER).receipt  # alone it goes too


async def test_changes_that_there_was_no_time_for_come_first_in_the_next_group(bench: Bench) -> None:
    bench.medium.changes_max = 2
    applied: list[int] = []

    async def change(number: int) -> int:
        def apply(_: object) -> int:
            applied.append(number)
            return number

        answer: int = await bench.commits.change(apply)
        return answer

    first = [asyncio.create_task(change(number)) for number in range(5)]
    await bench.sent()
    bench.append(1)
    last = asyncio.create_task(change(5))
    bench.medium.go.release()
    await bench.sent()
    assert (applied, bench.medium.committed) == ([0, 1], [[]])
    for _ in range(2):
        bench.medium.go.release()
    assert await asyncio.gather(*first, last) == [0, 1, 2, 3, 4, 5]
    assert applied == [0, 1, 2, 3, 4, 5]
    # the records waited for two changes of six
    assert bench.medium.committed == [[], [1], []]


async def test_closing_sees_through_what_there_was_no_time_for(bench: Bench) -> None:
    bench.medium.changes_max = 1

    async def change() -> None:
        await bench.commits.change(lambda _: None)

    changes = [asyncio.create_task(change()) for _ in range(3)]
    await bench.sent()
    for _ in changes:
        bench.medium.go.release()
    await bench.commits.close(lambda: None)
    assert all(change.done() for change in changes)


async def test_a_failure_stops_everything_for_good(bench: Bench) -> None:
    told: list[BaseException] = []
    bench.commits.on_failure(told.append)
    bench.medium.errors = [sqlite3.OperationalError("disk I/O error")]
    first = bench.append(0)
    await bench.sent()
    second = bench.append(1)
    waiting: asyncio.Future[object] = asyncio.ensure_future(bench.commits.change(lambda db: 1))
    await asyncio.sleep(0)  # paces: lets the caller ask
    bench.medium.go.release()
    for refused in (first.receipt, second.receipt, waiting):
        with pytest.raises(StorageFailed):
            await refused
    with pytest.raises(StorageFailed):
        await bench.commits.change(lambda db: 1)
    assert told == [bench.commits.failed]
    assert len(bench.observer.failures) == 1
    assert await bench.commits.in_writer(lambda: "still reads") == "still reads"
    assert bench.medium.committed == []


async def test_want_of_space_takes_the_groups_and_lets_what_ends_use_the_reserve(bench: Bench) -> None:
    bench.medium.errors = [NO_SPACE]
    bench.medium.space = False
    first = bench.append(0)
    ending: asyncio.Future[object] = asyncio.ensure_future(bench.commits.change(lambda db: "ended"))
    starting: asyncio.Future[object] = asyncio.ensure_future(bench.commits.change(lambda db: "made", essential=False))
    await bench.sent()
    second = bench.append(1)
    bench.medium.go.release(2)
    assert await ending == "ended"
    for refused in (first.receipt, second.receipt, starting):
        with pytest.raises(StorageFull):
            await refused
    assert bench.commits.full
    assert bench.commits.failed is None
    assert bench.book.calls.count("lost") == 1
    with pytest.raises(StorageFull):
        await bench.commits.change(lambda db: 1, essential=False)


async def test_without_a_reserve_what_ends_is_refused_too(bench: Bench) -> None:
    bench.medium.errors = [NO_SPACE, NO_SPACE]
    bench.medium.space = False
    ending: asyncio.Future[object] = asyncio.ensure_future(bench.commits.change(lambda db: "ended"))
    await bench.sent()
    bench.medium.go.release(2)
    with pytest.raises(StorageFull):
        await ending
    assert bench.commits.failed is None


async def test_space_that_comes_back_is_noticed(bench: Bench) -> None:
    bench.medium.errors = [NO_SPACE]
    group = bench.append(0)
    await bench.sent()
    bench.medium.go.release()
    with pytest.raises(StorageFull):
        await group.receipt
    states = [(bench.commits.full, bench.medium.reserve)]
    bench.commits.check_space()
    await bench.commits.in_writer(lambda: None)
    states.append((bench.commits.full, bench.medium.reserve))
    assert states == [(True, False), (False, True)]
    assert bench.observer.full == [True, False]


async def test_closing_sees_through_what_was_gathered_and_then_runs_the_last_thing(bench: Bench) -> None:
    first = bench.append(0)
    await bench.sent()
    second = bench.append(1)
    order: list[str] = []
    bench.medium.go.release(2)
    await bench.commits.close(lambda: order.append("closed"))
    assert first.receipt.done
    assert second.receipt.done
    assert second.receipt.error is None
    assert order == ["closed"]
    with pytest.raises(StorageFailed):
        await bench.commits.change(lambda db: 1)
