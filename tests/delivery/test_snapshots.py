"""What a run amounts to, for late joiners and for those who only look (T6)."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.delivery.snapshots import FOLDS_MAX, Snapshots
from headwater.delivery.sse import SSE
from headwater.delivery.view import Block
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.run import LOCAL_OWNER, Run, RunRequest
from headwater.domain.snapshot import Snapshot, fold
from headwater.errors import LogTrimmed
from headwater.storage.memory import MemoryStorage
from headwater.wire.sse import SSEDecoder
from tests.delivery.rig import RUN
from tests.delivery.sinks import ColdLog
from tests.kit.virtual import run_virtual


def run_of(snapshot: Snapshot | None = None, run: str = RUN) -> Run:
    return Run(run, LOCAL_OWNER, RunRequest("simulated"), 0, snapshot=snapshot)


def numbered(*events: ev.Event) -> list[ev.Record]:
    return [ev.Record(seq, seq * 10, event) for seq, event in enumerate(events, 1)]


class Written:
    def __init__(self, warm: bool = True) -> None:
        self.log = ColdLog(lambda: warm)
        self.records: list[ev.Record] = []
        self.snapshots = Snapshots(self.log)

    async def append(self, *events: ev.Event, close: bool = False) -> None:
        tail = len(self.records)
        fresh = [ev.Record(tail + n, (tail + n) * 10, event) for n, event in enumerate(events, 1)]
        await self.log.append(RUN, tail, [ev.encode_record(*record) for record in fresh], 1, close)
        self.records += fresh


async def written(*events: ev.Event, close: bool = False, warm: bool = True) -> Written:
    it = Written(warm)
    await it.log.claim(RUN, 1)
    if events:
        await it.append(*events, close=close)
    return it


def event_in(block: Block) -> tuple[str | None, ev.Record]:
    [frame] = SSEDecoder().feed(block.data)
    return frame.id, ev.decode_record(frame.data)


@pytest.mark.parametrize("warm", [True, False])
async def test_a_live_run_is_folded_at_its_durable_tail(warm: bool) -> None:
    it = await written(ev.Chunk("a", 0), warm=warm)
    assert (await it.snapshots.of(run_of())).text == "a"
    await it.append(ev.Chunk("b", 0), ev.Reasoning("r", 0))
    assert await it.snapshots.of(run_of()) == fold(it.records)


async def test_asking_again_reads_only_what_is_new() -> None:
    it = await written(*[ev.Chunk("a", 0)] * 3000, warm=False)
    await it.snapshots.of(run_of())
    reads = it.log.reads
    await it.append(ev.Chunk("b", 0))
    assert (await it.snapshots.of(run_of())).seq == 3001
    assert it.log.reads - reads == 2, "the new page, and the look that found nothing after it"


async def test_an_ended_run_has_its_stored_one() -> None:
    it = await written()
    stored = fold(numbered(ev.Chunk("stored", 0)))
    assert await it.snapshots.of(run_of(stored)) is stored


async def test_an_ended_run_whose_row_is_not_yet_written_is_folded_to_its_end() -> None:
    it = await written(ev.Chunk("a", 0))
    await it.snapshots.of(run_of())
    await it.append(ev.Error("TIMEOUT", "late", True), close=True)
    snapshot = await it.snapshots.of(run_of())
    assert snapshot == fold(it.records)
    assert snapshot.error is not None
    assert it.snapshots._entries == {}, "nobody needs its fold any more"


async def test_a_run_without_a_log_amounts_to_nothing() -> None:
    assert await Snapshots(MemoryStorage().log).of(run_of()) == fold([])


async def test_a_late_joiner_gets_everything_but_the_final_record() -> None:
    it = await written(ev.Chunk("a", 0), ev.Chunk("b", 0))
    opening = await it.snapshots.opening(RUN, SSE)
    assert opening.snapshot is not None
    id_, record = event_in(opening.snapshot)
    assert (opening.seq, opening.snapshot.last, id_, record.seq, record.t) == (2, 2, "2", 2, 20)
    assert isinstance(record.event, ev.SnapshotEvent)
    assert record.event.snapshot["text"] == "ab"
    again = await it.snapshots.opening(RUN, SSE)
    assert again.snapshot == opening.snapshot
    await it.append(ev.Complete("stop", Usage()), close=True)
    closed = await it.snapshots.opening(RUN, SSE)
    assert closed.seq == 2


@pytest.mark.parametrize("warm", [True, False])
async def test_an_ended_run_of_several_pages_lacks_its_final_record_only(warm: bool) -> None:
    it = await written(*[ev.Chunk("a", 0)] * 2000, ev.Complete("stop", Usage()), close=True, warm=warm)
    opening = await it.snapshots.opening(RUN, SSE)
    assert opening.seq == 2000
    assert (await it.snapshots.of(run_of())).seq == 2001


async def test_nothing_so_far_is_no_snapshot() -> None:
    it = await written()
    assert await it.snapshots.opening(RUN, SSE) == (0, None, frozenset())
    await it.append(ev.Cancelled("user", 0), close=True)
    assert (await it.snapshots.opening(RUN, SSE)).snapshot is None


async def test_what_is_too_long_for_a_record_is_to_be_replayed() -> None:
    it = await written(*[ev.Chunk("x" * 10_000, 0)] * 30)
    await it.append(ev.Attempt(1, 2, "cut", "p", "m", supersedes_from=5))
    await it.append(*[ev.Chunk("y" * 10_000, 0)] * 30)
    assert await it.snapshots.opening(RUN, SSE) == (61, None, frozenset({5}))


async def test_folds_are_bounded_and_forgotten() -> None:
    log = MemoryStorage().log
    snapshots = Snapshots(log)
    for number in range(FOLDS_MAX + 5):
        await log.claim(f"run_{number}", 1)
        await log.append(f"run_{number}", 0, [ev.encode_record(1, 1, ev.Chunk("a", 0))], 1)
        await snapshots.of(run_of(run=f"run_{number}"))
    assert len(snapshots._entries) == FOLDS_MAX
    assert "run_0" not in snapshots._entries
    snapshots.forget(f"run_{FOLDS_MAX}")
    assert len(snapshots._entries) == FOLDS_MAX - 1


async def test_a_trimmed_log_says_so() -> None:
    it = await written(*[ev.Chunk("a", 0)] * 5)
    await it.log.trim(RUN, 3)
    with pytest.raises(LogTrimmed):
        await it.snapshots.of(run_of())


@given(st.lists(st.integers(1, 40), min_size=1, max_size=10), st.booleans())
def test_many_who_ask_at_once_get_the_same(appends: list[int], warm: bool) -> None:
    """Several requests take one fold forward together, while the run goes on."""

    async def play() -> None:
        it = await written(warm=warm)
        asked = []
        for count in appends:
            await it.append(*[ev.Chunk(f"{n} ", 0) for n in range(count)])
            asked += [asyncio.create_task(it.snapshots.of(run_of())) for _ in range(3)]
        for snapshot in await asyncio.gather(*asked):
            assert snapshot == fold(it.records[: snapshot.seq])

    run_virtual(play())
