"""Cancelling, leaving, racing: what reaches the model's server when people change their minds. Faults 39 and 40."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio

from tests.acceptance.scene import (
    SCRIPTED,
    Scene,
    by_prompt,
    figure,
    received_for,
    side_by_side,
    until,
    with_upstream,
)
from tests.kit.client import call, start_run
from tests.kit.history import Submitted
from tests.kit.proxy import By, Fault, FaultProxy
from tests.kit.script import Pause, Send, Stall, chat_chunk, chat_stream
from tests.kit.upstream import ScriptedUpstream

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

#: When the last reader goes.
Policy = Literal["continue", "cancel"] | dict[str, float]


class Stage:
    """A product with an upstream that begins every answer, and goes on with it once its gate is open."""

    def __init__(self, scene: Scene, upstream: ScriptedUpstream, gate: asyncio.Event) -> None:
        self.scene = scene
        self.upstream = upstream
        self.gate = gate

    async def half_read(self, prompt: str, by: By = "close", **request: Any) -> str:
        """A run whose one reader has gone after the first words, as `by` says; returns when the server knows."""
        scene = self.scene
        run = await scene.start(prompt, model=SCRIPTED, answer="Hello world", **request)
        async with FaultProxy(scene.port) as proxy:
            reader = scene.reader(run)
            reading = asyncio.create_task(reader.read(proxy.port))

            async def has_text() -> bool:
                return any(b"Hello" in payload for payload in reader.payloads)

            await until(has_text, "the first words")
            assert await figure(scene.port, "headwater_readers") == 1
            reading.cancel()
            await asyncio.wait([reading])
        await until(self.nobody_reads, "the reader's leaving")
        return run

    async def nobody_reads(self) -> bool:
        return await figure(self.scene.port, "headwater_readers") == 0


@pytest_asyncio.fixture
async def stage(data_dir: Path) -> AsyncIterator[Stage]:
    gate = asyncio.Event()
    script = [Send(chat_chunk("Hello")), Pause(gate), *chat_stream([" world"])]
    async with ScriptedUpstream(script) as upstream, with_upstream(data_dir, upstream) as product:
        yield Stage(Scene(product), upstream, gate)


async def test_a_cancel_closes_the_upstream(stage: Stage) -> None:
    scene = stage.scene
    run = await scene.start("Stop me", model=SCRIPTED)
    reader = scene.reader(run)
    reading = asyncio.create_task(reader.read_on(scene.port))
    received = await stage.upstream.request(1)

    async def has_text() -> bool:
        return any(b"Hello" in payload for payload in reader.payloads)

    await until(has_text, "the first words")
    assert not received.closed.is_set()
    asked = time.perf_counter()
    assert await scene.cancel(run) == 202
    answered = time.perf_counter()
    await received.closed.wait()
    closed = time.perf_counter()
    await reading
    seen = time.perf_counter()
    print(
        f"cancel answered after {1000 * (answered - asked):.1f} ms, upstream closed {1000 * (closed - asked):.1f} ms,"
        f" seen by a reader {1000 * (seen - asked):.1f} ms"
    )
    final = await scene.end(run)
    assert (final.type, final.data["by"], final.data["partial_bytes"]) == ("cancelled", "user", 5)
    assert not received.played.is_set()
    assert await scene.cancel(run) == 200
    scene.note_upstream("Stop me", "Hello", whole=False)
    await scene.judge()


async def test_who_leaves_does_not_stop_the_run(stage: Stage) -> None:
    run = await stage.half_read("Continue")
    assert not stage.upstream.requests[0].closed.is_set()
    stage.gate.set()
    final = await stage.scene.end(run)
    assert (final.type, final.data["final_response"]) == ("complete", "Hello world")
    stage.scene.note_upstream("Continue", "Hello world", whole=True)
    await stage.scene.judge()


@pytest.mark.parametrize("policy", ["cancel", {"cancel_after_s": 0.2}])
async def test_who_leaves_stops_the_run_where_it_asks_for_that(stage: Stage, policy: Policy) -> None:
    run = await stage.half_read("Leave", on_disconnect=policy)
    await stage.upstream.requests[0].closed.wait()
    # Reading it to its end is what `end` does: by then it has been cancelled.
    final = await stage.scene.end(run)
    assert (final.type, final.data["by"], final.data["partial_bytes"]) == ("cancelled", "disconnect", 5)
    stage.scene.note_upstream("Leave", "Hello", whole=False)
    await stage.scene.judge()


@pytest.mark.parametrize("by", ["reset", "half-close"])
async def test_every_way_to_leave_is_noticed(stage: Stage, by: By) -> None:
    """The client's side is reset, or its reading side closed for good."""
    scene = stage.scene
    run = await scene.start("Leave", model=SCRIPTED, on_disconnect="cancel")
    async with FaultProxy(scene.port, lambda _: Fault(cut_at=700, by=by)) as proxy:
        await scene.reader(run).read(proxy.port)
    await stage.upstream.requests[0].closed.wait()
    assert (await scene.end(run)).data["by"] == "disconnect"
    await scene.judge()


async def test_who_comes_back_in_time_keeps_the_run(stage: Stage) -> None:
    run = await stage.half_read("Back", on_disconnect={"cancel_after_s": 3600})
    reader = stage.scene.reader(run)
    reading = asyncio.create_task(reader.read_on(stage.scene.port))
    stage.gate.set()
    await reading
    assert (await stage.scene.end(run)).type == "complete"
    stage.scene.note_upstream("Back", "Hello world", whole=True)
    await stage.scene.judge()


async def test_another_reader_keeps_the_run(stage: Stage) -> None:
    scene = stage.scene
    run = await scene.start("Two", model=SCRIPTED, on_disconnect="cancel")
    stays, goes = scene.reader(run), scene.reader(run)
    readings = [asyncio.create_task(reader.read(scene.port)) for reader in (stays, goes)]

    async def both_read() -> bool:
        return await figure(scene.port, "headwater_readers") == 2

    async def one_reads() -> bool:
        return await figure(scene.port, "headwater_readers") == 1

    await until(both_read, "two readers")
    readings[1].cancel()
    await until(one_reads, "one reader")
    stage.gate.set()
    assert await readings[0] == "end"
    assert (await scene.end(run)).type == "complete"
    await scene.judge()


async def test_a_run_that_nobody_read_was_not_left(stage: Stage) -> None:
    run = await stage.scene.start("Unread", model=SCRIPTED, on_disconnect="cancel")
    await stage.upstream.request(1)
    stage.gate.set()

    async def has_ended() -> bool:
        return bool((await stage.scene.show(run))["ended_at"])

    await until(has_ended, "the end")
    assert (await stage.scene.show(run))["state"] == "completed"
    await stage.scene.judge()


async def test_fifty_starts_with_one_key_are_one_run(stage: Stage) -> None:
    """Fault 39."""
    scene, prompt, key = stage.scene, "Once", "one key"
    answers = await asyncio.gather(*(start_run(scene.port, prompt, key=key, model=SCRIPTED) for _ in range(50)))
    assert sorted(answer.status for answer in answers) == [200] * 49 + [201]
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 49
    for answer in answers:
        scene.note_start(prompt, answer, key=key)
    other = await start_run(scene.port, "Another", key=key, model=SCRIPTED)
    assert (other.status, other.json()["code"]) == (409, "CONFLICT")
    stage.gate.set()
    for run in scene.runs:
        assert (await scene.end(run)).type == "complete"
    again = await start_run(scene.port, prompt, key=key, model=SCRIPTED)
    assert (again.status, again.json()["id"]) == (200, *scene.runs)[:2]
    scene.history.note(Submitted(again.json()["id"], prompt, key))
    assert len(stage.upstream.requests) == 1
    scene.note_upstream(prompt, "Hello world", whole=True)
    await scene.judge()


async def test_cancels_race_with_the_end(data_dir: Path, seeded: random.Random) -> None:
    """Fault 40: 100 interleavings. The first ten can only be cancelled, the last ten only complete."""
    prompts = [f"race {number}" for number in range(100)]
    words = [f"w{number} " for number in range(6)]
    scripts = {prompt: chat_stream(words, delay_s=0.005) for prompt in prompts[10:]}
    scripts |= {prompt: [Send(chat_chunk(words[0])), Stall()] for prompt in prompts[:10]}
    ends: list[str] = []
    async with ScriptedUpstream(by_prompt(scripts)) as upstream, with_upstream(data_dir, upstream) as product:
        scene = Scene(product)

        async def race(number: int, prompt: str) -> None:
            run = await scene.start(prompt, model=SCRIPTED, answer="".join(words))
            reader = scene.reader(run)
            reading = asyncio.create_task(reader.read_on(scene.port))
            if number >= 90:
                await reading  # after the end: there is nothing to cancel
            elif number >= 10:
                seen = number % 10

                async def has_read() -> bool:
                    return len(reader.payloads) >= seen or reading.done()

                await until(has_read, f"{seen} records")
                await asyncio.sleep(seeded.random() * 0.006)  # paces: the cancel comes at any moment of the answer
            status = await scene.cancel(run)
            await reading
            final = await scene.end(run)
            assert final.type in ("complete", "cancelled"), final
            assert status == 202 or final.type == "complete"
            ends.append(final.type)
            received = await received_for(upstream, prompt) if final.type == "complete" else None
            assert received is None or received.played.is_set()

        await side_by_side((race(*each) for each in enumerate(prompts)), 8)
        print(f"{ends.count('complete')} complete, {ends.count('cancelled')} cancelled")
        assert ends.count("complete") >= 10
        assert ends.count("cancelled") >= 10
        # Whoever was not heard to the end was hung up on.
        for received in upstream.requests:
            if not received.played.is_set():
                await received.closed.wait()
        await scene.judge()


async def test_a_deleted_run_stops_its_upstream(data_dir: Path) -> None:
    async with (
        ScriptedUpstream([Send(chat_chunk("Hello")), Stall()]) as upstream,
        with_upstream(data_dir, upstream) as product,
    ):
        scene = Scene(product)
        answer = await start_run(scene.port, "Delete me", model=SCRIPTED)
        received = await upstream.request(1)
        path = f"/api/v1/runs/{answer.json()['id']}"
        assert (await call(scene.port, "DELETE", path)).status == 204
        await received.closed.wait()
        assert (await call(scene.port, "GET", path)).status == 404
