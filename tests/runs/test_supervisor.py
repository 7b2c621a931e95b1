"""The write half's front: start, stop, delete, leave, drain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import structlog

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.domain.run import LOCAL_OWNER, CancelAfter, Owner, RunState
from headwater.errors import (
    ErrorCode,
    NotFoundError,
    StorageFull,
    StorageFullError,
    UnavailableError,
)
from headwater.providers.contract import Item
from headwater.runs.supervisor import DELETE_WAIT_S, Tasks
from headwater.storage.contract import wait
from tests.runs.scene import Scene, pause, silent, turns, virtual, words

TEN_SECONDS = words(*"0123456789", every_s=1.0)


# ── leaving is not stopping (T1) ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("policy", ["continue", "cancel", CancelAfter(2.0)])
@virtual
async def test_a_run_that_never_had_a_reader_is_not_left(policy: Any) -> None:
    async with Scene(TEN_SECONDS) as scene:
        run = await scene.submit(on_disconnect=policy)
        records = await scene.end_of(run)
        assert (records[-1].event.type, records[-1].t) == ("complete", 10_000)


@pytest.mark.parametrize(
    ("policy", "ends_ms"), [("continue", 10_000), ("cancel", 1500), (CancelAfter(2.0), 3500), (CancelAfter(60), 10_000)]
)
@virtual
async def test_what_happens_when_the_last_reader_goes_is_the_run_s_own(policy: Any, ends_ms: int) -> None:
    async with Scene(TEN_SECONDS) as scene:
        run = await scene.submit(on_disconnect=policy)
        scene.supervisor.reader_joined(run.id)
        scene.supervisor.reader_joined(run.id)
        await pause(1)
        scene.supervisor.reader_left(run.id)
        await pause(0.5)
        scene.supervisor.reader_left(run.id)
        records = await scene.end_of(run)
        assert records[-1].t == ends_ms
        if ends_ms < 10_000:
            assert scene.final(run) == ev.Cancelled("disconnect", ends_ms // 1000)
            assert scene.row(run).cancel_requested_by == "disconnect"
            assert scene.row(run).state is RunState.CANCELLED
        else:
            assert scene.final(run).type == "complete"


@virtual
async def test_a_reader_that_comes_back_stops_the_timer() -> None:
    async with Scene(TEN_SECONDS) as scene:
        run = await scene.submit(on_disconnect=CancelAfter(2.0))
        for _ in range(3):
            scene.supervisor.reader_joined(run.id)
            await pause(0.2)
            scene.supervisor.reader_left(run.id)
            await pause(1.5)  # a timer of the first leave would strike after the second one
        scene.supervisor.reader_joined(run.id)
        await scene.end_of(run)
        assert scene.final(run).type == "complete"
        scene.supervisor.reader_left(run.id)
        await pause(100)


@virtual
async def test_a_reader_that_stays_to_the_end_has_not_left() -> None:
    async with Scene(TEN_SECONDS) as scene:
        run = await scene.submit(on_disconnect="cancel")
        scene.supervisor.reader_joined(run.id)
        # As delivery does it: the final record ends the reader, before the row is written.
        page = await scene.storage.log.read(run.id, 0)
        while not page.closed:
            await wait(scene.storage.log, run.id, page.tail)
            page = await scene.storage.log.read(run.id, page.last)
        scene.supervisor.reader_left(run.id)
        await scene.end_of(run)
        row = scene.row(run)
        assert row.metrics is not None
        assert (row.metrics.readers, row.metrics.interruptions) == (1, 0)
        assert 9_000 <= row.metrics.reader_ms <= 10_000
        assert row.cancel_requested_by is None


@virtual
async def test_readers_of_unknown_and_ended_runs_are_nobody_s_business() -> None:
    async with Scene() as scene:
        run = await scene.submit(on_disconnect="cancel")
        await scene.end_of(run)
        for name in (run.id, "run_unknown"):
            scene.supervisor.reader_joined(name)
            scene.supervisor.reader_left(name)
        await turns()
        assert scene.row(run).cancel_requested_by is None


# ── cancel (T5) ─────────────────────────────────────────────────────────────────────────────────


@virtual
async def test_a_cancel_is_durable_before_the_work_stops_and_the_work_stops_before_the_end() -> None:
    order: list[str] = []
    async with Scene(silent(["par"]), commit_delay=lambda: 1.0) as scene:
        run = await scene.submit()
        await pause(5)
        scene.storage.log.watch(run.id, lambda: order.append("final" if scene.types(run)[-1] == "cancelled" else "-"))
        scene.provider.on_closed = lambda: order.append(f"closed, {scene.row(run).cancel_requested_by}")
        then = await scene.supervisor.cancel(run.id, LOCAL_OWNER)
        assert (then.id, then.cancel_requested_by) == (run.id, "user")
        await pause(10)
        assert order == ["closed, user", "final"]
        assert scene.final(run) == ev.Cancelled("user", 3)
        scene.storage.log._watchers.clear()


@virtual
async def test_a_second_cancel_and_a_late_one_change_nothing() -> None:
    async with Scene(silent(["par"])) as scene:
        run = await scene.submit()
        await turns()
        first, second = await asyncio.gather(*(scene.supervisor.cancel(run.id, LOCAL_OWNER) for _ in range(2)))
        assert first.id == second.id == run.id
        records = await scene.end_of(run)
        late = await scene.supervisor.cancel(run.id, LOCAL_OWNER)
        assert late.state is RunState.CANCELLED
        assert scene.records(run) == records


@virtual
async def test_a_cancel_does_not_reach_an_ended_run() -> None:
    async with Scene() as scene:
        run = await scene.submit()
        await scene.end_of(run)
        late = await scene.supervisor.cancel(run.id, LOCAL_OWNER)
        assert (late.state, late.cancel_requested_by) == (RunState.COMPLETED, None)


@virtual
async def test_a_caller_that_goes_away_does_not_take_its_cancel_back() -> None:
    async with Scene(silent(), commit_delay=lambda: 1.0) as scene:
        run = await scene.submit()
        caller = asyncio.create_task(scene.supervisor.cancel(run.id, LOCAL_OWNER))
        await turns()
        caller.cancel()
        await scene.end_of(run)
        assert scene.final(run) == ev.Cancelled("user", 0)


def claim_late(scene: Scene) -> None:
    """Between a run's row and its log there are ten seconds."""
    log: Any = scene.storage.log
    claim = log.claim

    async def late(run: str, epoch: int) -> Any:
        await pause(10)
        return await claim(run, epoch)

    log.claim = late


@virtual
async def test_a_cancel_of_a_run_that_is_still_arriving_is_not_lost() -> None:
    async with Scene(silent()) as scene:
        claim_late(scene)
        caller = asyncio.create_task(scene.submit())
        await pause(1.5)
        (name,) = scene.storage.medium.runs
        await scene.supervisor.cancel(name, LOCAL_OWNER)
        await caller
        await scene.end_of(name)
        assert scene.final(name) == ev.Cancelled("user", 0)


@virtual
async def test_a_cancel_that_can_not_be_noted_still_stops_the_work_and_is_not_acknowledged() -> None:
    async with Scene(silent()) as scene:

        async def refused(*_: Any) -> Any:
            raise StorageFull

        run = await scene.submit()
        rows: Any = scene.storage.runs
        rows.request_cancel = refused
        with pytest.raises(UnavailableError) as caught:
            await scene.supervisor.cancel(run.id, LOCAL_OWNER)
        assert caught.value.code is ErrorCode.STORAGE
        await scene.end_of(run)
        assert scene.final(run).type == "cancelled"


@virtual
async def test_another_owner_s_run_looks_like_none() -> None:
    async with Scene(silent()) as scene:
        run = await scene.submit()
        for name, owner in [(run.id, Owner("local", "other")), ("run_unknown", LOCAL_OWNER)]:
            with pytest.raises(NotFoundError):
                await scene.supervisor.cancel(name, owner)
            with pytest.raises(NotFoundError):
                await scene.supervisor.delete(name, owner)
        assert (
            scene.supervisor.live_of(Owner("local", "other")) == scene.supervisor.live_of(Owner("other", "local")) == []
        )
        assert scene.supervisor.live == 1


@virtual
async def test_an_owner_s_live_runs_are_known_from_the_oldest_to_the_newest() -> None:
    async with Scene(silent()) as scene:
        runs = []
        for _ in range(3):
            runs.append(await scene.submit())
            await pause(1)
        assert scene.supervisor.live_of(LOCAL_OWNER) == runs
        await scene.supervisor.cancel(runs[1].id, LOCAL_OWNER)
        await scene.end_of(runs[1])
        assert scene.supervisor.live_of(LOCAL_OWNER) == [runs[0], runs[2]]


# ── delete ──────────────────────────────────────────────────────────────────────────────────────


@virtual
async def test_a_deleted_run_is_stopped_and_gone() -> None:
    async with Scene(silent(["par"]), commit_delay=lambda: 0.01) as scene:
        run = await scene.submit()
        await pause(1)
        await asyncio.gather(*(scene.supervisor.delete(run.id, LOCAL_OWNER) for _ in range(3)))
        assert scene.storage.medium.runs == {}
        assert scene.storage.medium.logs == {}
        assert scene.provider.open == 0
        await pause(10)
        assert scene.storage.medium.runs == {}


@virtual
async def test_a_run_that_is_deleted_while_it_arrives_leaves_nothing_behind() -> None:
    async with Scene() as scene:
        claim_late(scene)
        caller = asyncio.create_task(scene.submit())
        await pause(1.5)
        (name,) = scene.storage.medium.runs
        await scene.supervisor.delete(name, LOCAL_OWNER)
        await caller
        await pause(60)
        assert scene.storage.medium.runs == {}
        assert scene.storage.medium.logs == {}


@virtual
async def test_who_waits_for_a_run_to_be_over_finds_its_end_stored() -> None:
    async with Scene(TEN_SECONDS, commit_delay=lambda: 0.5) as scene:
        run = await scene.submit()
        await scene.supervisor.over(run.id)
        stored = await scene.storage.runs.get(run.id)
        assert stored is not None
        assert stored.state is RunState.COMPLETED
        # it lives no more, and neither does one that never was
        await scene.supervisor.over(run.id)
        await scene.supervisor.over("run_none")


@virtual
async def test_a_run_that_can_not_be_ended_is_not_deleted() -> None:
    async with Scene(silent()) as scene:
        run = await scene.submit()
        await turns()

        def refused(*_: Any, **__: Any) -> Any:
            raise StorageFull

        log: Any = scene.storage.log
        append, log.append = log.append, refused
        began = scene.clock.monotonic()
        with pytest.raises(UnavailableError):
            await scene.supervisor.delete(run.id, LOCAL_OWNER)
        assert scene.clock.monotonic() - began == DELETE_WAIT_S
        log.append = append
        await scene.end_of(run)
        assert scene.final(run).type == "cancelled"


# ── drain ───────────────────────────────────────────────────────────────────────────────────────


@virtual
async def test_a_drain_ends_what_runs_and_what_waits_and_takes_no_more() -> None:
    async with Scene(silent(["par"]), slots=1) as scene:
        runs = [await scene.submit(), await scene.submit()]
        await turns()
        assert await scene.supervisor.drain(5.0)
        for run in runs:
            assert scene.error(run).code == "DRAINING"
            assert scene.row(run).state is RunState.FAILED
        assert scene.error(runs[0]).partial_bytes == 3
        assert scene.supervisor.live == 0
        with pytest.raises(UnavailableError) as refused:
            await scene.submit()
        assert refused.value.code is ErrorCode.DRAINING


@virtual
async def test_a_run_that_arrives_while_the_drain_begins_gets_its_end() -> None:
    async with Scene(silent(), commit_delay=lambda: 1.0) as scene:
        caller = asyncio.create_task(scene.submit())
        await turns()
        assert await scene.supervisor.drain(30.0)
        assert scene.error(await caller).code == "DRAINING"


@virtual
async def test_an_arrival_that_fails_does_not_hold_up_a_drain() -> None:
    async with Scene(commit_delay=lambda: 60.0) as scene:
        caller = asyncio.create_task(scene.submit())
        await turns()
        draining = asyncio.create_task(scene.supervisor.drain(30.0))
        await turns()
        scene.storage.lose_group()
        with pytest.raises(StorageFullError):
            await caller
        assert await draining


@virtual
async def test_the_first_reason_to_stop_is_the_run_s() -> None:
    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        try:
            yield []
            await pause(100)
        finally:
            await pause(0.3)

    async with Scene(play) as scene:
        run = await scene.submit(total_s=1.1)
        await pause(1.0)
        await scene.supervisor.cancel(run.id, LOCAL_OWNER)
        assert await scene.supervisor.drain(5.0)
        assert scene.final(run) == ev.Cancelled("user", 0)


@virtual
async def test_a_run_whose_task_never_began_gives_its_slot_back() -> None:
    async with Scene(slots=1) as scene:
        tasks: Any = scene.tasks
        spawn = tasks.spawn

        def cancelling(work: Any, name: str) -> Any:
            task = spawn(work, name)
            if name.startswith("run "):
                task.cancel()
            return task

        tasks.spawn = cancelling
        await scene.submit()
        await turns()
        assert scene.supervisor.live == 0
        tasks.spawn = spawn
        run = await scene.submit()
        await scene.end_of(run)
        assert "queued" not in str(scene.records(run))


@virtual
async def test_a_drain_is_over_at_its_limit() -> None:
    async with Scene(silent(), commit_delay=lambda: 60.0) as scene:
        caller = asyncio.create_task(scene.submit())
        await turns()
        began = scene.clock.monotonic()
        assert not await scene.supervisor.drain(5.0)
        assert scene.clock.monotonic() - began == 5.0
        assert not await scene.supervisor.drain(0.0)
        await caller


@virtual
async def test_readers_that_go_because_of_the_drain_cancel_nothing() -> None:
    async with Scene(silent(), commit_delay=lambda: 0.1) as scene:
        run = await scene.submit(on_disconnect="cancel")
        scene.supervisor.reader_joined(run.id)
        draining = asyncio.create_task(scene.supervisor.drain(5.0))
        await turns()
        scene.supervisor.reader_left(run.id)
        await draining
        assert scene.error(run).code == "DRAINING"
        assert scene.row(run).cancel_requested_by is None


# ── tasks ───────────────────────────────────────────────────────────────────────────────────────


@virtual
async def test_tasks_are_held_and_ended() -> None:
    tasks = Tasks()
    ended: list[str] = []

    async def wait_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("one")
            tasks.spawn(later(), "later")

    async def later() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("two")

    tasks.spawn(wait_for_ever(), "forever")
    await turns()
    assert len(tasks) == 1
    assert await tasks.close()
    assert (len(tasks), ended) == (0, ["one", "two"])


@virtual
async def test_a_task_that_will_not_end_does_not_keep_a_shutdown() -> None:
    tasks, gate = Tasks(), asyncio.Event()

    async def stubborn() -> None:
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue

    tasks.spawn(stubborn(), "stubborn run_1")
    await turns()
    with structlog.testing.capture_logs() as lines:
        assert not await tasks.close()
    assert [(line["event"], line["task"]) for line in lines] == [("task left behind", "stubborn")]
    gate.set()
    await turns()
    assert len(tasks) == 0


@virtual
async def test_a_task_that_fails_is_told_of_without_its_message() -> None:
    tasks = Tasks()

    async def fail() -> None:
        raise LookupError("canary-7c2f")

    with structlog.testing.capture_logs() as lines:
        tasks.spawn(fail(), "fail run_1")
        await turns()
    assert [(line["event"], line["task"], line["error"]) for line in lines] == [("task failed", "fail", "LookupError")]
    assert "canary" not in str(lines)


@virtual
async def test_a_shutdown_that_has_no_time_left_still_writes_the_ends() -> None:
    async with Scene(silent(["par"])) as scene:
        run = await scene.submit()
        await turns()
        assert await scene.tasks.close()
        assert (scene.error(run).code, scene.error(run).partial_bytes) == ("INTERRUPTED", 3)
        assert scene.provider.open == 0
