"""Whole searches of the real server: killed, cancelled, read over two transports at once (S4)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from headwater.domain.event import EVENT_TYPES
from headwater.wire.sse import SSEDecoder
from tests.acceptance.scene import SCRIPTED, Scene, until, with_upstream
from tests.kit.answer import Record, parse
from tests.kit.client import call, start_run
from tests.kit.product import Product
from tests.kit.upstream import ScriptedUpstream, Send, Stall, Step, chat_chunk, chat_stream
from tests.kit.websocket import socket_to

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

TASK = "3c9b0459"
#: What the log panel of a page reads over the WebSocket; the event stream has the rest.
PROGRESS = ["context", "status", "iteration", "log"]


def written(*returned: str) -> str:
    return "".join(f"```python\ndef transform(grid):\n    return {each}\n```\n" for each in returned)


WRONG = written("grid", "grid[::-1]")
NEARER = written("[row[::-1] for row in grid]", "[sorted(row) for row in grid]")
RIGHT = written("[row[::-1] for row in grid[::-1]]")


def says(text: str) -> list[Step]:
    """The text in pieces, as models send it."""
    return list(chat_stream([text[at : at + 12] for at in range(0, len(text), 12)]))


def begins(text: str) -> list[Step]:
    """The same, but the model says nothing any more where the first program is whole."""
    return [Send(chat_chunk(text[: text.index("```\n") + 4]), tokens=1), Stall()]


class Search:
    """A server, its model, and one search that was started there."""

    def __init__(self, product: Product, upstream: ScriptedUpstream) -> None:
        self.product = product
        self.upstream = upstream
        self.scene = Scene(product)
        self.run = ""

    async def start(self, **asked: Any) -> str:
        started = await start_run(
            self.product.port,
            model=asked.pop("model", SCRIPTED),
            workflow="solver",
            messages=[],
            limits=asked.pop("limits", {}),
            input={"task_id": TASK, **asked},
        )
        assert started.status == 201, started.body
        self.run = str(started.json()["id"])
        return self.run

    async def records(self) -> list[Record]:
        return await self.scene.records(self.run)

    async def so_far(self) -> list[dict[str, Any]]:
        page = await call(
            self.product.port,
            "GET",
            f"/api/v1/runs/{self.run}/events?limit=1000",
            headers={"accept": "application/json"},
        )
        assert page.status == 200, page.body
        found: list[dict[str, Any]] = page.json()["records"]
        return found

    async def solution(self) -> dict[str, Any]:
        answer = await call(self.product.port, "GET", f"/api/arc/solutions/{self.run}")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json()
        return found

    async def listed(self, query: str = "") -> list[str]:
        answer = await call(self.product.port, "GET", f"/api/arc/solutions{query}")
        assert answer.status == 200, answer.body
        return [each["run"] for each in answer.json()["solutions"]]

    def prompt(self, number: int) -> str:
        """What the n-th call of the model was told last."""
        return str(self.upstream.requests[number - 1].json["messages"][-1]["content"])


@asynccontextmanager
async def searching(data_dir: Path, *scripts: list[Step]) -> AsyncIterator[Search]:
    async with ScriptedUpstream(*scripts) as upstream, with_upstream(data_dir, upstream) as product:
        yield Search(product, upstream)


def done_iterations(records: list[Record]) -> list[Record]:
    return [record for record in records if record.type == "iteration" and record.data["data"]["state"] == "done"]


def events_in(body: bytes) -> list[dict[str, Any]]:
    """The records of a whole event stream."""
    return [json.loads(frame.data) for frame in SSEDecoder().feed(body) if frame.data]


async def test_killed_in_the_second_iteration_the_first_is_not_paid_again(data_dir: Path) -> None:
    async with searching(data_dir, says(WRONG), begins(NEARER), says(NEARER), says(RIGHT)) as search:
        await search.start(iterations=3)
        reader = search.scene.reader(search.run)
        reading = asyncio.create_task(reader.read(search.product.port))
        await search.upstream.request(2)

        async def half_said() -> bool:
            return any(
                record["type"] == "chunk" and record["data"].get("call") == 3 for record in await search.so_far()
            )

        await until(half_said, "the second answer has begun")
        before = [parse(payload) for payload in reader.payloads]
        await search.product.kill()
        await reading
        await search.product.start()
        assert await reader.read_on(search.product.port) in ("end", "none")
        records = await search.records()
        # what was read before the crash and after it is the log, each record once
        assert [parse(payload) for payload in reader.payloads] == records
        assert records[: len(before)] == before
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert [record.data["number"] for record in done_iterations(records)] == [1, 2, 3]
        # one call for the first, two for the one that was cut, one for the last
        assert len(search.upstream.requests) == 4
        assert search.prompt(3) == search.prompt(2)
        assert "return grid[::-1]" in search.prompt(3)
        assert records[-1].data["result"]["verdict"] == "solved"
        assert records[-1].data["result"]["iterations"] == 3
        assert await search.listed() == [search.run]
        assert (await search.solution())["result"] == records[-1].data["result"]


async def test_killed_between_programs_they_are_all_tried_again(data_dir: Path) -> None:
    """The answer was whole, but its scores were not in the log: it is asked for anew."""
    endless = "```python\ndef transform(grid):\n    while True: pass\n```\n"
    async with searching(data_dir, says(WRONG), says(endless + NEARER), says(RIGHT)) as search:
        await search.start(iterations=3)

        async def tries() -> bool:
            states = [record["data"]["state"] for record in await search.so_far() if record["type"] == "status"]
            return states.count("running") == 2

        await until(tries, "the programs of the second iteration are tried")
        await search.product.kill()
        await search.product.start()
        records = await search.records()
        assert len(search.upstream.requests) == 3
        assert [record.data["number"] for record in done_iterations(records)] == [1, 2]
        assert records[-1].data["result"]["verdict"] == "solved"


async def test_where_no_server_was_there_when_its_time_ran_out_the_best_program_answers(data_dir: Path) -> None:
    async with searching(data_dir, says(NEARER), begins(RIGHT)) as search:
        await search.start(limits={"total_s": 10})
        over_s = time.monotonic() + 10
        await search.upstream.request(2)

        async def answered() -> bool:
            contexts = [each["data"]["context"] for each in await search.so_far() if each["type"] == "context"]
            result = contexts[-1]["result"]
            return result is not None and result["tests"][0]["predicted"] is not None

        await until(answered, "the best program has answered the tests")
        before = await search.so_far()
        await search.product.kill()

        async def over() -> bool:
            return time.monotonic() > over_s

        await until(over, "its time has run out")
        await search.product.start()
        records = await search.records()
        assert [record._asdict() for record in records[: len(before)]] == before
        assert (records[-1].type, records[-1].data["code"]) == ("error", "TIMEOUT")
        assert len(search.upstream.requests) == 2
        result = records[-1].data["result"]
        assert (result["verdict"], result["stopped"], result["best"]["iteration"]) == ("partial", "cut", 1)
        assert result["tests"][0]["predicted"] is not None
        assert result["iterations"] == 1
        stored = await search.solution()
        assert (stored["state"], stored["partial"], stored["result"]) == ("failed", True, result)
        assert await search.listed("?verdict=partial") == [search.run]


async def test_tokens_and_progress_over_two_transports_are_one_log(data_dir: Path) -> None:
    tokens = ",".join(sorted(set(EVENT_TYPES) - set(PROGRESS) - {"snapshot"}))
    async with searching(data_dir, says(WRONG), says(NEARER), says(RIGHT)) as search:
        run = await search.start()
        path = f"/api/v1/runs/{run}/events"
        stream = asyncio.create_task(
            call(search.product.port, "GET", f"{path}?types={tokens}", headers={"accept": "text/event-stream"})
        )
        async with socket_to(search.product.port) as socket:
            await socket.done("subscribe", run=run, types=PROGRESS)
            await socket.until(lambda: len(socket.seqs(run)) > 5)
        # the socket is cut, and another goes on behind what came last
        seen = socket.records[run]
        async with socket_to(search.product.port) as socket:
            await socket.done("subscribe", run=run, types=PROGRESS, after=seen[-1]["seq"])
            await socket.ended(run)
        progress = [*seen, *socket.records.get(run, [])]
        streamed = events_in((await stream).body)
        assert {record["type"] for record in progress} == set(PROGRESS)
        assert {record["type"] for record in streamed} >= {"call", "chunk", "complete"}
        log = [record._asdict() for record in await search.records()]
        assert sorted([*progress, *streamed], key=lambda record: record["seq"]) == log
        for part in (progress, streamed):
            assert [record["seq"] for record in part] == sorted({record["seq"] for record in part})


async def test_a_cancel_in_the_middle_of_an_iteration_keeps_what_was_found(data_dir: Path) -> None:
    async with searching(data_dir, says(WRONG), begins(NEARER)) as search:
        run = await search.start()
        received = await search.upstream.request(2)
        assert await search.scene.cancel(run) == 202
        await received.closed.wait()
        records = await search.records()
        assert (records[-1].type, len(done_iterations(records))) == ("cancelled", 1)
        stored = await search.solution()
        assert (stored["state"], stored["partial"]) == ("cancelled", True)
        # the best program so far, and what it makes of the tests
        result = stored["result"]
        assert (result["verdict"], result["stopped"], result["best"]["iteration"]) == ("partial", "cut", 1)
        assert result["tests"][0]["predicted"] is not None
        assert records[-1].data["result"] == (await search.scene.show(run))["snapshot"]["result"] == result
        assert stored["error"]["code"] == "CANCELLED"
        assert stored["search"]["iterations"] == 1
        assert await search.listed("?state=cancelled") == await search.listed(f"?task={TASK}") == [run]
        assert await search.listed("?verdict=solved") == []
        assert await search.listed("?verdict=partial") == [run]


async def test_the_simulated_model_solves_a_puzzle_without_any_key(data_dir: Path) -> None:
    async with searching(data_dir) as search:
        await search.start(model="simulated")
        records = await search.records()
        result = records[-1].data["result"]
        assert (result["verdict"], result["simulated"]) == ("solved", True)
        assert not search.upstream.requests
        text = "".join(record.data["content"] for record in records if record.type == "chunk")
        assert "Simulated answer" in text


async def test_what_runs_programs_ends_with_the_server(data_dir: Path) -> None:
    def workers(product: Product) -> list[psutil.Process]:
        return psutil.Process(product.pid).children(recursive=True)

    async with searching(data_dir, says(RIGHT)) as search:
        await search.start()
        await search.records()
        first = workers(search.product)
        assert first
        await search.product.kill()
        await search.product.start()
        await search.start()
        await search.records()
        second = workers(search.product)
        assert second
        assert await search.product.terminate() == 0
        _, alive = await asyncio.to_thread(psutil.wait_procs, [*first, *second], 10)
        assert not alive


async def test_it_is_refused_before_there_is_a_run(data_dir: Path) -> None:
    async with searching(data_dir) as search:
        for given, pointer in [({}, "/input"), ({"task_id": TASK, "iterations": 99}, "/input/iterations")]:
            refused = await start_run(search.product.port, workflow="solver", messages=[], input=given)
            assert (refused.status, refused.json()["pointer"]) == (400, pointer)
        unknown = await call(search.product.port, "GET", "/api/arc/solutions/run_" + "0" * 32)
        assert unknown.status == 404
        other = (await start_run(search.product.port, "Hi")).json()["id"]
        assert (await call(search.product.port, "GET", f"/api/arc/solutions/{other}")).status == 404
