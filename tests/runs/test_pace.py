"""Turns: who begins or has ended gives way to what streams, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator

import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.domain.run import LOCAL_OWNER, Run, RunState
from headwater.errors import ErrorCode, UnavailableError
from headwater.providers.contract import Finish, Item
from headwater.runs.pace import STEP_S, Pace
from tests.kit.virtual import VirtualClock, VirtualLoop
from tests.runs.scene import Scene, key, pause, request, turns, virtual, words


def virtual_loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


class Line:
    """Who stands at a `Pace`, and when each was let go, in steps from now."""

    def __init__(self) -> None:
        self.loop = virtual_loop()
        self.pace = Pace(VirtualClock(self.loop))
        self.began = self.loop.time()
        self.gone: list[tuple[str, float]] = []

    def stand(self, name: str) -> asyncio.Task[None]:
        async def wait() -> None:
            await self.pace.turn()
            self.gone.append((name, round((self.loop.time() - self.began) / STEP_S, 3)))

        return asyncio.create_task(wait())


@virtual
async def test_who_comes_alone_goes_at_once() -> None:
    line = Line()
    for name in "abc":
        began = line.loop.time()
        await line.stand(name)
        assert line.loop.time() == began
        await pause(1.0)


@virtual
async def test_those_who_come_together_go_one_after_another_in_order() -> None:
    line = Line()
    await asyncio.gather(*map(line.stand, "abcd"))
    assert line.gone == [("a", 0), ("b", 1), ("c", 2), ("d", 3)]
    assert line.pace.waiting == 0


@virtual
async def test_a_busy_loop_has_as_long_again_before_the_next() -> None:
    line = Line()
    # something else keeps the loop busy for 7 steps when the first pause should have ended
    line.loop.call_later(STEP_S / 2, line.loop.advance, 7 * STEP_S)
    await asyncio.gather(*map(line.stand, "abc"))
    # the pause ended 6.5 late, and 6.5 more were left to the others
    assert line.gone == [("a", 0), ("b", 14), ("c", 15)]


@virtual
async def test_a_loop_that_is_always_busy_lets_one_go_after_another_all_the_same() -> None:
    line = Line()

    def busy() -> None:
        line.loop.advance(5 * STEP_S)
        line.loop.call_soon(busy)

    busy()
    await asyncio.gather(*map(line.stand, "abcdef"))
    assert [name for name, _ in line.gone] == list("abcdef")
    gaps = [after - before for (_, before), (_, after) in itertools.pairwise(line.gone)]
    assert max(gaps) <= 30  # six turns of that loop: the pause's end comes two late, and as long again is waited


@virtual
async def test_who_has_gone_away_takes_nobody_s_turn() -> None:
    line = Line()
    tasks = [line.stand(name) for name in "abcd"]
    await turns()
    tasks[1].cancel()
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert line.gone == [("a", 0), ("d", 1)]


@virtual
async def test_at_the_end_nobody_waits() -> None:
    line = Line()
    tasks = [line.stand(name) for name in "abcd"]
    await turns()
    line.pace.open()
    tasks.append(line.stand("late"))
    await asyncio.gather(*tasks)
    assert line.gone == [("a", 0), ("b", 0), ("c", 0), ("d", 0), ("late", 0)]


# ── in the supervisor ───────────────────────────────────────────────────────────────────────────


@virtual
async def test_models_of_runs_that_are_asked_for_together_are_called_one_after_another() -> None:
    called: list[float] = []
    loop = virtual_loop()

    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        called.append(loop.time())
        yield [ev.Chunk("x", 0)]
        yield [Finish("stop")]

    async with Scene(play) as scene:
        began = loop.time()
        runs = await asyncio.gather(*(scene.submit() for _ in range(10)))
        for run in runs:
            await scene.end_of(run)
        assert [round((at - began) / STEP_S) for at in called] == list(range(10))
        # what waits counts from when it was asked for
        assert [scene.row(run).created_at_ms for run in runs] == [scene.row(runs[0]).created_at_ms] * 10


@virtual
async def test_runs_that_wait_for_their_turn_count_against_the_queue_and_are_found_by_their_key() -> None:
    async with Scene(words("x", every_s=1.0), slots=4, waiting_max=0) as scene:
        asked = [asyncio.create_task(scene.submit(key=key(str(number)))) for number in (1, 2, 3, 3, 4, 5)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        runs = [each for each in answers if isinstance(each, Run)]
        assert len(runs) == 5  # the fourth is the third's
        assert runs[2].id == runs[3].id
        assert [type(each).__name__ for each in answers if not isinstance(each, Run)] == ["QueueFullError"]


@virtual
async def test_a_server_that_stops_refuses_those_who_wait_and_stores_nothing_of_them() -> None:
    async with Scene(words("x", every_s=60.0)) as scene:
        asked = [asyncio.create_task(scene.supervisor.submit(request(), LOCAL_OWNER)) for _ in range(5)]
        await turns()
        assert await scene.supervisor.drain(1.0)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [each for each in answers if isinstance(each, UnavailableError)]
        assert len(refused) == 4
        assert all(each.retry_after_s for each in refused)
        assert len(scene.provider.calls) == 1


@virtual
async def test_an_end_is_durable_at_once_and_only_its_row_waits() -> None:
    gate = asyncio.Event()

    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        await gate.wait()
        yield [ev.Chunk("x", 0)]
        yield [Finish("stop")]

    async with Scene(play) as scene:
        runs = [await scene.submit() for _ in range(6)]
        await pause(0.1)
        gate.set()
        await turns()
        assert [scene.final(run).type for run in runs] == ["complete"] * 6
        assert sum(scene.row(run).state is RunState.COMPLETED for run in runs) == 1
        # whoever asks for a run meanwhile hears of its end, as the log has it
        assert [scene.supervisor.metrics(run.id) is None for run in runs[1:]] == [False] * 5
        await pause(10 * STEP_S)
        assert [scene.row(run).state for run in runs] == [RunState.COMPLETED] * 6


@virtual
async def test_a_drain_leaves_no_row_waiting() -> None:
    async with Scene(words("x", every_s=60.0)) as scene:
        runs = [await scene.submit() for _ in range(6)]
        await pause(0.1)
        began = scene.clock.monotonic()
        assert await scene.supervisor.drain(1.0)
        assert scene.clock.monotonic() - began < 2 * STEP_S
        assert {scene.error(run).code for run in runs} == {ErrorCode.DRAINING}
        assert {scene.row(run).state for run in runs} == {RunState.FAILED}


def test_no_pause_is_shorter_than_the_loop_can_tell() -> None:
    assert pytest.approx(0.001) == STEP_S
