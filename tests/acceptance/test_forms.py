"""One log, read in every form by many readers who come and go when they like. T3, T6."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from headwater.wire.sse import SSEDecoder
from tests.acceptance.scene import SCRIPTED, Scene, figure, until, with_upstream
from tests.kit.answer import answer_text, parse
from tests.kit.client import STUCK_S, Http, call
from tests.kit.script import Pause, Send, Step, chat_chunk, chat_stream
from tests.kit.upstream import ScriptedUpstream

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

WORDS = [f"word{number} " for number in range(60)]


#: After so many words the model waits to be told to go on.
WAITS = (5, 15, 30)


class Stage:
    """A product whose model says its words one by one, and stops at its gates."""

    def __init__(self, scene: Scene, gates: dict[int, asyncio.Event]) -> None:
        self.scene = scene
        self.gates = gates

    async def said(self, run: str, words: int) -> None:
        """Returns when the model waits after so many words, and they are in the log."""

        async def are_there() -> bool:
            return str((await self.scene.show(run))["snapshot"]["text"]).count(" ") == words

        await until(are_there, f"{words} words")


@pytest_asyncio.fixture
async def stage(data_dir: Path) -> AsyncIterator[Stage]:
    gates = {words: asyncio.Event() for words in WAITS}
    script: list[Step] = []
    for number, word in enumerate(WORDS):
        script.append(Pause(gates[number]) if number in gates else Pause(seconds=0.002))
        script.append(Send(chat_chunk(word)))
    script += chat_stream([])
    async with ScriptedUpstream(script) as upstream, with_upstream(data_dir, upstream) as product:
        yield Stage(Scene(product), gates)


class Leap:
    """A reader that changes its form whenever it likes, and keeps only its cursor."""

    def __init__(self, port: int, run: str, seeded: random.Random) -> None:
        self.payloads: list[bytes] = []
        self.forms: set[str] = set()
        self._port, self._path = port, f"/api/v1/runs/{run}/events"
        self._seeded = seeded

    @property
    def ended(self) -> bool:
        return bool(self.payloads) and parse(self.payloads[-1]).is_final

    async def read(self) -> None:
        """To the end, in any forms; it leaves each connection after some records."""
        forms = {"sse": self._sse, "ndjson": self._ndjson, "page": self._page}
        async with asyncio.timeout(STUCK_S):
            while not self.ended:
                name = self._seeded.choice(list(forms))
                self.forms.add(name)
                await forms[name](self._seeded.randint(1, 12))

    async def _sse(self, most: int) -> None:
        decoder = SSEDecoder()
        async for data in self._body("text/event-stream"):
            for frame in decoder.feed(data):
                assert frame.id == str(len(self.payloads) + 1)
                self.payloads.append(frame.data)
                most -= 1
                if most == 0:
                    return

    async def _ndjson(self, most: int) -> None:
        rest = b""
        async for data in self._body("application/x-ndjson"):
            *lines, rest = (rest + data).split(b"\n")
            for line in filter(None, lines):
                self.payloads.append(line)
                most -= 1
                if most == 0:
                    return

    async def _page(self, most: int) -> None:
        path = f"{self._path}?after={len(self.payloads)}&limit={most}&wait_ms=2000"
        answer = await call(self._port, "GET", path, headers={"accept": "application/json"})
        page = answer.json()
        assert len(page["records"]) <= most
        # The bytes of a record are the same in every form, so the page holds them as they are.
        for record in page["records"]:
            payload = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
            assert payload in answer.body
            self.payloads.append(payload)
        assert page["last"] == len(self.payloads)

    async def _body(self, accept: str) -> AsyncIterator[bytes]:
        http = Http(self._port)
        try:
            await http.send("GET", f"{self._path}?after={len(self.payloads)}", {"accept": accept})
            assert http.status == 200
            async for data in http.body():
                yield data
        finally:
            http.close()


async def test_a_reader_may_change_its_form_at_any_record(stage: Stage, seeded: random.Random) -> None:
    scene = stage.scene
    run = await scene.start("Leap", model=SCRIPTED, answer="".join(WORDS))
    readers = [Leap(scene.port, run, random.Random(seeded.random())) for _ in range(12)]
    readings = [asyncio.create_task(reader.read()) for reader in readers]
    for words in WAITS:
        await stage.said(run, words)
        stage.gates[words].set()
    await asyncio.gather(*readings)
    payloads = await scene.payloads(run)
    assert all(reader.payloads == payloads for reader in readers)
    assert {form for reader in readers for form in reader.forms} == {"sse", "ndjson", "page"}
    await scene.judge()


async def snapshot_reader(port: int, run: str) -> tuple[dict[str, Any], list[bytes]]:
    """Who comes late: what the run amounts to so far, and the records after that, to the end."""
    http = Http(port)
    try:
        async with asyncio.timeout(STUCK_S):
            await http.send("GET", f"/api/v1/runs/{run}/events?from=snapshot", {"accept": "application/x-ndjson"})
            body = b"".join([data async for data in http.body()])
    finally:
        http.close()
    assert http.whole
    first, *later = filter(None, body.split(b"\n"))
    record = json.loads(first)
    assert record["type"] == "snapshot"
    assert record["seq"] == record["data"]["snapshot"]["seq"]
    return record["data"]["snapshot"], later


async def test_many_readers_of_one_run_see_one_answer(stage: Stage) -> None:
    """Tabs and devices: forty from the beginning, others later with a snapshot, one when all is over."""
    scene = stage.scene
    run = await scene.start("Many", model=SCRIPTED, answer="".join(WORDS))
    early = [scene.reader(run) for _ in range(40)]
    readings = [asyncio.create_task(reader.read_on(scene.port)) for reader in early]
    late: list[asyncio.Task[tuple[dict[str, Any], list[bytes]]]] = []

    def come(many: int) -> None:
        late.extend(asyncio.create_task(snapshot_reader(scene.port, run)) for _ in range(many))

    for there, words in zip((55, 70, 85), WAITS, strict=True):
        await stage.said(run, words)
        come(15)
        await until(all_read(scene, there), f"{there} readers")
        stage.gates[words].set()
    await asyncio.gather(*readings)
    payloads = await scene.payloads(run)
    await asyncio.gather(*late)
    late.append(asyncio.create_task(snapshot_reader(scene.port, run)))
    assert all(reader.payloads == payloads for reader in early)
    records = [parse(payload) for payload in payloads]
    begun = set()
    for snapshot, later in [await each for each in late]:
        seq = snapshot["seq"]
        begun.add(seq)
        assert snapshot["text"] == answer_text(records[:seq])
        assert later == payloads[seq:]
    assert len(begun) == len(WAITS) + 1
    assert max(begun) == len(payloads) - 1
    await scene.judge()
    await until(all_read(scene, 0), "no reader to be left")


def all_read(scene: Scene, many: int) -> Callable[[], Awaitable[bool]]:
    async def counted() -> bool:
        return await figure(scene.port, "headwater_readers") == many

    return counted


@pytest.mark.parametrize("form", ["text/event-stream", "application/x-ndjson", "application/json"])
async def test_a_killed_server_is_read_on_in_every_form(stage: Stage, form: str) -> None:
    """kill -9 in mid-answer: what was seen is there, and the end is said in each form."""
    scene = stage.scene
    run = await scene.start("Kill", model=SCRIPTED)
    await stage.said(run, 5)
    path, headers = f"/api/v1/runs/{run}/events", {"accept": form}
    http = Http(scene.port)
    before = b""
    await http.send("GET", path, headers)
    async for data in http.body():
        before += data
        if b"word4 " in before:
            break
    http.close()
    await scene.product.kill()
    await scene.product.start()
    seen = before.count(b'{"seq":')
    after = (await call(scene.port, "GET", f"{path}?after={seen}", headers=headers)).body
    payloads = await scene.payloads(run)
    assert 0 < seen < len(payloads) == seen + after.count(b'{"seq":')
    assert all(payload in before for payload in payloads[:seen])
    assert all(payload in after for payload in payloads[seen:])
    assert parse(payloads[-1]).data["code"] == "INTERRUPTED"
    await scene.judge()
