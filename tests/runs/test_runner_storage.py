"""The end of a run whose storage is in trouble (faults 31 and 32)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.domain.run import LOCAL_OWNER, RunState
from headwater.errors import SeqConflict, StorageFull
from headwater.providers.contract import Finish, Item
from headwater.storage.contract import Haste
from tests.runs.scene import Scene, pause, turns, virtual, words


@virtual
async def test_what_was_not_durable_when_the_disk_filled_up_is_not_in_the_end() -> None:
    """Fault 31: the final record finds room in the reserve; the run can not be called complete."""
    async with Scene(words(*"abcd", every_s=1.0)) as scene:
        run = await scene.submit()
        await pause(2.5)
        scene.storage.full = True
        await scene.end_of(run)
        assert (scene.error(run).code, scene.error(run).partial_bytes) == ("STORAGE", 2)
        row = scene.row(run)
        assert row.snapshot is not None
        assert row.snapshot.text == "ab"


@virtual
async def test_records_lost_on_the_way_to_the_disk_are_not_called_complete() -> None:
    async with Scene(words("ab", "cd"), commit_delay=lambda: 1.0) as scene:
        run = await scene.submit()
        await turns(100)
        scene.storage.lose_group()
        scene.storage.full = False
        await scene.end_of(run)
        assert (scene.error(run).code, scene.error(run).partial_bytes) == ("STORAGE", 0)


@virtual
async def test_a_final_record_that_finds_no_room_waits_for_it() -> None:
    """Promise 3: within 2 s of space. Nothing else was lost, so the run is whole."""
    async with Scene(words("ab", every_s=5.0)) as scene:
        scene.storage.log.append = full_for_final(scene, until_s=61.3)  # type: ignore[method-assign]
        run = await scene.submit()
        records = await scene.end_of(run)
        assert records[-1].event.type == "complete"
        assert 61_300 <= records[-1].t <= 63_300


@virtual
async def test_a_stop_after_the_work_s_own_end_comes_too_late() -> None:
    async with Scene(words("ab")) as scene:
        scene.storage.log.append = full_for_final(scene, until_s=60.0)  # type: ignore[method-assign]
        run = await scene.submit()
        await pause(30.0)
        await scene.supervisor.cancel(run.id, LOCAL_OWNER)
        await scene.end_of(run)
        assert scene.final(run).type == "complete"
        assert scene.row(run).state is RunState.COMPLETED


def full_for_final(scene: Scene, until_s: float) -> Any:
    """An append for which the reserve is used up too, for a while."""
    append, until = scene.storage.log.append, scene.clock.monotonic() + until_s

    def refusing(
        run: str, after: int, payloads: Any, epoch: int, final: bool = False, haste: Haste = Haste.SOON
    ) -> Any:
        if final and scene.clock.monotonic() < until:
            raise StorageFull
        return append(run, after, payloads, epoch, final)

    return refusing


@virtual
async def test_a_log_that_never_agrees_is_left_to_the_next_start() -> None:
    tries = 0

    def disagreeing(*_: Any, **__: Any) -> Any:
        nonlocal tries
        tries += 1
        raise SeqConflict

    async with Scene() as scene:
        scene.storage.log.append = disagreeing  # type: ignore[method-assign]
        run = await scene.submit()
        while run.id not in scene.listener.ended:
            await pause(0.01)
        assert scene.listener.ended[run.id].state == "unknown"
        assert scene.records(run) == []
        assert tries < 20


@virtual
async def test_a_run_that_has_ended_frees_its_slot_before_its_row_can_be_written() -> None:
    async with Scene(slots=1) as scene:
        rows: Any = scene.storage.runs
        finish, is_full = rows.finish, True

        async def finish_when_there_is_space(*args: Any, **more: Any) -> None:
            if is_full:
                raise StorageFull
            await finish(*args, **more)

        rows.finish = finish_when_there_is_space
        first = await scene.submit()
        second = await scene.submit()
        await pause(60)
        assert [scene.final(run).type for run in (first, second)] == ["complete", "complete"]
        assert [scene.row(run).state for run in (first, second)] == [RunState.RUNNING, RunState.RUNNING]
        is_full = False
        await pause(1)
        assert [scene.row(run).state for run in (first, second)] == [RunState.COMPLETED, RunState.COMPLETED]
        assert scene.supervisor.live == 0
        # what is counted is how long the runs took, and not how long the disk was full
        assert [scene.listener.ended[run.id].duration_s < 1 for run in (first, second)] == [True, True]


@virtual
async def test_a_failed_storage_ends_the_work_and_the_next_start_ends_the_run() -> None:
    """Fault 32: nothing is acknowledged after the failure, and nobody is told of an end that is not on disk."""
    async with Scene(words(*"abcd", every_s=1.0)) as scene:
        run = await scene.submit()
        await pause(2.5)
        scene.storage.fail()
        while run.id not in scene.listener.ended:
            await pause(0.1)
        await turns()
        assert scene.listener.ended[run.id].state == "unknown"
        assert scene.supervisor.live == 0
        assert scene.provider.open == 0
        medium = scene.storage.medium
        scene.storage.crash()
    async with Scene(medium=medium) as scene:
        assert (await scene.supervisor.recover()).interrupted == 1
        assert (scene.error(run).code, scene.error(run).partial_bytes) == ("INTERRUPTED", 2)


@virtual
async def test_a_run_waits_for_the_disk_only_when_it_is_far_ahead_of_it() -> None:
    said = 0

    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        nonlocal said
        while said < 100:
            said += 1
            yield [ev.Chunk("x" * 40_000, 0)]
        yield [Finish("stop")]

    async with Scene(play, commit_delay=lambda: 1.0) as scene:
        run = await scene.submit()
        await pause(0.5)
        assert 20 <= said <= 40
        await scene.end_of(run)
        assert said == 100
