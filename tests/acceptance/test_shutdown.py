"""SIGTERM and SIGINT under load: every reader is told how its run ended, and the next start has nothing to mend."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from headwater.storage.schema import FILE_NAME
from tests.acceptance.scene import Scene, error_of, figure, until
from tests.kit.answer import parse
from tests.kit.client import call, start_run
from tests.kit.product import Product

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

#: The server's own limit for ending in good order, in seconds; see `Product` below.
DRAIN_S = 5.0
RUNS = 40
LONG: dict[str, Any] = {"settings": {"extra": {"simulated": {"words": 5000, "delay_ms": 5, "format": "plain"}}}}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_under_load(data_dir: Path, number: signal.Signals) -> None:
    product = Product(data_dir, config={"server": {"drain_s": DRAIN_S}, "runs": {"slots": RUNS - 10}})
    async with product:
        scene = Scene(product)
        runs = [await scene.start(f"Long {n}", **LONG) for n in range(RUNS)]
        readers = [scene.reader(run) for run in runs for _ in range(2)]
        readings = [asyncio.create_task(reader.read(scene.port)) for reader in readers]

        async def all_read() -> bool:
            return all(reader.payloads for reader in readers) and any(len(reader.payloads) > 50 for reader in readers)

        await until(all_read, "every reader's first record")
        product.process.send_signal(number)
        async with asyncio.timeout(DRAIN_S + 2):
            assert await product.process.wait() == 0
        assert set(await asyncio.gather(*readings)) == {"end"}
        for reader in readers:
            final = parse(reader.payloads[-1])
            assert error_of(final) == "DRAINING", final
            assert final.data["retryable"] is True
        await product.start()
        for label in ('as="interrupted"', 'as="cancelled"'):
            assert await figure(scene.port, "headwater_runs_recovered_total", label) == 0
        assert "runs ended after a crash" not in product.log_text
        await scene.judge()
        assert await product.terminate() == 0


async def test_new_runs_are_refused_while_old_ones_end(data_dir: Path) -> None:
    """The end is held up by a lock on the database, so that there is a while in which to ask."""
    async with Product(data_dir, config={"server": {"drain_s": DRAIN_S}}) as product:
        scene = Scene(product)
        run = await scene.start("Long", **LONG)
        ended = await scene.start("Short", settings={"extra": {"simulated": {"words": 3, "delay_ms": 0}}})
        before = await scene.payloads(ended)
        reader = scene.reader(run)
        reading = asyncio.create_task(reader.read(scene.port))

        async def has_read() -> bool:
            return len(reader.payloads) > 5

        await until(has_read, "some records")
        other = sqlite3.connect(data_dir / FILE_NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        product.process.send_signal(signal.SIGTERM)
        refused: list[Any] = []

        async def refuses() -> bool:
            answer = await call(scene.port, "GET", "/readyz")
            refused.append(answer)
            return answer.status == 503

        await until(refuses, "not being ready")
        assert refused[-1].json()["code"] == "DRAINING"
        post = await start_run(scene.port, "Too late")
        assert (post.status, post.json()["code"], post.json()["retryable"]) == (503, "DRAINING", True)
        assert "retry-after" in post.headers
        # What there is can still be read.
        assert await scene.payloads(ended) == before
        assert (await call(scene.port, "GET", "/livez")).status == 200
        other.execute("ROLLBACK")
        other.close()
        assert await reading == "end"
        assert error_of(parse(reader.payloads[-1])) == "DRAINING"
        assert await product.process.wait() == 0
        await product.start()
        await scene.judge()


async def test_a_second_signal_ends_it_at_once(data_dir: Path) -> None:
    """Then the next start ends what was cut."""
    async with Product(data_dir, config={"server": {"drain_s": 60}}) as product:
        scene = Scene(product)
        run = await scene.start("Long", **LONG)
        reader = scene.reader(run)
        reading = asyncio.create_task(reader.read(scene.port))

        async def has_read() -> bool:
            return len(reader.payloads) > 5

        await until(has_read, "some records")
        other = sqlite3.connect(data_dir / FILE_NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # so that the first can not be obeyed yet

        async def draining() -> bool:
            return (await call(scene.port, "GET", "/readyz")).status == 503

        product.process.send_signal(signal.SIGINT)
        await until(draining, "the first signal's effect")
        product.process.send_signal(signal.SIGINT)
        assert await product.process.wait() == 130
        other.close()
        assert await reading == "cut"
        await product.start()
        assert await reader.read_on(scene.port) == "end"
        assert error_of(parse(reader.payloads[-1])) == "INTERRUPTED"
        await scene.judge()
