"""The TypeScript client against the real server, over connections that break and a server that is killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.kit.client import call, start_run
from tests.kit.product import Product
from tests.kit.proxy import By, Fault, FaultProxy
from tests.web.node import CLIENT
from tools.pages import NODE

LIMIT_S = 60.0
LINE_BYTES_MAX = 16 * 1024 * 1024
REQUEST = {"model": "simulated", "messages": [{"role": "user", "content": "Hello"}]}


def said(words: int, delay_ms: float = 0.0) -> dict[str, Any]:
    """What makes the simulated model say so many words at that pace."""
    return {"settings": {"extra": {"simulated": {"words": words, "delay_ms": delay_ms}}}}


class Follower:
    """What one subscription gave its caller."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        #: where several runs share its connection
        self.by_run: dict[str, list[dict[str, Any]]] = {}
        self.statuses: list[str] = []
        self.run: str | None = None
        self.snapshot: dict[str, Any] | None = None
        self.asked_to_cancel = False
        self.cancelled: str | None = None

    @property
    def is_over(self) -> bool:
        """A cancel may be answered behind the record that it makes."""
        return self.snapshot is not None and (self.cancelled is not None or not self.asked_to_cancel)


class Driver:
    """A Node process with the client in it. Entered, it takes commands; each name is a subscription."""

    def __init__(self) -> None:
        self._followers: dict[str, Follower] = {}
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Driver:
        self._process = await asyncio.create_subprocess_exec(
            NODE,
            CLIENT / "test" / "driver.ts",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            env={"NO_COLOR": "1"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def tell(self, name: str, **command: Any) -> Follower:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"name": name, **command}).encode() + b"\n")
        follower = self._followers.setdefault(name, Follower())
        follower.asked_to_cancel |= command.get("cancel", False)
        return follower

    async def seen(self) -> AsyncIterator[Follower]:
        """After each line: whose it was. Ends when every subscription has ended; an error is the test's."""
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            while not all(follower.is_over for follower in self._followers.values()):
                line = await self._process.stdout.readline()
                assert line, "the driver ended"
                said = json.loads(line)
                assert "error" not in said, said
                follower = self._followers[said["name"]]
                if "of" in said:
                    follower.by_run.setdefault(said["of"], []).append(said["record"])
                elif "record" in said:
                    follower.records.append(said["record"])
                elif "status" in said:
                    follower.statuses.append(said["status"])
                elif "cancelled" in said:
                    follower.cancelled = said["cancelled"]
                else:
                    follower.run, follower.snapshot = said["run"], said["ended"]
                yield follower

    async def finish(self) -> None:
        async for _ in self.seen():
            pass


@pytest_asyncio.fixture
async def product(data_dir: Path) -> AsyncIterator[Product]:
    async with Product(data_dir) as product:
        yield product


async def stored(product: Product, run: str) -> list[dict[str, Any]]:
    """The run's records over another form than the client's."""
    answer = await call(product.port, "GET", f"/api/v1/runs/{run}/events", headers={"accept": "application/x-ndjson"})
    return [json.loads(line) for line in answer.body.splitlines()]


async def check(product: Product, follower: Follower) -> list[dict[str, Any]]:
    """Every record of the run once and in order, and the server's own fold of them. The records."""
    assert follower.run is not None
    records = await stored(product, follower.run)
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert follower.records == records
    shown = (await call(product.port, "GET", f"/api/v1/runs/{follower.run}")).json()
    assert follower.snapshot == shown["snapshot"]
    assert follower.statuses[-1] == "ended"
    return records


def first_cut(place: int, by: By) -> Callable[[int], Fault]:
    """Of a proxy's connections the first is cut."""
    return lambda number: Fault(place if number == 1 else None, by)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["close", "reset", "half-close"])
async def test_cut_at_many_bytes_every_record_comes_once(product: Product, by: By) -> None:
    run = str((await start_run(product.port, **said(30))).json()["id"])
    await stored(product, run)
    async with FaultProxy(product.port) as proxy, Driver() as driver:
        driver.tell("whole", baseUrl=proxy.url, run=run)
        await driver.finish()
        size = proxy.bytes_to_clients
    places = [*range(0, 400, 7), *range(400, size, 97), size - 1]
    async with AsyncExitStack() as stack, Driver() as driver:
        followers = []
        for place in places:
            proxy = FaultProxy(product.port, first_cut(place, by))
            await stack.enter_async_context(proxy)
            followers.append(driver.tell(f"{by} at {place}", baseUrl=proxy.url, run=run))
        await driver.finish()
        for follower in followers:
            await check(product, follower)
        assert sum("reconnecting" in follower.statuses for follower in followers) > len(places) / 2


@pytest.mark.slow
async def test_a_live_run_behind_a_bad_network(product: Product) -> None:
    """Cut again and again while the run goes on, from its start: one run, every record once."""

    def plan(number: int) -> Fault:
        return Fault(100 * number, ("close", "reset")[number % 2]) if number < 12 else Fault()

    async with FaultProxy(product.port, plan) as proxy, Driver() as driver:
        follower = driver.tell("live", baseUrl=proxy.url, request={**REQUEST, **said(60, 5)})
        await driver.finish()
        records = await check(product, follower)
        assert records[-1]["type"] == "complete"
        assert proxy.connections >= 12
    listed = (await call(product.port, "GET", "/api/v1/runs")).json()["runs"]
    assert [run["id"] for run in listed] == [follower.run]


@pytest.mark.slow
async def test_a_server_that_is_killed_and_started_again_in_mid_run(product: Product) -> None:
    async with Driver() as driver:
        follower = driver.tell("killed", baseUrl=product.url, request={**REQUEST, **said(40_000, 10)})
        other = driver.tell("next", baseUrl=product.url, request={**REQUEST, **said(40_000, 10)})
        killed = False
        async for _ in driver.seen():
            if not killed and min(len(follower.records), len(other.records)) >= 10:
                await product.kill()
                killed = True
                await product.start()
        for each in (follower, other):
            records = await check(product, each)
            assert records[-1]["type"] == "error"
            assert records[-1]["data"]["code"] == "INTERRUPTED"
            assert "reconnecting" in each.statuses


async def test_a_cancel_is_asked_for_and_its_record_read(product: Product) -> None:
    async with Driver() as driver:
        follower = driver.tell("stop", baseUrl=product.url, request={**REQUEST, **said(4000, 10)})
        asked = False
        async for _ in driver.seen():
            if not asked and len(follower.records) >= 5:
                asked = True
                driver.tell("stop", cancel=True)
        records = await check(product, follower)
        assert records[-1]["type"] == "cancelled"
        assert follower.cancelled in ("running", "cancelled")


async def test_a_snapshot_takes_the_place_of_the_past(product: Product) -> None:
    run = str((await start_run(product.port, **said(50))).json()["id"])
    records = await stored(product, run)
    async with Driver() as driver:
        follower = driver.tell("late", baseUrl=product.url, run=run, fromSnapshot=True)
        await driver.finish()
    assert [record["type"] for record in follower.records] == ["snapshot", records[-1]["type"]]
    shown = (await call(product.port, "GET", f"/api/v1/runs/{run}")).json()
    assert follower.snapshot == shown["snapshot"]


@pytest.mark.slow
@pytest.mark.parametrize("by", ["close", "reset"])
async def test_several_runs_cut_at_many_bytes_each_record_comes_once(product: Product, by: By) -> None:
    runs = [str((await start_run(product.port, **said(words))).json()["id"]) for words in (5, 20, 12)]
    logs = {run: await stored(product, run) for run in runs}
    async with FaultProxy(product.port) as proxy, Driver() as driver:
        driver.tell("whole", baseUrl=proxy.url, runs=runs)
        await driver.finish()
        assert proxy.connections == 1
        size = proxy.bytes_to_clients
    places = [*range(0, 400, 23), *range(400, size, 61), size - 1]
    async with AsyncExitStack() as stack, Driver() as driver:
        followers = []
        for place in places:
            proxy = FaultProxy(product.port, first_cut(place, by))
            await stack.enter_async_context(proxy)
            followers.append(driver.tell(f"{by} at {place}", baseUrl=proxy.url, runs=runs))
        await driver.finish()
    for follower in followers:
        assert follower.by_run == logs
        assert follower.statuses[-1] == "ended"
    assert sum("reconnecting" in follower.statuses for follower in followers) > len(places) / 2


@pytest.mark.slow
async def test_several_live_runs_behind_a_bad_network_and_a_server_that_is_killed(product: Product) -> None:
    def plan(number: int) -> Fault:
        return Fault(150 * number, ("close", "reset")[number % 2]) if number < 8 else Fault()

    runs = [str((await start_run(product.port, **said(40_000, 10))).json()["id"]) for _ in range(6)]
    async with FaultProxy(product.port, plan) as proxy, Driver() as driver:
        follower = driver.tell("six", baseUrl=proxy.url, runs=runs)
        killed = False
        async for _ in driver.seen():
            if not killed and len(follower.by_run) == len(runs) and proxy.connections >= 8:
                await product.kill()
                killed = True
                await product.start()
    for run in runs:
        records = await stored(product, run)
        assert follower.by_run[run] == records
        assert records[-1]["data"]["code"] == "INTERRUPTED"
