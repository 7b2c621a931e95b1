"""Fault 28 for runs that ask to go on: the server is killed in mid-run, and the upstream counts what it was asked for.

Each run is read by somebody who comes back with a cursor, and in the end `checker.check` judges all that was seen.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import pytest

from tests.acceptance.scene import SCRIPTED, Scene, error_of, until
from tests.crash.server_with_failpoints import FAILPOINT, HISTORY
from tests.kit.answer import Record, parse
from tests.kit.client import Reader, call, start_run
from tests.kit.history import CancelAsked, Down, Up, UpstreamCalled, UpstreamEnded, UpstreamSaid
from tests.kit.product import Product, compatible_model
from tests.kit.responses import BackgroundAnswers
from tests.kit.upstream import DONE, Received, ScriptedUpstream, Send, Stall, Step, chat_chunk, usage_chunk

pytestmark = pytest.mark.slow

WORDS = ["The ", "snow ", "melts ", "on ", "the ", "upper ", "fields."]
ANSWER = "".join(WORDS)
PROMPT = "What melts?"


class Crash:
    """One run that is cut after its model has said so many words, at a server that is then started again."""

    #: the row of the catalog that the upstream is called by
    provider = "openai_chat"
    model = "scripted"

    def __init__(self, directory: Path, holds_at: int, *, slots: int = 10) -> None:
        #: how many words the first call says before it says nothing any more; with all of them only the end is missing
        self.holds_at = holds_at
        self.upstream = ScriptedUpstream(self.script)
        self.history_path = directory / "history"
        self._data, self._slots = directory / "data", slots
        self.product: Product
        self.scene: Scene
        self._reading: asyncio.Task[str]

    async def __aenter__(self) -> Self:
        await self.upstream.__aenter__()
        row = compatible_model(SCRIPTED, self.upstream.base_url)
        models = [row | {"provider": self.provider, "model": self.model}]
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

    @property
    def last_seen(self) -> str:
        """What a reader has surely had when the upstream says nothing more."""
        return "usage" if self.holds_at == len(WORDS) else "call"

    async def start(self, **asked: Any) -> Reader:
        """Somebody who reads the run, and has seen all that its model says before it is cut."""
        reader = self.scene.reader(await self.scene.start(PROMPT, answer=ANSWER, model=SCRIPTED, **asked))
        self._reading = asyncio.create_task(reader.read(self.product.port))
        await self.upstream.request(1)
        said = "".join(WORDS[: self.holds_at])

        async def seen() -> bool:
            types = [parse(payload).type for payload in reader.payloads]
            return text_of(reader).strip() == said.strip() and self.last_seen in types

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


class PrefilledCrash(Crash):
    """The upstream goes on with what it is shown of an answer."""

    provider = "vllm"
    last_seen = "call"

    def script(self, received: Received) -> Iterable[Step]:
        note, number, last = self.scene.history.note, received.number, received.json["messages"][-1]
        begun = self.text_in(last) if last["role"] == "assistant" else ""
        assert ANSWER.startswith(begun)
        note(UpstreamCalled(PROMPT, number))
        words = re.findall(r"\s*\S+", ANSWER[len(begun) :])
        yield from self.beginning()
        for place, word in enumerate(words):
            if number == 1 and place == self.holds_at:
                yield Stall()
            note(UpstreamSaid(PROMPT, number, word))
            yield Send(self.piece(word), tokens=1)
        if number == 1 and self.holds_at == len(words):
            yield Stall()
        end, last_of_all = self.ending(len(words))
        yield Send(end)
        note(UpstreamEnded(PROMPT, number, True))
        yield Send(last_of_all)

    def text_in(self, message: Any) -> str:
        return str(message["content"])

    def beginning(self) -> Iterable[Step]:
        return ()

    def piece(self, word: str) -> bytes:
        return chat_chunk(word)

    def ending(self, output_tokens: int) -> tuple[bytes, bytes]:
        """What precedes the end marker, and the marker."""
        return chat_chunk(finish="stop") + usage_chunk(5, output_tokens), DONE

    def shown(self, begun: str, asked: Any) -> bool:
        """Whether the request asks for what comes after this."""
        last = {"role": "assistant", "content": begun}
        return bool(asked["messages"][-1] == last and asked["continue_final_message"] is True)


class PrefilledClaude(PrefilledCrash):
    """The same in Anthropic's Messages: https://docs.anthropic.com/en/api/messages-streaming."""

    provider = "anthropic"
    model = "claude-sonnet-4-5"

    def text_in(self, message: Any) -> str:
        content = message["content"]
        return content if isinstance(content, str) else "".join(block["text"] for block in content)

    def beginning(self) -> Iterable[Step]:
        usage = {"input_tokens": 5, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "usage": usage}
        yield Send(messages_event("message_start", message=message))
        block = {"type": "text", "text": ""}
        yield Send(messages_event("content_block_start", index=0, content_block=block))

    def piece(self, word: str) -> bytes:
        return messages_event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})

    def ending(self, output_tokens: int) -> tuple[bytes, bytes]:
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        end = messages_event("message_delta", delta=delta, usage={"output_tokens": output_tokens})
        return messages_event("content_block_stop", index=0) + end, messages_event("message_stop")

    def shown(self, begun: str, asked: Any) -> bool:
        last = asked["messages"][-1]
        return bool(last["role"] == "assistant" and self.text_in(last) == begun)


def messages_event(kind: str, **members: Any) -> bytes:
    """One event of a Messages stream."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


class BackgroundCrash(Crash):
    """The upstream goes on when nobody listens, and tells of it again."""

    provider = "openai_responses"
    #: by it the answer is found again
    last_seen = "provider_data"

    def __init__(self, directory: Path, holds_at: int) -> None:
        super().__init__(directory, holds_at)
        self.answers = BackgroundAnswers([WORDS[:3], WORDS[3:]], holds_at=holds_at)
        self.answers.on_piece = self._said
        self.answers.on_end = lambda: self.scene.history.note(UpstreamEnded(PROMPT, 1, True))
        self._noted = 0

    def script(self, received: Received) -> Iterable[Step]:
        if not self.answers.made:
            self.scene.history.note(UpstreamCalled(PROMPT, 1))
        return self.answers.script(received)

    def _said(self, place: int, piece: str) -> None:
        if place == self._noted:
            self.scene.history.note(UpstreamSaid(PROMPT, 1, piece))
            self._noted += 1


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


@pytest.mark.parametrize("said", [1, 4, len(WORDS)])
@pytest.mark.parametrize("upstream", [PrefilledCrash, PrefilledClaude])
async def test_a_continued_answer_is_asked_for_from_where_it_was(
    tmp_path: Path, upstream: type[PrefilledCrash], said: int
) -> None:
    async with upstream(tmp_path, said) as crash:
        reader = await crash.start(on_crash="continue")
        await crash.crash()
        records = await crash.end(reader)
        assert records[-1].type == "complete"
        assert records[-1].data["final_response"] == text_of(reader) == ANSWER
        (attempt,) = [record for record in records if record.type == "attempt"]
        assert (attempt.data["reason"], attempt.data.get("supersedes_from")) == ("INTERRUPTED", None)
        _, again = crash.upstream.requests
        assert crash.shown("".join(WORDS[:said]).strip(), again.json)
        assert crash.upstream.tokens_billed == len(WORDS)


@pytest.mark.parametrize("said", [0, 1, 3, 5, len(WORDS)])
async def test_an_answer_that_went_on_is_found_again_and_paid_for_once(tmp_path: Path, said: int) -> None:
    async with BackgroundCrash(tmp_path, said) as crash:
        reader = await crash.start(on_crash="reattach")
        await crash.crash()
        records = await crash.end(reader)
        assert records[-1].type == "complete"
        assert records[-1].data["final_response"] == text_of(reader) == ANSWER
        assert not any(record.type == "attempt" for record in records)
        made, again = crash.upstream.requests
        assert [(each.method, each.path.partition("?")[0]) for each in (made, again)] == [
            ("POST", "/v1/responses"),
            ("GET", "/v1/responses/resp_1"),
        ]
        assert (made.json["background"], made.json["store"], made.json["stream"]) == (True, True, True)
        # the upstream bills what it makes, once
        assert crash.upstream.tokens_billed == len(WORDS)
        usage = records[-1].data["usage"]
        assert (usage["output_tokens"], usage["source"]) == (len(WORDS), "provider")
        assert crash.answers.stopped == []


async def test_an_answer_that_its_provider_has_forgotten_ends_as_interrupted(tmp_path: Path) -> None:
    async with BackgroundCrash(tmp_path, 2) as crash:
        reader = await crash.start(on_crash="reattach")
        crash.answers.forget()
        await crash.crash()
        records = await crash.end(reader)
        assert error_of(records[-1]) == "INTERRUPTED"
        assert len(crash.answers.made) == 1


async def test_a_cancel_before_a_crash_stops_the_answer_at_its_provider(tmp_path: Path) -> None:
    async with BackgroundCrash(tmp_path, 2) as crash:
        reader = await crash.start(on_crash="reattach")
        crash.scene.history.note(CancelAsked(reader.run))
        with pytest.raises((OSError, EOFError)):
            await call(crash.product.port, "POST", f"/api/v1/runs/{reader.run}/cancel")
        await crash.crash()
        records = await crash.end(reader)
        assert (records[-1].type, records[-1].data["by"]) == ("cancelled", "user")
        await crash.upstream.request(2)
        assert (crash.answers.stopped, crash.answers.asked_after) == (["resp_1"], [])


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
