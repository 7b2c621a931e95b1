"""Faults 1 and 9: whatever happens to a client's connection, it ends up with the run's records, each once, in order."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.scene import Scene, figure, side_by_side, until
from tests.kit.client import Http
from tests.kit.product import Product
from tests.kit.proxy import By, Fault, FaultProxy

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

#: How many readers are there at once.
AT_ONCE = 16


def said(words: int, delay_ms: float = 0.0, **more: Any) -> dict[str, Any]:
    """What makes the simulated model say so many words at that pace."""
    scenario = {"words": words, "delay_ms": delay_ms, "format": "plain", **more}
    return {"settings": {"extra": {"simulated": scenario}}}


@pytest_asyncio.fixture
async def scene(data_dir: Path) -> AsyncIterator[Scene]:
    async with Product(data_dir) as product:
        yield Scene(product)


async def answer_bytes(scene: Scene, run: str) -> int:
    """The length of the run's whole event stream as HTTP carries it, by the proxy's count."""
    async with FaultProxy(scene.port) as proxy:
        assert await scene.reader(run).read(proxy.port) == "end"
        return proxy.bytes_to_clients


@pytest.mark.slow
@pytest.mark.parametrize("by", ["close", "reset", "half-close"])
async def test_a_cut_at_every_byte_is_resumed_exactly(scene: Scene, by: By) -> None:
    run = await scene.start(**said(6))
    payloads = await scene.payloads(run)
    size = await answer_bytes(scene, run)
    assert size > 1000

    async def cut_at(place: int) -> None:
        async with FaultProxy(scene.port, lambda number: Fault(place if number == 1 else None, by)) as proxy:
            reader = scene.reader(run, f"{by} {place}")
            # How far the last line end has to come is not for this test; `retry:` varies by a digit.
            assert await reader.read(proxy.port) == "cut" or place >= size - 5
            # What is left is read, or there is nothing left but to be told so.
            left = "none" if reader.ended else "end"
            assert await reader.read_on(proxy.port) == left
            assert reader.payloads == payloads

    await side_by_side((cut_at(place) for place in range(1, size)), AT_ONCE)
    await scene.judge()


async def test_a_cut_of_a_live_stream_is_resumed_exactly(scene: Scene, seeded: random.Random) -> None:
    """The same while the run goes on: the reader comes back into the middle of it."""

    async def follow(number: int) -> None:
        run = await scene.start(f"Live {number}", **said(20, 3))
        places = [seeded.randrange(1, 2500) for _ in range(12)]
        ways: list[By] = ["close", "reset", "half-close"]

        def plan(number: int) -> Fault:
            return Fault(places[number - 1], seeded.choice(ways)) if number <= len(places) else Fault()

        async with FaultProxy(scene.port, plan) as proxy:
            reader = scene.reader(run)
            await reader.read_on(proxy.port)
            assert reader.ended
            assert reader.payloads == await scene.payloads(run)

    await side_by_side((follow(number) for number in range(40)), 8)
    await scene.judge()


@pytest.mark.parametrize("pieces", [1, 7])
async def test_bytes_may_come_one_by_one(scene: Scene, pieces: int) -> None:
    run = await scene.start(**said(6))
    async with FaultProxy(scene.port, lambda _: Fault(pieces=pieces)) as proxy:
        reader = scene.reader(run)
        assert await reader.read(proxy.port) == "end"
    assert reader.payloads == await scene.payloads(run)
    await scene.judge()


async def test_a_slow_line_delivers_all(scene: Scene) -> None:
    run = await scene.start(**said(40, 2))
    async with FaultProxy(scene.port, lambda _: Fault(pieces=300, delay_s=0.01)) as proxy:
        reader = scene.reader(run)
        assert await reader.read(proxy.port) == "end"
    assert reader.payloads == await scene.payloads(run)
    await scene.judge()


async def test_a_stalled_line_is_left_and_costs_nothing(scene: Scene) -> None:
    """Nothing comes and nothing says so: the client gives up by itself, and the server forgets the reader."""
    run = await scene.start(**said(400, 10))
    async with FaultProxy(scene.port, lambda number: Fault(1500 if number == 1 else None, "stall")) as proxy:
        reader = scene.reader(run)
        reading = asyncio.create_task(reader.read(proxy.port))

        async def stalled() -> bool:
            return proxy.bytes_to_clients == 1500

        await until(stalled, "the stall")
        had = len(reader.payloads)
        reading.cancel()
        await asyncio.wait([reading])

        async def forgotten() -> bool:
            return await figure(scene.port, "headwater_readers") == 0

        await until(forgotten, "the reader to be forgotten")
        await reader.read_on(proxy.port)
    assert 0 < had < len(reader.payloads)
    assert reader.payloads == await scene.payloads(run)
    await scene.judge()


async def test_two_devices_with_random_cuts_see_the_same(scene: Scene, seeded: random.Random) -> None:
    """Fault 9."""
    run = await scene.start(**said(300, 2))

    def plan(number: int) -> Fault:
        by: By = seeded.choice(["close", "reset", "half-close"])
        return Fault(seeded.randrange(100, 6000), by, seeded.choice([None, 1, 13, 200]))

    async with FaultProxy(scene.port, plan) as first, FaultProxy(scene.port, plan) as second:
        phone, laptop = scene.reader(run, "phone"), scene.reader(run, "laptop")
        await asyncio.gather(phone.read_on(first.port), laptop.read_on(second.port))
    assert phone.ended
    assert phone.payloads == laptop.payloads == await scene.payloads(run)
    assert phone.connections > 3
    assert laptop.connections > 3
    await scene.judge()


async def test_a_start_that_was_cut_anywhere_is_repeated_under_its_key(scene: Scene) -> None:
    """The POST's own stream is cut at every 9th byte; its repeat with the key and the cursor makes no second run."""
    request = {"model": "simulated", "messages": [{"role": "user", "content": "Hi"}], **said(3)}
    body = json.dumps(request).encode()

    async def ask(port: int, key: str) -> str:
        http = Http(port)
        try:
            await http.send("POST", "/api/v1/runs", {"accept": "text/event-stream", "idempotency-key": key}, body)
            async for _ in http.body():
                pass
        except (OSError, EOFError, ValueError):
            return ""
        finally:
            http.close()
        return http.headers["x-run-id"]

    async def cut_at(place: int) -> None:
        async with FaultProxy(scene.port, lambda number: Fault(place if number == 1 else None)) as proxy:
            runs = {await ask(proxy.port, f"key {place}") for _ in range(3)} - {""}
            assert len(runs) == 1, (place, runs)

    before = await figure(scene.port, "headwater_runs_total")
    places = range(1, 1500, 9)
    await side_by_side(map(cut_at, places), AT_ONCE)

    async def ended() -> bool:
        return await figure(scene.port, "headwater_runs_total") >= before + len(places)

    await until(ended, "every run's end")
    assert await figure(scene.port, "headwater_runs_total") == before + len(places)
