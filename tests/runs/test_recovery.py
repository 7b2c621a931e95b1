"""After a crash every run that was cut gets its end (T11, fault 28)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.run import LOCAL_OWNER, Run, RunState
from headwater.errors import Fenced, LogCorrupt, StorageError
from headwater.runs.recorder import Recorder
from headwater.runs.recovery import Recovered
from headwater.storage.memory_medium import MemoryMedium
from tests.runs.scene import Scene, pause, silent, turns, virtual, words


async def crashed(
    *, cancel: str | None = None, runs: int = 1, after_s: float = 2.5, delay: Callable[[], float] | None = None
) -> MemoryMedium:
    """What a process that was killed in mid-run leaves on its disk: runs that had said "ab"."""
    async with Scene(words(*"abcdef", every_s=1.0), commit_delay=delay, slots=500, waiting_max=0) as scene:
        for _ in range(runs):
            await scene.submit()
        await pause(after_s)
        if cancel is not None:
            for name in scene.storage.medium.runs:
                await scene.storage.runs.request_cancel(name, cancel)
        medium = scene.storage.medium
        scene.storage.crash()
    return medium


@virtual
async def test_what_was_cut_ends_as_interrupted_with_its_partial() -> None:
    medium = await crashed()
    (name,) = medium.runs
    assert medium.runs[name].state is RunState.RUNNING
    async with Scene(medium=medium) as scene:
        assert await scene.supervisor.recover() == Recovered(interrupted=1)
        assert scene.listener.recovered == [(1, 0, 0)]
        assert scene.error(name) == ev.Error(
            "INTERRUPTED", "The server stopped while the answer was being made.", True, partial_bytes=2
        )
        row = scene.row(name)
        assert (row.state, row.epoch) == (RunState.FAILED, 2)
        assert row.snapshot is not None
        assert row.snapshot.text == "ab"
        # what no provider reported is estimated after a crash too
        assert row.snapshot.usage == Usage(input_tokens=1, output_tokens=1, source="estimated")
        assert row.ended_at_ms == row.created_at_ms + scene.records(name)[-1].t
        # by which a list tells a partial answer from none
        assert row.metrics is not None
        assert (row.metrics.chunks, row.metrics.first_token_ms) == (2, 1000)
        assert row.metrics.duration_ms == scene.records(name)[-1].t
        # and a second start finds nothing to do
        assert await scene.supervisor.recover() == Recovered()


@pytest.mark.parametrize(("noted", "by"), [("user", "user"), ("disconnect", "disconnect"), ("revoked", "revoked")])
@virtual
async def test_a_cancel_that_was_asked_for_is_honoured(noted: str, by: ev.CancelledBy) -> None:
    medium = await crashed(cancel=noted)
    (name,) = medium.runs
    async with Scene(medium=medium) as scene:
        assert await scene.supervisor.recover() == Recovered(cancelled=1)
        assert scene.final(name) == ev.Cancelled(by, 2)
        assert scene.row(name).state is RunState.CANCELLED


@virtual
async def test_a_log_that_has_its_end_repairs_its_row() -> None:
    medium = await crashed()
    (name,) = medium.runs
    log = medium.logs[name]
    complete = ev.Complete("stop", Usage(1, 0, 2), "ab", 2, "…")
    log.records.append(ev.encode_record(log.tail + 1, 2222, complete))
    log.closed = True
    before = list(log.records)
    async with Scene(medium=medium) as scene:
        assert await scene.supervisor.recover() == Recovered(repaired=1)
        row = scene.row(name)
        assert (row.state, row.ended_at_ms) == (RunState.COMPLETED, row.created_at_ms + 2222)
        assert row.snapshot is not None
        assert row.snapshot.finish_reason == "stop"
        assert scene.storage.medium.logs[name].records == before


@virtual
async def test_a_row_without_a_log_ends_too() -> None:
    """The crash struck between the row and the log."""
    medium = await crashed()
    (name,) = medium.runs
    del medium.logs[name]
    async with Scene(medium=medium) as scene:
        scene.clock.jump(-3600)
        assert await scene.supervisor.recover() == Recovered(interrupted=1)
        assert [(r.t, r.event.type) for r in scene.records(name)] == [(0, "usage"), (0, "error")]


@virtual
async def test_a_run_that_waited_ends_too() -> None:
    async with Scene(silent(), slots=1) as scene:
        await scene.submit()
        waiting = await scene.submit()
        await turns()
        medium = scene.storage.medium
        scene.storage.crash()
    async with Scene(medium=medium) as scene:
        assert await scene.supervisor.recover() == Recovered(interrupted=2)
        row = scene.row(waiting)
        assert row.state is RunState.FAILED
        assert row.snapshot is not None
        assert row.snapshot.usage == Usage(cost_usd=0.0, source="estimated")


def _broken(records: list[bytes]) -> None:
    records[3] = b"\x00"


def _swapped(records: list[bytes]) -> None:
    records[3], records[4] = records[4], records[3]


@pytest.mark.parametrize("spoil", [_broken, _swapped])
@pytest.mark.parametrize("closed", [True, False])
@virtual
async def test_a_log_that_can_not_be_read_ends_its_run_and_keeps_no_other_from_its_end(
    spoil: Callable[[list[bytes]], None], closed: bool
) -> None:
    medium = await crashed(runs=3)
    bad, *good = medium.runs
    log = medium.logs[bad]
    spoil(log.records)
    if closed:
        log.records.append(ev.encode_record(log.tail + 1, 9, ev.Cancelled("user", 2)))
        log.closed = True
    async with Scene(medium=medium) as scene:
        assert await scene.supervisor.recover() == Recovered(interrupted=2, corrupt=1)
        assert [scene.error(name).code for name in good] == ["INTERRUPTED"] * 2
        assert scene.row(bad).state is RunState.FAILED
        assert medium.logs[bad].closed
        last = ev.decode_record(medium.logs[bad].records[-1])
        assert last.seq == medium.logs[bad].tail
        assert last.event.type == ("cancelled" if closed else "error")
        assert await scene.supervisor.recover() == Recovered()


@virtual
async def test_a_run_that_can_not_be_claimed_is_left_to_the_next_start() -> None:
    medium = await crashed(runs=2)
    bad, good = medium.runs
    async with Scene(medium=medium) as scene:
        rows: Any = scene.storage.runs
        claim = rows.claim

        async def refusing(run: str) -> int:
            if run == bad:
                raise LogCorrupt("a broken page")
            epoch: int = await claim(run)
            return epoch

        rows.claim = refusing
        assert await scene.supervisor.recover() == Recovered(interrupted=1, failed=1)
        assert scene.row(good).state is RunState.FAILED
        assert scene.row(bad).state is RunState.RUNNING
        rows.claim = claim
        assert await scene.supervisor.recover() == Recovered(interrupted=1)


@virtual
async def test_the_process_that_was_believed_dead_can_write_nothing_any_more() -> None:
    """I5, fault 30."""
    medium = await crashed()
    (name,) = medium.runs
    async with Scene(medium=medium) as scene:
        await scene.supervisor.recover()
        zombie = Recorder(scene.storage.log, name, 1, lambda: 0)
        await zombie.resume(await scene.storage.log.state(name))
        with pytest.raises(Fenced):
            zombie.add([ev.Chunk("late", 0)])
        with pytest.raises(StorageError):
            zombie.add([ev.Cancelled("user", 0)], final=True)


@virtual
async def test_many_runs_end_side_by_side() -> None:
    """Within 2 s of the start: they share commits, so 300 of them take a few commits, not 300."""
    medium = await crashed(runs=300)
    async with Scene(medium=medium, commit_delay=lambda: 0.01) as scene:
        began = scene.clock.monotonic()
        assert (await scene.supervisor.recover()).interrupted == 300
        assert scene.clock.monotonic() - began < 2.0
        assert all(row.state is RunState.FAILED for row in medium.runs.values())


@virtual
async def test_a_clock_that_went_back_over_the_crash_gives_no_negative_times() -> None:
    medium = await crashed()
    (name,) = medium.runs
    async with Scene(medium=medium) as scene:
        scene.clock.jump(-3600)
        await scene.supervisor.recover()
        times = [record.t for record in scene.records(name)]
        assert times == sorted(times)
        assert scene.row(name).ended_at_ms == scene.row(name).created_at_ms + times[-1]


@pytest.mark.parametrize("seed", range(30))
@virtual
async def test_a_crash_at_any_moment_leaves_nothing_without_an_end(seed: int) -> None:
    """The medium is what was durable when the process died, at a moment that the seed chooses."""
    chance = random.Random(seed)
    medium = MemoryMedium()
    async with Scene(
        words(*"abcd", every_s=0.01), medium=medium, commit_delay=lambda: chance.choice([0.001, 0.02])
    ) as scene:
        calls = [asyncio.create_task(scene.submit()) for _ in range(5)]
        await pause(chance.uniform(0, 0.12))
        asked = [name for name in medium.runs if chance.random() < 0.4]
        calls += [asyncio.create_task(_cancel(scene, name)) for name in asked]
        await pause(chance.uniform(0, 0.03))
        scene.storage.crash()
        ended = {name: medium.logs[name].records[-1] for name in medium.logs if medium.logs[name].closed}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    async with Scene(medium=medium) as scene:
        noted = {name for name, row in medium.runs.items() if row.cancel_requested_by and name not in ended}
        recovered = await scene.supervisor.recover()
        assert recovered.failed == recovered.corrupt == 0
        for name, row in medium.runs.items():
            final = scene.final(name)
            assert row.state == {"complete": "completed", "cancelled": "cancelled", "error": "failed"}[final.type]
            if name in ended:
                assert medium.logs[name].records[-1] == ended[name]
            elif name in noted:
                assert final.type == "cancelled"
            assert row.snapshot is not None
            assert "abcd".startswith(row.snapshot.text)


async def _cancel(scene: Scene, name: str) -> Run:
    return await scene.supervisor.cancel(name, LOCAL_OWNER)
