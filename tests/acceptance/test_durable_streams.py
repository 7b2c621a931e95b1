"""Durable Streams at /v1/stream (W5): the protocol's own conformance suite and its own client, and kill -9."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.scene import Scene, until
from tests.kit.client import Answer, Http, call
from tests.kit.product import Product
from tests.wire.oracles import NODE, ORACLES, installed_packages

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

FOLDER = ORACLES / "durable_streams"
LONG_POLL_MS = 500
#: How long one test of the suite may take: not what it measures, but a busy machine.
PATIENCE_MS = 30_000
#: The suite in two runs: what measures how long a stream lives is left in its own order, the rest goes side by side.
PARTS = (
    ("-t", "^(?!.*TTL)", "--sequence.concurrent", "--maxConcurrency=4"),
    ("-t", "TTL"),
)
#: The suite asks, as a page of this origin would, whether it may.
SUITE_ORIGIN = "https://example.com"
LONG: dict[str, Any] = {"settings": {"extra": {"simulated": {"words": 300, "delay_ms": 5, "format": "plain"}}}}


def stream_product(data: Path) -> Product:
    return Product(
        data,
        config={"server": {"allowed_origins": [SUITE_ORIGIN]}},
        environ={"HEADWATER_DURABLE_STREAMS__LONG_POLL_MS": str(LONG_POLL_MS)},
    )


async def node(*command: str | Path, given: bytes = b"", **environ: str) -> tuple[int | None, str]:
    """How a node process ended, and all that it said."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.environ.get("PATH", ""), "NO_COLOR": "1", **environ},
    )
    try:
        out, _ = await process.communicate(given)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode()


@pytest.mark.timeout(300)
async def test_the_protocol_s_own_conformance_suite_passes(data_dir: Path, tmp_path: Path) -> None:
    packages = await asyncio.to_thread(installed_packages, FOLDER)
    root = tmp_path / "suite"
    root.mkdir()
    (root / "node_modules").symlink_to(packages / "node_modules")
    (root / "conformance.test.mjs").write_bytes((FOLDER / "conformance.test.mjs").read_bytes())
    passed = 0
    async with stream_product(data_dir) as product:
        for part in PARTS:
            code, said = await node(
                packages / "node_modules" / "vitest" / "vitest.mjs",
                *("run", "--reporter=default", f"--testTimeout={PATIENCE_MS}", "--root", root, *part),
                CONFORMANCE_BASE_URL=product.url,
                CONFORMANCE_LONG_POLL_MS=str(PATIENCE_MS),
                HOME=str(tmp_path),
            )
            failed = sorted(set(re.findall(r"FAIL +(.*)", said)))
            assert (code, failed) == (0, []), said[-4000:]
            counted = re.search(r"Tests +(\d+) passed \| \d+ skipped \(338\)", said)
            assert counted, said[-1000:]
            passed += int(counted[1])
    # What neither part runs are the subscriptions, which are no part of the protocol.
    assert passed == 338 - 6


@pytest.mark.parametrize("live", ["sse", "long-poll"])
async def test_the_protocol_s_own_client_reads_a_run_through_a_kill(data_dir: Path, live: str) -> None:
    packages = await asyncio.to_thread(installed_packages, FOLDER)
    async with stream_product(data_dir) as product:
        scene = Scene(product)
        run = await scene.start("Long", **LONG)
        given = json.dumps({"url": f"{product.url}/v1/stream/runs/{run}", "live": live}).encode()
        reading = asyncio.create_task(node(FOLDER / "reader.mjs", packages, given=given))

        async def well_begun() -> bool:
            head = await call(product.port, "HEAD", f"/v1/stream/runs/{run}")
            return int(head.headers["stream-next-offset"][17:]) > 50

        await until(well_begun, "the fiftieth record")
        assert not reading.done()
        await product.kill()
        await product.start()
        async with asyncio.timeout(60):
            code, said = await reading
        assert code == 0, said
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        records = [json.loads(payload) for payload in await scene.payloads(run)]
        assert [line["item"] for line in lines[:-1]] == records
        assert lines[-1]["offset"] == f"{0:016d}_{len(records):016d}"
        assert records[-1]["type"] == "error"
        for method in ("PUT", "POST", "DELETE"):
            refused = await call(product.port, method, f"/v1/stream/runs/{run}")
            assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
        await scene.judge()


class Writer:
    """A producer that sends each of its appends until it is acknowledged."""

    def __init__(self, port: int, name: str, count: int) -> None:
        self.port = port
        self.name = name
        self.count = count
        self.acknowledged = 0
        self.repeated = 0

    async def write(self) -> None:
        while self.acknowledged < self.count:
            try:
                answer = await self.send(self.acknowledged)
            except (OSError, EOFError, AssertionError):
                await asyncio.sleep(0.02)  # paces: the server is down
                continue
            assert answer.status in (200, 204), (answer.status, answer.body)
            self.repeated += answer.status == 204
            self.acknowledged += 1

    async def send(self, seq: int) -> Answer:
        headers = {
            "producer-id": self.name,
            "producer-epoch": "0",
            "producer-seq": str(seq),
        }
        return await call(self.port, "POST", "/v1/stream/shared", {"from": self.name, "seq": seq}, headers)


async def test_what_was_acknowledged_is_there_once_after_kills(data_dir: Path) -> None:
    async with stream_product(data_dir) as product:
        made = await call(product.port, "PUT", "/v1/stream/shared", [])
        assert made.status == 201
        writers = [Writer(product.port, f"writer-{number}", 120) for number in range(4)]
        writing = [asyncio.create_task(writer.write()) for writer in writers]
        for kill in range(1, 4):

            async def on_its_way(least: int = kill * 25) -> bool:
                return all(writer.acknowledged >= least for writer in writers)

            await until(on_its_way, "appends between two kills")
            known = {writer.name: writer.acknowledged for writer in writers}
            await product.kill()
            await product.start()
            there = (await call(product.port, "GET", "/v1/stream/shared")).json()
            for name, acknowledged in known.items():
                assert [each["seq"] for each in there if each["from"] == name][:acknowledged] == [*range(acknowledged)]
        await asyncio.gather(*writing)
        there = (await call(product.port, "GET", "/v1/stream/shared")).json()
        for writer in writers:
            assert [each["seq"] for each in there if each["from"] == writer.name] == [*range(writer.count)]
        assert await product.terminate() == 0


async def test_who_waits_is_let_go_when_the_server_ends(data_dir: Path) -> None:
    async with Product(data_dir) as product:
        assert (await call(product.port, "PUT", "/v1/stream/a", [1])).status == 201
        events = Http(product.port)
        await events.send("GET", "/v1/stream/a?offset=-1&live=sse")
        said = b""
        body = events.body()
        while b"upToDate" not in said:
            said += await anext(body)
        offset = f"{0:016d}_{1:016d}"
        reader, writer = await asyncio.open_connection("127.0.0.1", product.port)
        target = f"/v1/stream/a?offset={offset}&live=long-poll"
        writer.write(f"GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        # What came later was answered, so the poll has come.
        assert (await call(product.port, "HEAD", "/v1/stream/a")).status == 200
        assert await product.terminate() == 0
        assert b"".join([piece async for piece in body]) == b""
        assert events.whole
        events.close()
        answer = (await reader.read()).decode()
        writer.close()
        assert answer.startswith("HTTP/1.1 204 "), answer
        assert f"stream-next-offset: {offset}\r\n" in answer
