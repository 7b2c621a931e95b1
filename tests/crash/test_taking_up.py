"""Fault 28 for runs that ask to go on: the server is killed in mid-run, and the upstream counts what it was asked for.

Each run is read by somebody who comes back with a cursor, and in the end `checker.check` judges all that was seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.scene import SCRIPTED, Scene, error_of, until
from tests.crash.server_with_failpoints import FAILPOINT, HISTORY
from tests.kit.answer import Record, parse
from tests.kit.client import Reader, call, start_run
from tests.kit.history import CancelAsked, Down, Up, UpstreamCalled, UpstreamEnded, UpstreamSaid
from tests.kit.product import Product, compatible_model
from tests.kit.upstream import DONE, Received, ScriptedUpstream, Send, Stall, Step, chat_chunk, usage_chunk

pytestmark = pytest.mark.slow

WORDS = ["The ", "snow ", "melts ", "on ", "the ", "upper ", "fields."]
ANSWER = "".join(WORDS)
PROMPT = "What melts?"


class Crash:
    """One run that is cut after its model has said so many words, at a server that is then started again."""

    def __init__(self, directory: Path, holds_at: int, *, slots: int = 10) -> None:
        #: how many words the first call says before it says nothing any more; with all of them only the end is missing
        self.holds_at = holds_at
        self.upstream = ScriptedUpstream(self.script)
        self.history_path = directory / "history"
        self._data, self._slots = directory / "data", slots
        self.product: Product
        self.scene: Scene
        self._reading: asyncio.Task[str]

    async def __aenter__(self) -> Crash:
        await self.upstream.__aenter__()
        models = [compatible_model(SCRIPTED, self.upstream.base_url)]
        self.product = Product(
            self._data,
            config={"runs": {"slots": self._slots}, "models": models},
            environ={HISTORY: str(self.history_path), FAILPOINT: "cancel-noted:1"},
            module="tests.crash.server_with_failpoints",
        )
        self.scene = Scene(self.product)
        await self.product.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.product.__aexit__()
        await self.upstream.__aexit__()

    def script(self, received: Received) -> Iterable[Step]:
        note, number = self.scene.history.note, received.number
        note(UpstreamCalled(PROMPT, number))
        for place, word in enumerate(WORDS):
            if number == 1 and place == self.holds_at:
                yield Stall()
            note(UpstreamSaid(PROMPT, number, word))
            yield Send(chat_chunk(word), tokens=1)
        yield Send(chat_chunk(finish="stop"))
        yield Send(usage_chunk(5, len(WORDS)))
        if number == 1 and self.holds_at == len(WORDS):
            yield Stall()
        note(UpstreamEnded(PROMPT, number, True))
        yield Send(DONE)

    async def start(self, **asked: Any) -> Reader:
        """Somebody who reads the run, and has seen all that its model says before it is cut."""
        reader = self.scene.reader(await self.scene.start(PROMPT, answer=ANSWER, model=SCRIPTED, **asked))
        self._reading = asyncio.create_task(reader.read(self.product.port))
        await self.upstream.request(1)
        said = "".join(WORDS[: self.holds_at])

        async def seen() -> bool:
            types = [parse(payload).type for payload in reader.payloads]
            return text_of(reader) == said and ("usage" if self.holds_at == len(WORDS) else "call") in types

        await until(seen, f"{said!r} was read")
        return reader

    async def crash(self) -> None:
        """The server is killed, if it is not dead already, and started again."""
        await self.product.kill()
        self.scene.history.note(Down("kill"))
        await self._reading
        self.scene.history.note(Up())
        await self.product.start()

    async def end(self, reader: Reader) -> list[Record]:
        """Reads the run to its end; the judgement is about all that was seen."""
        assert await reader.read_on(self.product.port) in ("end", "none")
        await self.scene.judge()
        return [parse(payload) for payload in reader.payloads]


def text_of(reader: Reader) -> str:
    records = map(parse, reader.payloads)
    return "".join(record.data["content"] for record in records if record.type == "chunk")


KILL_POINTS = [0, 1, len(WORDS) // 2, len(WORDS)]


@pytest.mark.parametrize("said", KILL_POINTS)
async def test_an_interrupted_run_calls_its_model_once(tmp_path: Path, said: int) -> None:
    async with Crash(tmp_path, said) as crash:
        reader = await crash.start()
        await crash.crash()
        records = await crash.end(reader)
        assert error_of(records[-1]) == "INTERRUPTED"
        assert records[-1].data.get("partial_bytes", 0) == len("".join(WORDS[:said]))
        assert len(crash.upstream.requests) == 1
        assert crash.upstream.tokens_billed == said


@pytest.mark.parametrize("said", KILL_POINTS)
async def test_a_rerun_calls_its_model_twice_and_supersedes(tmp_path: Path, said: int) -> None:
    async with Crash(tmp_path, said) as crash:
        reader = await crash.start(on_crash="rerun")
        await crash.crash()
        records = await crash.end(reader)
        assert records[-1].type == "complete"
        assert records[-1].data["final_response"] == ANSWER
        (attempt,) = [record for record in records if record.type == "attempt"]
        first = next((record.seq for record in records if record.type == "chunk"), None)
        assert attempt.data["reason"] == "INTERRUPTED"
        assert attempt.data.get("supersedes_from") == (first if said else None)
        assert (attempt.data["call"], attempt.data["number"]) == (1, 2)
        assert len(crash.upstream.requests) == 2
        assert crash.upstream.tokens_billed == said + len(WORDS)
        # what was lost with the server is estimated, what was reported is not forgotten
        usage = records[-1].data["usage"]
        assert usage["output_tokens"] >= len(WORDS)
        assert usage["source"] == ("provider" if said == len(WORDS) else "estimated")


@pytest.mark.parametrize("policy", ["interrupt", "rerun"])
async def test_a_cancel_that_was_asked_for_is_never_rerun(tmp_path: Path, policy: str) -> None:
    """The server is killed when the cancel is noted, and before anything has come of it."""
    async with Crash(tmp_path, 2) as crash:
        reader = await crash.start(on_crash=policy)
        crash.scene.history.note(CancelAsked(reader.run))
        with pytest.raises((OSError, EOFError)):
            await call(crash.product.port, "POST", f"/api/v1/runs/{reader.run}/cancel")
        await crash.crash()
        records = await crash.end(reader)
        assert (records[-1].type, records[-1].data["by"]) == ("cancelled", "user")
        assert len(crash.upstream.requests) == 1


async def test_a_run_that_waited_for_a_slot_waits_again(tmp_path: Path) -> None:
    async with Crash(tmp_path, 1, slots=1) as crash:
        first = await crash.start()
        waiting = (await start_run(crash.product.port, PROMPT, model=SCRIPTED, on_crash="rerun")).json()["id"]
        await crash.crash()
        records = await crash.scene.records(waiting)
        assert records[-1].data["final_response"] == ANSWER
        assert [record.type for record in records].count("call") == 1
        assert len(crash.upstream.requests) == 2
        assert error_of((await crash.scene.records(first.run))[-1]) == "INTERRUPTED"


async def test_what_can_not_be_kept_is_refused_before_there_is_a_run(tmp_path: Path) -> None:
    async with Crash(tmp_path, 0) as crash:
        for policy, status in [("continue", 422), ("reattach", 422), ("again", 400)]:
            answer = await start_run(crash.product.port, PROMPT, model=SCRIPTED, on_crash=policy)
            assert answer.status == status
            assert answer.json()["pointer"] == "/on_crash"
        assert crash.upstream.requests == []
