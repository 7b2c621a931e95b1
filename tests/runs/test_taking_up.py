"""Runs that go on after a crash (T11): what their log says, how often their model is called, and when they end."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator

import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Usage
from headwater.domain.run import LOCAL_OWNER, RunState
from headwater.domain.snapshot import fold
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Item
from headwater.runs.recovery import Recovered
from headwater.runs.takeover import TAKEOVERS_MAX
from headwater.storage.memory_medium import MemoryMedium
from tests.runs.scene import Scene, pause, silent, turns, virtual, words

SAID = words(*"abcdef", every_s=1.0, usage=Usage(1, 0, 6))


async def crashed(medium: MemoryMedium | None = None, *, after_s: float = 2.5, cancel: bool = False) -> MemoryMedium:
    """A run that asked for a rerun and was cut after `after_s`; on a `medium`, the one that is there is cut again."""
    async with Scene(SAID, medium=medium) as scene:
        if medium is None:
            await scene.submit(on_crash="rerun")
        else:
            scene.supervisor.take_up((await scene.supervisor.recover()).taken_up)
        await pause(after_s)
        medium = scene.storage.medium
        if cancel:
            for name in medium.runs:
                await scene.storage.runs.request_cancel(name, "user")
        scene.storage.crash()
    return medium


async def taken_up(scene: Scene) -> Recovered:
    recovered = await scene.supervisor.recover()
    scene.supervisor.take_up(recovered.taken_up)
    return recovered


@virtual
async def test_a_rerun_is_a_new_attempt_that_supersedes() -> None:
    medium = await crashed()
    (name,) = medium.runs
    before = list(medium.logs[name].records)
    async with Scene(SAID, medium=medium) as scene:
        recovered = await taken_up(scene)
        assert recovered == Recovered(taken_up=recovered.taken_up)
        assert scene.listener.recovered == [(0, 0, 1)]
        records = await scene.end_of(name)
        assert medium.logs[name].records[: len(before)] == before, "what was seen stays"
        new = [record.event for record in records[len(before) :]]
        first_chunk = next(r.seq for r in records if isinstance(r.event, ev.Chunk))
        assert new[:4] == [
            ev.Status("connecting"),
            ev.UsageReport(Usage(1, 0, 1, source="estimated")),
            ev.Attempt(1, 2, "INTERRUPTED", "scripted", "upstream-m", first_chunk),
            ev.Status("streaming"),
        ]
        complete = scene.final(name)
        assert isinstance(complete, ev.Complete)
        assert complete.final_response == "abcdef"
        # both attempts were paid for
        assert complete.usage == Usage(2, 0, 7, source="estimated")
        row = scene.row(name)
        assert (row.state, row.epoch, len(scene.provider.calls)) == (RunState.COMPLETED, 2, 1)
        assert row.snapshot == fold(records)
        metrics = row.metrics
        assert metrics is not None
        # two pieces before the crash, six after it
        assert (metrics.chunks, metrics.first_token_ms) == (8, records[first_chunk - 1].t)
        assert (metrics.queued_ms, metrics.tokens_per_s) == (None, None), "the time between was nobody's"
        assert [record.t for record in records] == sorted(record.t for record in records)


@virtual
async def test_without_output_there_is_nothing_to_supersede() -> None:
    medium = await crashed(after_s=0.5)
    (name,) = medium.runs
    async with Scene(SAID, medium=medium) as scene:
        await taken_up(scene)
        (attempt,) = [r.event for r in await scene.end_of(name) if isinstance(r.event, ev.Attempt)]
        assert attempt.supersedes_from is None


@virtual
async def test_the_second_crash_supersedes_what_came_after_the_first() -> None:
    medium = await crashed(await crashed())
    (name,) = medium.runs
    async with Scene(SAID, medium=medium) as scene:
        await taken_up(scene)
        records = await scene.end_of(name)
        one, two = [r for r in records if isinstance(r.event, ev.Attempt)]
        assert isinstance(one.event, ev.Attempt)
        assert isinstance(two.event, ev.Attempt)
        assert (one.event.number, two.event.number) == (2, 3)
        assert (two.event.supersedes_from or 0) > one.seq
        assert fold(records).text == "abcdef"


@virtual
async def test_a_run_that_brings_the_server_down_is_not_taken_up_for_ever() -> None:
    medium = await crashed()
    (name,) = medium.runs
    for _ in range(TAKEOVERS_MAX):
        # at once: not even the new attempt was written down
        medium = await crashed(medium, after_s=0.0)
    async with Scene(SAID, medium=medium) as scene:
        assert await taken_up(scene) == Recovered(interrupted=1)
        assert scene.error(name).code == "INTERRUPTED"
        assert scene.provider.calls == []


@virtual
async def test_a_pause_that_the_provider_wanted_is_kept_over_the_crash() -> None:
    called: list[GenerationRequest] = []

    def busy(request: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        called.append(request)
        raise ProviderError(ErrorCode.RATE_LIMIT, retry_after_ms=20_000)

    async with Scene(busy) as scene:
        name = (await scene.submit(on_crash="rerun")).id
        await pause(4.0)
        medium = scene.storage.medium
        scene.storage.crash()
    assert len(called) == 1
    async with Scene(busy, medium=medium) as scene:
        await taken_up(scene)
        await pause(3.0)
        scene.storage.crash()
    assert len(called) == 1, "it was killed in the wait once more"
    async with Scene(SAID, medium=medium) as scene:
        scene.clock.jump(5.0)  # while nobody served
        await taken_up(scene)
        records = await scene.end_of(name)
        waits = [r.event.wait_ms for r in records if isinstance(r.event, ev.Status) and r.event.state == "retrying"]
        asked, *left = [wait for wait in waits if wait is not None]
        assert 20_000 <= asked < 20_500
        assert left == [pytest.approx(asked - 4_000, abs=20), pytest.approx(asked - 12_000, abs=20)]
        (attempt,) = [r for r in records if isinstance(r.event, ev.Attempt)]
        assert attempt.t >= 20_000
        assert isinstance(scene.final(name), ev.Complete)


@virtual
async def test_a_cancel_that_was_asked_for_is_honoured_and_never_rerun() -> None:
    medium = await crashed(cancel=True)
    (name,) = medium.runs
    async with Scene(SAID, medium=medium) as scene:
        assert await taken_up(scene) == Recovered(cancelled=1)
        assert scene.final(name) == ev.Cancelled("user", 2)
        assert scene.provider.calls == []


@virtual
async def test_a_run_that_was_taken_up_can_be_cancelled() -> None:
    medium = await crashed()
    (name,) = medium.runs
    async with Scene(silent(["x"]), medium=medium) as scene:
        await taken_up(scene)
        await turns()
        await scene.supervisor.cancel(name, LOCAL_OWNER)
        await scene.end_of(name)
        assert scene.final(name) == ev.Cancelled("user", 1)


@virtual
async def test_its_time_counts_from_its_creation() -> None:
    async with Scene(silent(["ab"])) as scene:
        late, later = [(await scene.submit(on_crash="rerun", total_s=limit)).id for limit in (5.0, 60.0)]
        await pause(2.0)
        medium = scene.storage.medium
        scene.storage.crash()
    async with Scene(silent(["c"]), medium=medium) as scene:
        scene.clock.jump(28)  # while nobody served
        recovered = await taken_up(scene)
        assert recovered == Recovered(expired=1, taken_up=recovered.taken_up)
        error = scene.error(late)
        assert (error.code, error.phase, error.partial_bytes) == ("TIMEOUT", "total", 2)
        began = scene.clock.monotonic()
        await scene.end_of(later)
        assert (scene.error(later).code, scene.error(later).phase) == ("TIMEOUT", "total")
        assert scene.clock.monotonic() - began < 31


@virtual
async def test_a_run_that_waited_waits_again() -> None:
    async with Scene(silent(), slots=1) as scene:
        await scene.submit(on_crash="rerun")
        waiting = (await scene.submit(on_crash="rerun", queue_s=5.0)).id
        await pause(4.0)
        medium = scene.storage.medium
        scene.storage.crash()
    async with Scene(words("Hello", every_s=3.0), medium=medium, slots=1) as scene:
        assert len((await taken_up(scene)).taken_up) == 2
        records = await scene.end_of(waiting)
        assert scene.row(waiting).state is RunState.COMPLETED
        assert [r.event.type for r in records].count("call") == 1
        assert not any(isinstance(r.event, ev.Attempt) for r in records)
        assert len(scene.provider.calls) == 2


@virtual
async def test_who_did_not_ask_for_it_ends_beside_those_who_did() -> None:
    async with Scene(SAID) as scene:
        plain, again = (await scene.submit()).id, (await scene.submit(on_crash="rerun")).id
        await pause(1.5)
        medium = scene.storage.medium
        scene.storage.crash()
    async with Scene(SAID, medium=medium) as scene:
        recovered = await taken_up(scene)
        assert (recovered.interrupted, [each.run.id for each in recovered.taken_up]) == (1, [again])
        await scene.end_of(again)
        assert scene.error(plain).code == "INTERRUPTED"
        assert scene.row(again).state is RunState.COMPLETED


@virtual
async def test_a_model_that_is_gone_is_not_called() -> None:
    async with Scene(SAID) as scene:
        name = (await scene.submit(on_crash="rerun", model="gone")).id
        await pause(1.5)
        medium = scene.storage.medium
        scene.storage.crash()
    async with Scene(SAID, medium=medium) as scene:
        scene.models.unknown.add("gone")
        assert await taken_up(scene) == Recovered(interrupted=1)
        assert scene.error(name).code == "INTERRUPTED"


@virtual
async def test_what_was_taken_up_ends_with_the_server_too() -> None:
    medium = await crashed()
    (name,) = medium.runs
    async with Scene(silent(["x"]), medium=medium) as scene:
        await taken_up(scene)
        await turns()
        assert await scene.supervisor.drain(5.0)
        assert scene.error(name).code == "DRAINING"


@pytest.mark.parametrize("seed", range(30))
@virtual
async def test_however_often_it_is_cut_it_ends_once_and_whole(seed: int) -> None:
    """Kills at moments that the seed chooses; what any reader had seen stays as it was."""
    chance = random.Random(seed)
    medium = MemoryMedium()
    seen: dict[str, list[bytes]] = {}
    for life in range(TAKEOVERS_MAX + 1):
        async with Scene(
            words(*"abcd", every_s=0.01), medium=medium, commit_delay=lambda: chance.choice([0.001, 0.02])
        ) as scene:
            await taken_up(scene)
            if life == 0:
                for _ in range(5):
                    await scene.submit(on_crash="rerun")
            await pause(chance.uniform(0, 0.12))
            scene.storage.crash()
        for name, log in medium.logs.items():
            assert log.records[: len(seen.get(name, []))] == seen.get(name, [])
            seen[name] = list(log.records)
    async with Scene(words(*"abcd"), medium=medium) as scene:
        recovered = await taken_up(scene)
        assert recovered.failed == recovered.corrupt == 0
        for taken in recovered.taken_up:
            await scene.end_of(taken.run)
        for name, row in medium.runs.items():
            final, snapshot = scene.final(name), fold(scene.records(name))
            assert final.type == "complete" or (final.type == "error" and row.epoch > 1 + TAKEOVERS_MAX)
            assert snapshot.text == "abcd" or (final.type == "error" and "abcd".startswith(snapshot.text))
            numbers = [r.event.number for r in scene.records(name) if isinstance(r.event, ev.Attempt)]
            assert numbers == list(range(2, 2 + len(numbers)))
