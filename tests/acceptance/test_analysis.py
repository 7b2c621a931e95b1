"""Analyses of puzzles by the product itself: read by the TypeScript client, cut, killed, switched off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from headwater.wire.sse import Frame, SSEDecoder
from tests.kit.client import call
from tests.kit.product import Product
from tests.kit.proxy import Fault, FaultProxy
from tests.web.node import CLIENT
from tools.pages import NODE

pytestmark = pytest.mark.slow

#: Of which the simulated model's answer without a seed is right.
TASK: Final = "017c7c7b"
STREAM: Final = f"/api/stream/analyze/{TASK}/simulated"
WHOLE: Final = f"/api/analyze/{TASK}/simulated"


@pytest_asyncio.fixture
async def product(data_dir: Path) -> AsyncIterator[Product]:
    async with Product(data_dir) as product:
        yield product


async def told_by_the_client(url: str, **params: Any) -> list[tuple[str, Any]]:
    """What `createAnalysisStream` tells its caller, in order."""
    asked = json.dumps({"taskId": TASK, "modelKey": "simulated", **params})
    process = await asyncio.create_subprocess_exec(
        NODE,
        CLIENT / "test" / "analysis-driver.ts",
        url,
        asked,
        stdout=asyncio.subprocess.PIPE,
        env={"NO_COLOR": "1"},
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return [(line["handler"], line["told"]) for line in map(json.loads, out.splitlines())]


async def get(product: Product, path: str) -> Any:
    answer = await call(product.port, "GET", path)
    assert answer.status == 200, answer.body
    return answer.json()


async def analyses(product: Product) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await get(product, "/api/arc/analyses"))["analyses"]
    return found


async def begun(product: Product) -> str:
    """Starts an analysis and leaves it when its model has begun to answer; the run."""
    request = {"model": "simulated", "workflow": "analysis", "messages": [], "input": {"task_id": TASK}}
    made = await call(product.port, "POST", "/api/v1/runs", request)
    assert made.status == 201, made.body
    run = str(made.json()["id"])
    after = 0
    while True:
        page = await call(
            product.port,
            "GET",
            f"/api/v1/runs/{run}/events?after={after}&wait_ms=10000",
            headers={"accept": "application/json"},
        )
        records = page.json()["records"]
        if any(record["type"] == "field" for record in records):
            return run
        after = page.json()["last"]


def said(told: list[tuple[str, Any]], kind: str) -> str:
    return "".join(piece["delta"] for handler, piece in told if handler == "chunk" and piece["type"] == kind)


async def test_the_typescript_client_reads_one_over_a_network_that_breaks(product: Product) -> None:
    """Cut before the run is known and again and again after that: one run, and everything told once."""

    def plan(number: int) -> Fault:
        return Fault(900 * number, ("close", "reset")[number % 2]) if number < 6 else Fault()

    async with FaultProxy(product.port, plan) as proxy:
        told = await told_by_the_client(proxy.url, prompt="Be quick.", temperature=0.5)
        assert proxy.connections >= 6
    assert [handler for handler, _ in told if handler in ("init", "complete", "error")] == ["init", "complete"]
    (listed,) = await analyses(product)
    stored = await get(product, f"/api/arc/analyses/{listed['run']}")
    by_handler = dict(told)
    assert by_handler["init"] == {"sessionId": stored["run"], "taskId": TASK, "modelKey": "simulated"}
    assert by_handler["complete"]["result"] == stored["result"]
    assert stored["result"]["correct"] is True
    assert (said(told, "text"), said(told, "reasoning")) == (stored["answer"], stored["reasoning"])
    rows = [
        field["value"]
        for handler, field in told
        if handler == "field" and field["path"].startswith("/predictedOutput/")
    ]
    assert rows == stored["result"]["tests"][0]["truth"]


async def test_one_that_the_server_died_of_is_kept_once_as_a_part(product: Product) -> None:
    run = await begun(product)
    await product.kill()
    await product.start()
    (listed,) = await analyses(product)
    assert (listed["run"], listed["state"], listed["partial"]) == (run, "failed", True)
    assert (listed["error"]["code"], listed["result"]["correct"]) == ("INTERRUPTED", None)
    stored = await get(product, f"/api/arc/analyses/{run}")
    shown = await get(product, f"/api/v1/runs/{run}")
    assert stored["answer"] == shown["snapshot"]["text"] != ""
    assert "Training pair 1" in stored["prompt"]["user"]
    # a second crash makes no second one of it, and the same can be asked again
    await product.kill()
    await product.start()
    assert [each["run"] for each in await analyses(product)] == [run]
    again = await call(product.port, "POST", WHOLE)
    assert again.json()["result"]["correct"] is True
    assert [each["run"] for each in await analyses(product)] == [again.headers["x-run-id"], run]
    # what the one that was killed had been asked with was paid for, and is known from its log
    lost, whole = (stored["usage"], again.json()["usage"])
    assert lost["input_tokens"] == whole["input_tokens"] > 100
    assert 0 < lost["output_tokens"] < whole["output_tokens"]
    assert lost["source"] == "estimated"
    assert shown["snapshot"]["usage"] == lost


async def test_one_that_has_ended_is_kept_over_a_crash(product: Product) -> None:
    answered = await call(product.port, "POST", WHOLE)
    await product.kill()
    await product.start()
    (listed,) = await analyses(product)
    assert {name: answered.json()[name] for name in listed} == listed


async def test_a_reconnect_after_a_restart_reads_the_rest_and_is_told_to_stop(product: Product) -> None:
    run = await begun(product)
    await product.kill()
    await product.start()
    rest = await call(product.port, "GET", STREAM, headers={"last-event-id": f"{run}:3"})
    frames = read(rest.body)
    assert [str(frame.id) for frame in frames] == [f"{run}:{seq}" for seq in range(4, 4 + len(frames))]
    assert json.loads(frames[-1].data)["data"]["code"] == "INTERRUPTED"
    over = await call(product.port, "GET", STREAM, headers={"last-event-id": str(frames[-1].id)})
    assert (over.status, over.body) == (204, b"")


def read(body: bytes) -> list[Frame]:
    decoder = SSEDecoder()
    return [*decoder.feed(body), *decoder.end()]


async def test_the_variable_that_deployments_know_switches_streams_off(data_dir: Path) -> None:
    async with Product(data_dir, environ={"ENABLE_SSE_STREAMING": "false"}) as product:
        told = await told_by_the_client(product.url)
        assert next(each for handler, each in told if handler == "error")["code"] == "DISABLED"
        assert await analyses(product) == []
        answered = await call(product.port, "POST", WHOLE)
        assert (answered.status, answered.json()["state"]) == (200, "completed")
