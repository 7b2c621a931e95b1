"""One run's readers together: shared bytes, one load for many, and everybody gets everything once."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater.delivery.feed import BLOCKS_BYTES_MAX, BLOCKS_MAX, Feed
from headwater.delivery.sse import SSE
from headwater.delivery.subscription import State, Subscription, Why
from headwater.delivery.view import View
from headwater.errors import LogCorrupt, LogTrimmed, StorageFailed
from headwater.storage.contract import EventLog, Page
from headwater.storage.memory import MemoryStorage
from tests.delivery.rig import RUN, Tasks, final, record, records, seqs
from tests.delivery.sinks import ColdLog, HeldSink
from tests.kit.virtual import run_virtual


class Readers:
    """A feed with held sinks."""

    def __init__(self, log: EventLog) -> None:
        self.tasks = Tasks()
        self.log = log
        self.left: list[Why] = []
        self.feed = Feed(RUN, log, self.tasks, lambda feed, subscription, why: self.left.append(why))
        self.tail = 0

    def join(self, cursor: int = 0, view: View | None = None) -> tuple[Subscription, HeldSink]:
        sink = HeldSink()
        reader = Subscription(self.feed, view or View(SSE), cursor, sink)
        sink.drained = reader.drained
        self.feed.join(reader)
        reader.begin()
        return reader, sink

    async def append(self, *payloads: bytes, close: bool = False) -> None:
        await self.log.append(RUN, self.tail, payloads, 1, close)
        self.tail += len(payloads)

    async def settle(self) -> None:
        """Until no page is on its way and nobody waits for a turn."""
        while self.tasks.all:
            await asyncio.gather(*self.tasks.all, return_exceptions=True)
        for _ in range(20):
            await asyncio.sleep(0)  # paces: the loop's own turns, of which a catch-up takes several
        if self.tasks.all:
            await self.settle()


async def opened(log: EventLog | None = None) -> Readers:
    log = log or MemoryStorage().log
    await log.claim(RUN, 1)
    return Readers(log)


async def test_readers_at_one_place_share_one_object() -> None:
    readers = await opened()
    sinks = [readers.join()[1] for _ in range(5)]
    await readers.append(*records(3))
    assert all(seqs(sink.body) == [1, 2, 3] for sink in sinks)
    assert len({id(sink.writes[-1]) for sink in sinks}) == 1


async def test_views_do_not_mix() -> None:
    readers = await opened()
    _, all_types = readers.join()
    _, only = readers.join(view=View(SSE, frozenset({"cancelled"})))
    await readers.append(*records(2))
    await readers.append(final(3), close=True)
    assert seqs(all_types.body) == [1, 2, 3]
    assert (seqs(only.body), only.body.startswith(b"id: 2\n\n")) == ([3], True)
    assert readers.left == [Why.END, Why.END]
    assert readers.feed.idle


async def test_a_burst_is_given_in_blocks_until_all_have_it() -> None:
    readers = await opened()
    sinks = [readers.join()[1] for _ in range(3)]
    await readers.append(*records(2000))
    await readers.settle()
    assert all(seqs(sink.body) == list(range(1, 2001)) for sink in sinks)
    assert len(sinks[0].writes) < 20


async def test_a_long_record_reaches_who_follows() -> None:
    readers = await opened()
    _, sink = readers.join()
    await readers.append(record(1, "x" * 200_000))
    await readers.settle()
    assert seqs(sink.body) == [1]


async def test_one_load_serves_all_who_wait_for_it() -> None:
    log = ColdLog()
    readers = await opened(log)
    await readers.append(*records(10))
    sinks = [readers.join()[1] for _ in range(50)]
    await readers.settle()
    assert all(seqs(sink.body) == list(range(1, 11)) for sink in sinks)
    assert log.reads == 2, "the page, and the look that found nothing after it"


class _TardyLog(ColdLog):
    """What it says was so when it was asked; the answer takes until the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def read(self, run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page:
        page = await super().read(run, after, records_max=records_max, bytes_max=bytes_max)
        await self.gate.wait()
        return page


async def test_who_joins_a_load_after_the_log_has_moved_is_not_left_behind() -> None:
    log = _TardyLog()
    readers = await opened(log)
    await readers.append(record(1))
    _, first = readers.join(1)
    await asyncio.sleep(0)  # paces: the turn in which the empty page is read
    await readers.append(final(2), close=True)
    _, second = readers.join(1)
    log.gate.set()
    await readers.settle()
    assert (seqs(first.body), first.finished) == ([2], True)
    assert (seqs(second.body), second.finished) == ([2], True)


async def test_what_is_kept_is_bounded() -> None:
    readers = await opened()
    readers.join()
    for seq in range(1, 3 * BLOCKS_MAX):
        await readers.append(record(seq, "x" * 10_000))
    kept = readers.feed._blocks
    assert sum(len(block.data) for block in kept.values()) <= BLOCKS_BYTES_MAX
    for seq in range(3 * BLOCKS_MAX, 6 * BLOCKS_MAX):
        await readers.append(record(seq))
    assert len(kept) <= BLOCKS_MAX
    assert readers.feed._blocks_bytes == sum(len(block.data) for block in kept.values())
    assert readers.feed._full <= set(kept)


async def test_who_comes_late_is_not_given_the_crumbs_of_who_followed() -> None:
    readers = await opened()
    readers.join()
    for seq in range(1, 41):
        await readers.append(record(seq))
    _, late = readers.join(1)
    assert seqs(late.body) == list(range(2, 41))
    assert len(late.writes) == 1


@pytest.mark.parametrize(
    ("fault", "why"), [(LogCorrupt(), Why.ERROR), (StorageFailed(), Why.ERROR), (LogTrimmed(first=9), Why.ERROR)]
)
async def test_a_log_that_can_not_be_read_cuts_the_reader(fault: BaseException, why: Why) -> None:
    log = ColdLog()
    readers = await opened(log)
    await readers.append(*records(2))
    log.fault = fault
    reader, sink = readers.join()
    await readers.settle()
    assert (sink.body, sink.aborted, readers.left) == (b"", True, [why])
    assert reader.state is State.ENDED
    assert readers.tasks.failures == []


async def test_bytes_that_are_no_record_are_never_served_and_wake_nobody_else_up() -> None:
    readers = await opened()
    _, whole = readers.join()
    reader, coalescing = readers.join(view=View(SSE, None, 5))
    await readers.append(b'{"seq":1,"t":0,"type":"chunk","data":{"content":7}}')
    await readers.settle()
    assert coalescing.aborted
    assert coalescing.body == b""
    assert reader.state is State.ENDED
    assert not whole.ended
    assert len(readers.tasks.failures) == 1


async def test_what_comes_before_bytes_that_are_no_record_is_served() -> None:
    readers = await opened(ColdLog())
    await readers.append(*[record(seq, "x" * 20_000) for seq in (1, 2)], b'{"seq":3,"t":0,"type":"chunk","data":7}')
    _, sink = readers.join(view=View(SSE, None, 3))
    await readers.settle()
    assert (seqs(sink.body), sink.aborted) == ([1], True), "the block before the one that can not be made"


async def test_a_deleted_run_ends_its_readers() -> None:
    readers = await opened()
    await readers.append(*records(2))
    _, sink = readers.join()
    await readers.log.delete(RUN)
    await readers.settle()
    assert (seqs(sink.body), sink.finished, readers.left) == ([1, 2], True, [Why.DELETED])


async def test_a_run_that_has_no_log_yet_is_waited_for() -> None:
    readers = Readers(MemoryStorage().log)
    _, sink = readers.join()
    await readers.settle()
    assert not sink.ended
    await readers.log.claim(RUN, 1)
    await readers.append(*records(1))
    await readers.settle()
    assert seqs(sink.body) == [1]


async def test_who_waits_for_a_log_that_came_and_went_is_ended() -> None:
    """It joined after the deletion; another one's page was read before it."""
    readers = await opened()
    await readers.append(record(1), final(2), close=True)
    page = await readers.log.read(RUN, 0)
    await readers.log.delete(RUN)
    _, sink = readers.join()
    await readers.settle()
    assert not sink.ended
    readers.feed.keep(View(SSE, frozenset({"chunk"})), page)
    await readers.settle()
    assert (sink.finished, readers.left) == (True, [Why.DELETED])


async def test_a_closed_feed_hears_no_more() -> None:
    readers = await opened()
    reader, sink = readers.join()
    reader.end(Why.CLIENT)
    assert readers.feed.idle
    readers.feed.close()
    await readers.append(*records(1))
    assert sink.writes == []


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 30)),
        st.tuples(st.just("join"), st.integers(0, 100)),
        st.tuples(st.just("hold"), st.integers(0, 9)),
        st.tuples(st.just("drain"), st.integers(0, 9)),
        st.tuples(st.just("leave"), st.integers(0, 9)),
        st.tuples(st.just("turn"), st.integers(1, 3)),
        st.tuples(st.just("long"), st.just(0)),
    ),
    max_size=40,
)


@given(_steps, st.floats(0, 1), st.booleans(), st.integers(0, 2**32), st.sampled_from([None, frozenset({"chunk"})]))
@example([("append", 1), ("join", 1), ("append", 2), ("join", 3)], 0.0, True, 0, None)
def test_whatever_happens_each_reader_gets_each_record_once(
    steps: list[tuple[str, int]], cold: float, late: bool, seed: int, types: frozenset[str] | None
) -> None:
    """Appends, full and drained sinks, late and leaving readers, pages in memory and on the disk, in any order (T2)."""
    chance = random.Random(seed)

    async def play() -> None:
        async def turn() -> None:
            await asyncio.sleep(chance.random() / 100)  # paces: virtual time

        readers = await opened(ColdLog(lambda: chance.random() >= cold, turn, late_wakes=late))
        joined: list[tuple[int, Subscription, HeldSink]] = []

        def join(cursor: int) -> None:
            reader, sink = readers.join(cursor, View(SSE, types))
            joined.append((cursor, reader, sink))

        join(0)
        for step, value in steps:
            _, reader, sink = joined[value % len(joined)]
            if step == "append":
                await readers.append(*records(value, readers.tail))
            elif step == "long":
                await readers.append(record(readers.tail + 1, "x" * 80_000))
            elif step == "join":
                join(value % (readers.tail + 1))
            elif step == "hold":
                sink.hold()
            elif step == "drain" and not sink.ended:
                sink.drain()
            elif step == "leave" and len(joined) > 1:
                reader.end(Why.CLIENT)
            elif step == "turn":
                await turn()
        await readers.append(final(readers.tail + 1), close=True)
        while any(reader.state is not State.ENDED for _, reader, _ in joined):
            await readers.settle()
            for _, _, sink in joined:
                sink.drain()
        last = readers.tail if types is None else readers.tail - 1
        for cursor, reader, sink in joined:
            got = seqs(sink.body)
            if sink.finished:
                assert got == list(range(cursor + 1, last + 1))
                assert reader.cursor == readers.tail
            else:
                assert got == list(range(cursor + 1, cursor + 1 + len(got))), "one who left has a beginning"
        assert readers.tasks.failures == []
        assert readers.feed.idle

    run_virtual(play())
