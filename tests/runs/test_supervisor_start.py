"""How runs begin: under one key, in the queue, with a caller that goes away (T7, I8, fault 39)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.domain.run import LOCAL_OWNER, Run, RunRequest, RunState
from headwater.errors import (
    BadRequestError,
    ConflictError,
    ErrorCode,
    QueueFullError,
    StorageFull,
    StorageFullError,
    UnavailableError,
)
from headwater.providers.contract import Finish, Item
from headwater.storage.contract import OwnDocuments
from headwater.workflows.chat import Chat
from tests.runs.scene import Scene, key, pause, request, silent, turns, virtual, words

# ── start (T7, I8, fault 39) ────────────────────────────────────────────────────────────────────


@virtual
async def test_fifty_starts_with_one_key_are_one_run_and_one_call() -> None:
    async with Scene(words("x", every_s=60.0), commit_delay=lambda: 0.01, slots=1, waiting_max=0) as scene:
        began = scene.clock.monotonic()
        answers = await asyncio.gather(
            *(scene.supervisor.submit(request(), LOCAL_OWNER, idempotency=key()) for _ in range(50))
        )
        assert scene.clock.monotonic() - began < 0.1  # not one after another
        assert len({run.id for run, _ in answers}) == 1
        assert [created for _, created in answers].count(True) == 1
        await scene.end_of(answers[0][0])
        assert len(scene.provider.calls) == 1
        assert scene.listener.started == [answers[0][0].id]


@virtual
async def test_a_repeat_is_answered_where_no_new_run_is_taken() -> None:
    async with Scene(silent(), slots=1, waiting_max=0) as scene:
        run = await scene.submit(key=key())
        with pytest.raises(QueueFullError):
            await scene.submit(key=key("other"))
        assert (await scene.submit(key=key())).id == run.id
        scene.storage.full = True
        assert (await scene.submit(key=key())).id == run.id
        scene.storage.full = False
        await scene.supervisor.drain(1.0)
        assert (await scene.submit(key=key())).id == run.id


@virtual
async def test_repeats_take_nobody_s_place() -> None:
    async with Scene(silent(), commit_delay=lambda: 1.0, slots=1, waiting_max=1) as scene:
        callers = [asyncio.create_task(scene.submit(key=key())) for _ in range(20)]
        await turns()
        other = await scene.submit(key=key("other"))
        runs = await asyncio.gather(*callers)
        assert len({run.id for run in runs}) == 1
        assert other.id != runs[0].id


class Looking(Chat):
    """Looks up what it has kept before each run, as one with documents does."""

    async def check_kept(self, request: RunRequest, kept: OwnDocuments) -> None:
        await pause(0.01)


@virtual
async def test_starts_with_one_key_that_wait_for_their_documents_together_are_one_run() -> None:
    async with Scene(workflows={"chat": Looking()}, commit_delay=lambda: 0.001) as scene:
        runs = await asyncio.gather(*(scene.submit(key=key()) for _ in range(5)))
        assert len({run.id for run in runs}) == 1
        await scene.end_of(runs[0])
        assert len(scene.provider.calls) == 1


class LookingLonger(Chat):
    """Looks up what it has kept, each time a second longer."""

    def __init__(self) -> None:
        self._pause_s = 0.0

    async def check_kept(self, request: RunRequest, kept: OwnDocuments) -> None:
        self._pause_s += 1.0
        await pause(self._pause_s)


@virtual
async def test_a_repeat_that_is_found_out_where_it_would_be_stored_gives_its_slot_back() -> None:
    async with Scene(silent(), workflows={"chat": LookingLonger()}, slots=3, waiting_max=0) as scene:
        first, second = await asyncio.gather(scene.submit(key=key()), scene.submit(key=key()))
        assert first.id == second.id
        more = [await scene.submit(), await scene.submit()]  # there is room for two beside it
        with pytest.raises(QueueFullError):
            await scene.submit()
        assert len({run.id for run in (first, *more)}) == scene.supervisor.live == 3


@virtual
async def test_the_same_key_with_another_body_is_a_conflict() -> None:
    async with Scene(silent(), commit_delay=lambda: 1.0) as scene:
        first = asyncio.create_task(scene.submit(key=key()))
        await turns()
        with pytest.raises(ConflictError):
            await scene.submit(key=key(digest=b"other"))
        run = await first
        with pytest.raises(ConflictError):
            await scene.submit(key=key(digest=b"other"))
        await scene.supervisor.delete(run.id, LOCAL_OWNER)
        with pytest.raises(ConflictError):
            await scene.submit(key=key())


@virtual
async def test_a_refusal_is_not_remembered_under_its_key() -> None:
    async with Scene(slots=1, waiting_max=0) as scene:
        scene.storage.full = True
        with pytest.raises(StorageFullError):
            await scene.submit(key=key())
        scene.storage.full = False
        await scene.end_of(await scene.submit(key=key()))


@virtual
async def test_a_key_whose_first_start_fails_starts_with_the_next() -> None:
    async with Scene(commit_delay=lambda: 1.0) as scene:
        callers = [asyncio.create_task(scene.submit(key=key())) for _ in range(5)]
        await turns()
        scene.storage.lose_group()
        scene.storage.full = False
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert isinstance(outcomes[0], StorageFullError)
        runs = [each for each in outcomes if isinstance(each, Run)]
        assert len(runs) == 4
        assert len({run.id for run in runs}) == 1
        await scene.end_of(runs[0])
        assert len(scene.provider.calls) == 1


@pytest.mark.parametrize("after_s", [0.0, 0.5, 1.5])
@virtual
async def test_a_caller_that_goes_away_in_the_middle_leaves_no_row_without_a_runner(after_s: float) -> None:
    async with Scene(commit_delay=lambda: 1.0) as scene:
        caller = asyncio.create_task(scene.submit())
        await pause(after_s)
        await turns()
        caller.cancel()
        await pause(60)
        assert caller.cancelled()
        (name,) = scene.storage.medium.runs
        assert scene.row(name).state is RunState.COMPLETED


@virtual
async def test_what_can_not_run_is_refused_before_anything_is_stored() -> None:
    async with Scene() as scene:
        refused: list[dict[str, Any]] = [{"workflow": "nothing"}, {"model": "none"}, {"input": {}}]
        for fields in refused:
            with pytest.raises(BadRequestError):
                await scene.submit(**fields)
        assert scene.storage.medium.runs == {}
        assert scene.supervisor.live == 0


@virtual
async def test_a_storage_in_trouble_refuses_and_leaves_nothing() -> None:
    async with Scene() as scene:

        async def no_space(*_: Any) -> Any:
            raise StorageFull

        log: Any = scene.storage.log
        claim, log.claim = log.claim, no_space
        with pytest.raises(StorageFullError):
            await scene.submit()
        assert scene.storage.medium.runs == {}
        log.claim = claim
        scene.storage.full = True
        with pytest.raises(StorageFullError):
            await scene.submit()
        scene.storage.fail()
        with pytest.raises(UnavailableError) as refused:
            await scene.submit()
        assert refused.value.code is ErrorCode.STORAGE
        assert scene.storage.medium.runs == {}
        assert scene.supervisor.live == 0


# ── the queue (bounded, a cap, a position, slots handed on) ─────────────────────────────────────


@virtual
async def test_the_model_is_asked_before_the_caller_goes_on() -> None:
    async with Scene(silent()) as scene:
        run = await scene.submit()
        assert len(scene.provider.calls) == 1
        scene.supervisor.draining = True
    assert scene.final(run.id).type == "error"


@virtual
async def test_no_more_than_the_slots_run_and_the_queue_is_bounded() -> None:
    running = most = 0

    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await pause(1.0)
        running -= 1
        yield [Finish("stop")]

    async with Scene(play, slots=2, waiting_max=3, commit_delay=lambda: 0.001) as scene:
        asked = await asyncio.gather(*(scene.submit() for _ in range(8)), return_exceptions=True)
        runs = [each for each in asked if isinstance(each, Run)]
        assert len(runs) == 5
        # Those that are being stored just now count, and the words tell of what was counted.
        refused = [str(each) for each in asked if isinstance(each, QueueFullError)]
        assert refused == ["5 runs are under way or waiting already."] * 3
        assert scene.supervisor.waiting == 3
        for run in runs:
            await scene.end_of(run)
        assert most == 2
        assert scene.supervisor.live == 0


@virtual
async def test_a_run_that_waits_says_where_it_stands_and_starts_by_priority() -> None:
    async with Scene(words("x", every_s=1.0), slots=1) as scene:
        first = await scene.submit()
        batch = await scene.submit(priority="batch", queue_s=3.5)  # it waits for 3 s, and runs for another
        normal = await scene.submit(priority="normal")
        urgent = await scene.submit(priority="interactive")
        await turns()
        positions = [scene.records(run)[0].event for run in (batch, normal, urgent)]
        assert positions == [ev.Status("queued", position=1)] * 3
        assert scene.row(batch).state is RunState.QUEUED
        assert scene.row(first).state is RunState.RUNNING
        await pause(1.5)
        assert scene.row(urgent).state is RunState.RUNNING
        for run in (first, batch, normal, urgent):
            await scene.end_of(run)
            assert scene.final(run).type == "complete"
        assert list(scene.listener.ended) == [first.id, urgent.id, normal.id, batch.id]
        metrics = scene.row(batch).metrics
        assert metrics is not None
        assert 3000 <= (metrics.queued_ms or 0) < 3100


@virtual
async def test_a_row_says_from_the_first_whether_its_run_waits() -> None:
    async with Scene(silent(), slots=1) as scene:
        started: list[str] = []
        start = scene.storage.runs.start

        async def counted(run: str) -> None:
            started.append(run)
            await start(run)

        scene.storage.runs.start = counted  # type: ignore[method-assign]
        first, second = await scene.submit(), await scene.submit()
        assert (first.state, second.state) == (RunState.RUNNING, RunState.QUEUED)
        assert [scene.row(run).state for run in (first, second)] == [RunState.RUNNING, RunState.QUEUED]
        await turns()
        await scene.supervisor.cancel(first.id, LOCAL_OWNER)
        await turns()
        assert scene.row(second).state is RunState.RUNNING
        assert started == [second.id]  # a run that never waited costs no change of its row


@virtual
async def test_the_slot_of_a_run_that_is_not_stored_goes_to_one_that_is_being_stored() -> None:
    async with Scene(silent(), slots=1, waiting_max=1) as scene:
        begin, failed = scene.storage.begin, False

        async def slow(*args: Any, **more: Any) -> Any:
            nonlocal failed
            if not failed:
                failed = True
                await pause(1.0)
                raise StorageFull
            await pause(2.0)
            return await begin(*args, **more)

        scene.storage.begin = slow  # type: ignore[method-assign]
        first, second = asyncio.create_task(scene.submit()), asyncio.create_task(scene.submit())
        await turns()
        assert scene.supervisor.waiting == 1
        with pytest.raises(StorageFullError):
            await first
        assert scene.supervisor.waiting == 0
        run = await second
        await turns()
        assert scene.row(run).state is RunState.RUNNING
        assert len(scene.provider.calls) == 1
        assert "queued" not in str(scene.records(run))
        with pytest.raises(QueueFullError):
            await asyncio.gather(scene.submit(), scene.submit())  # one more waits, and not two


async def _cancelled(scene: Scene, run: Run) -> None:
    await scene.supervisor.cancel(run.id, LOCAL_OWNER)


async def _deleted(scene: Scene, run: Run) -> None:
    await scene.supervisor.delete(run.id, LOCAL_OWNER)


async def _timed_out(scene: Scene, run: Run) -> None:
    await pause(5.0)


@pytest.mark.parametrize("ending", [_cancelled, _deleted, _timed_out])
@pytest.mark.parametrize("place", ["waits", "runs"])
@virtual
async def test_a_slot_is_handed_on_however_a_run_ends(ending: Any, place: str) -> None:
    async with Scene(silent(), slots=1) as scene:
        first = await scene.submit(total_s=5.0 if place == "runs" else 20.0)
        second = await scene.submit(queue_s=5.0 if place == "waits" else 60.0)
        third = await scene.submit()
        await turns()
        await ending(scene, first if place == "runs" else second)
        await turns()
        if ending is not _deleted:
            ended = scene.row(first if place == "runs" else second)
            assert ended.state in (RunState.CANCELLED, RunState.FAILED)
        if place == "runs":
            assert scene.row(second).state is RunState.RUNNING
            assert scene.row(third).state is RunState.QUEUED
            await scene.supervisor.cancel(second.id, LOCAL_OWNER)
        else:
            assert scene.row(first).state is RunState.RUNNING
            if ending is _timed_out:
                assert (scene.error(second).code, scene.error(second).phase) == ("TIMEOUT", "queue")
            await scene.supervisor.cancel(first.id, LOCAL_OWNER)
        await turns()
        assert scene.row(third).state is RunState.RUNNING
        assert len(scene.provider.calls) == (3 if place == "runs" else 2)


@virtual
async def test_a_slot_is_handed_on_when_a_start_fails() -> None:
    async with Scene(silent(), slots=1) as scene:
        first = await scene.submit()
        second = await scene.submit()

        def broken(name: str) -> Any:
            raise BadRequestError("gone from the catalog")

        scene.models.resolve = broken  # type: ignore[method-assign]
        await scene.supervisor.cancel(first.id, LOCAL_OWNER)
        await scene.end_of(second)
        assert scene.error(second).code == "BAD_REQUEST"
        assert scene.supervisor.live == 0
