"""Exactly one final record in every race (I3, fault 40): everything that can end a run, at once, on a virtual clock.

A seed gives the times of everything, the storage's delays too; the same seed gives the same history.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.domain.run import LOCAL_OWNER, STATE_BY_FINAL_TYPE, CancelAfter, Run, is_ended
from headwater.domain.snapshot import fold
from headwater.errors import ErrorCode, ProviderError, RefusedError
from headwater.providers.contract import Finish, Item
from tests.runs.scene import Scene, pause, virtual

SEEDS = range(250)
FAILURES = (ErrorCode.NETWORK, ErrorCode.OVERLOADED)
WORDS = 6
#: all that happens, happens within this time; many things at the same moment
SPAN_S = 0.06


def moment(chance: random.Random) -> float:
    return chance.randrange(13) * SPAN_S / 12


class Race:
    """One seed's history over a few runs."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.runs: list[Run] = []
        self.deleted: set[str] = set()
        self.ended_waiters = 0

    async def play(self, _: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        for number in range(WORDS):
            if self.chance.random() < 0.7:
                await pause(self.chance.choice([0.001, 0.005, 0.01]))
            yield [ev.Chunk(str(number), 0)]
        ending = self.chance.random()
        if ending < 0.2:
            raise ProviderError(self.chance.choice(FAILURES), provider="scripted")
        if ending < 0.9:
            yield [Finish("stop")]

    async def at(self, seconds: float, work: Coroutine[Any, Any, Any]) -> None:
        await pause(seconds)
        try:
            await work
        except RefusedError:
            pass

    async def one_run(self, scene: Scene) -> None:
        chance = self.chance
        await pause(moment(chance))
        try:
            run = await scene.submit(
                on_disconnect=chance.choice(["continue", "cancel", CancelAfter(0.005)]),
                total_s=chance.choice([300.0, 0.02, 0.04]),
                queue_s=chance.choice([60.0, 0.01]),
                idle_s=chance.choice([None, 0.008]),
                priority=chance.choice(["interactive", "normal", "batch"]),
            )
        except RefusedError:
            return
        self.runs.append(run)
        happenings: list[Callable[[], Coroutine[Any, Any, Any]]] = [
            lambda: scene.supervisor.cancel(run.id, LOCAL_OWNER),
            lambda: scene.supervisor.cancel(run.id, LOCAL_OWNER),
            lambda: self.read(scene, run),
            lambda: self.read(scene, run),
            lambda: self.delete(scene, run),
        ]
        chosen = chance.sample(happenings, chance.randrange(len(happenings)))
        await asyncio.gather(self.wait_for_end(scene, run), *(self.at(moment(chance), happen()) for happen in chosen))

    async def read(self, scene: Scene, run: Run) -> None:
        scene.supervisor.reader_joined(run.id)
        await pause(moment(self.chance))
        scene.supervisor.reader_left(run.id)

    async def delete(self, scene: Scene, run: Run) -> None:
        await scene.supervisor.delete(run.id, LOCAL_OWNER)
        self.deleted.add(run.id)

    async def wait_for_end(self, scene: Scene, run: Run) -> None:
        if (runner := scene.supervisor._runners.get(run.id)) is not None:
            await asyncio.gather(*(runner.ended.wait() for _ in range(3)))
        self.ended_waiters += 1


async def played(scene: Scene, race: Race) -> None:
    """Everything happens, and everybody is done."""
    chance = race.chance
    async with asyncio.TaskGroup() as everything:
        for _ in range(4):
            everything.create_task(race.one_run(scene))
        if chance.random() < 0.3:
            everything.create_task(race.at(moment(chance), scene.supervisor.drain(5.0)))
        if chance.random() < 0.3:
            everything.create_task(race.at(moment(chance), lose(scene, chance.choice([0.0, 0.02]))))
    await pause(2.0)


def scene_of(race: Race) -> Scene:
    delays = race.chance.choice([[0.0], [0.001, 0.004], [0.0, 0.03]])
    return Scene(race.play, commit_delay=lambda: race.chance.choice(delays), slots=2, waiting_max=2)


@pytest.mark.parametrize("seed", SEEDS)
@virtual
async def test_every_run_has_one_end_and_nothing_after_it(seed: int) -> None:
    race = Race(seed)
    async with scene_of(race) as scene:
        await played(scene, race)
        check(scene, race)
        before = {name: list(log.records) for name, log in scene.storage.medium.logs.items()}
        await pause(1000.0)
        assert {name: log.records for name, log in scene.storage.medium.logs.items()} == before
        assert len(scene.tasks) == 0


async def lose(scene: Scene, full_s: float) -> None:
    """The disk is full for a moment: what is on the way to it is lost."""
    scene.storage.lose_group()
    await pause(full_s)
    scene.storage.full = False


def check(scene: Scene, race: Race) -> None:
    assert race.ended_waiters == len(race.runs)
    assert scene.supervisor.live == scene.supervisor.waiting == 0
    assert scene.provider.open == 0
    assert set(scene.listener.ended) == set(scene.listener.started)
    assert set(scene.storage.medium.logs) == set(scene.storage.medium.runs)
    assert not race.deleted & set(scene.storage.medium.runs)
    for name, row in scene.storage.medium.runs.items():
        records = scene.records(name)
        final = scene.final(name)
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert is_ended(row.state)
        assert row.state is STATE_BY_FINAL_TYPE[final.type]
        assert row.snapshot == fold(records)
        assert row.metrics is not None
        text = row.snapshot.text
        assert "012345".startswith(text)
        match final:
            case ev.Complete():
                assert final.final_response == text == "012345"
            case ev.Cancelled():
                assert row.cancel_requested_by is not None
                assert final.partial_bytes == len(text)
            case ev.Error():
                assert final.partial_bytes == len(text)


def test_the_seeds_cover_every_kind_of_end() -> None:
    """A race that never happens proves nothing: each way to end comes first in some seed."""
    seen: set[str] = set()

    @virtual
    async def run(seed: int) -> None:
        race = Race(seed)
        async with scene_of(race) as scene:
            await played(scene, race)
            for name in scene.storage.medium.runs:
                final = scene.final(name)
                detail = getattr(final, "phase", None) or getattr(final, "code", None) or getattr(final, "by", "")
                seen.add(f"{final.type} {detail}")
            seen.update("deleted" for _ in race.deleted)

    for seed in SEEDS:
        run(seed)
    assert seen >= {
        "complete ",
        "cancelled user",
        "cancelled disconnect",
        "error queue",
        "error idle",
        "error total",
        "error TRUNCATED",
        "error NETWORK",
        "error DRAINING",
        "error STORAGE",
        "deleted",
    }
