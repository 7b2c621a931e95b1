"""`/api/chat` over a socket, with a model that says what the test tells it to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from headwater.api.ai_sdk import PATH
from headwater.api.ai_sdk_request import CHAT
from headwater.domain.event import Chunk
from headwater.domain.message import Message
from headwater.domain.run import Owner, RunRequest
from tests.api.composed import RunningApi

BODY: dict[str, Any] = {
    "id": "chat-1",
    "trigger": "submit-message",
    "model": "prompted",
    "messages": [{"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}],
}


@asynccontextmanager
async def asked(api: RunningApi, **changes: Any) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[Any]]]:
    async with api.client.stream("POST", PATH, json={**BODY, **changes}) as response:
        yield response, parts(response)


async def parts(response: httpx.Response) -> AsyncIterator[Any]:
    async for line in response.aiter_lines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))
        elif line.startswith("data: "):
            yield line.removeprefix("data: ")


async def until_text(found: AsyncIterator[Any], text: str) -> list[Any]:
    """The parts up to the delta with this text."""
    seen = []
    async for part in found:
        seen.append(part)
        if part != "[DONE]" and part.get("delta") == text:
            return seen
    raise AssertionError(f"the answer ended after {seen}")


async def whole(api: RunningApi, path: str) -> list[Any]:
    response = await api.client.get(path)
    assert response.status_code == 200, response.text
    return [part async for part in parts(response)]


def without_end(found: list[Any]) -> list[Any]:
    return [part["type"] for part in found if part != "[DONE]"]


async def test_parts_come_as_they_are_said(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hel", 0))
    async with asked(api) as (response, found):
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
        assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        run = response.headers["x-run-id"]
        start, *_ = await until_text(found, "Hel")
        assert start["messageId"] == f"msg_{run.removeprefix('run_')}"
        api.prompter.say(Chunk("lo", 0))
        await until_text(found, "lo")
        api.prompter.finish()
        rest = [part async for part in found]
    assert rest[-1] == "[DONE]"
    assert without_end(rest) == ["text-end", "finish-step", "finish"]
    shown = (await api.client.get(f"/api/v1/runs/{run}")).json()
    assert (shown["state"], shown["snapshot"]["text"]) == ("completed", "Hello")


async def test_a_page_that_comes_back_reads_from_the_first_part(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hel", 0))
    async with asked(api) as (response, found):
        run = response.headers["x-run-id"]
        before = await until_text(found, "Hel")
    # It left, and leaving is not stopping.
    async with api.client.stream("GET", f"{PATH}/chat-1/stream") as response:
        assert response.headers["x-run-id"] == run
        again = parts(response)
        assert await until_text(again, "Hel") == before
        api.prompter.say(Chunk("lo", 0))
        api.prompter.finish()
        rest = [part async for part in again]
    assert without_end(rest) == ["text-delta", "text-end", "finish-step", "finish"]
    assert (await api.client.get(f"{PATH}/chat-1/stream")).status_code == 204
    # Who knows that it misses this answer's end gets it all the same.
    assert await whole(api, f"{PATH}/chat-1/stream?run={run}") == [*before, *rest]


async def test_an_answer_that_goes_on_is_read_again_with_the_steps_before(api: RunningApi) -> None:
    """A replay takes the place of the whole message; who only lost the connection has the steps before."""
    called = {
        "type": "tool-add",
        "toolCallId": "t1",
        "state": "output-available",
        "input": {"x": 1},
        "output": {"y": 2},
    }
    answer = {"id": "a1", "role": "assistant", "parts": [{"type": "step-start"}, called]}
    api.prompter.say(Chunk("Two.", 0))
    async with asked(api, messages=[*BODY["messages"], answer]) as (_, found):
        first = await until_text(found, "Two.")
    assert without_end(first) == ["start", "start-step", "text-start", "text-delta"]
    assert first[0]["messageId"] == "a1"
    async with api.client.stream("GET", f"{PATH}/chat-1/stream?steps=own") as response:
        assert await until_text(parts(response), "Two.") == first
    async with api.client.stream("GET", f"{PATH}/chat-1/stream") as response:
        whole_message = await until_text(parts(response), "Two.")
    steps = ["start-step", "tool-input-start", "tool-input-delta", "tool-output-available", "finish-step"]
    assert without_end(whole_message) == ["start", *steps, *without_end(first)[1:]]


@pytest.mark.slow
async def test_the_newest_answer_of_the_chat_and_of_no_other(api: RunningApi) -> None:
    assert (await api.client.get(f"{PATH}/chat-1/stream")).status_code == 204
    runs = []
    for chat in ("chat-1", "chat-1", "chat-2"):
        async with asked(api, id=chat) as (response, _):
            runs.append(response.headers["x-run-id"])
    async with api.client.stream("GET", f"{PATH}/chat-1/stream") as response:
        assert response.headers["x-run-id"] == runs[1]
    other = await api.client.get(f"{PATH}/chat-1/stream", params={"run": runs[2]})
    never = await api.client.get(f"{PATH}/chat-1/stream", params={"run": "run_" + "0" * 32})
    assert other.status_code == never.status_code == 404
    assert other.content == never.content


async def test_a_chat_is_found_without_reading_what_every_live_run_was_asked(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked(api) as (response, _):
        run = response.headers["x-run-id"]
    monkeypatch.delattr(type(api.storage.runs), "unfinished")
    async with api.client.stream("GET", f"{PATH}/chat-1/stream") as response:
        assert response.headers["x-run-id"] == run
    assert (await api.client.post(f"{PATH}/chat-1/stop")).status_code == 204
    *_, last = await api.ended(run)
    assert json.loads(last)["type"] == "cancelled"


@pytest.mark.parametrize("owner", [Owner("local", "other"), Owner("other", "local")])
async def test_a_stranger_finds_nothing(api: RunningApi, owner: Owner) -> None:
    theirs = RunRequest("prompted", messages=[Message("user", "Hello")], metadata={CHAT: "chat-1"})
    run, _ = await api.services.supervisor.submit(theirs, owner)
    assert (await api.client.get(f"{PATH}/chat-1/stream")).status_code == 204
    assert (await api.client.get(f"{PATH}/chat-1/stream", params={"run": run.id})).status_code == 404
    assert (await api.client.post(f"{PATH}/chat-1/stop")).status_code == 204
    row = await api.storage.runs.get(run.id)
    assert row is not None
    assert row.cancel_requested_by is None


async def test_stop_ends_what_is_under_way_and_nothing_else(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hel", 0))
    async with asked(api) as (response, found):
        run = response.headers["x-run-id"]
        await until_text(found, "Hel")
        async with asked(api, id="chat-2") as (response, _):
            other = response.headers["x-run-id"]
            assert (await api.client.post(f"{PATH}/chat-1/stop", json={})).status_code == 204
            rest = [part async for part in found]
            assert without_end(rest) == ["text-end", "abort"]
            assert rest[1]["reason"] == "user"
            assert (await api.client.get(f"/api/v1/runs/{other}")).json()["state"] == "running"
    assert (await api.client.get(f"/api/v1/runs/{run}")).json()["state"] == "cancelled"
    assert (await api.client.post(f"{PATH}/chat-1/stop")).status_code == 204


@pytest.mark.slow
@pytest.mark.parametrize("chat", ["a/b", "%", "é ?#", "stream"])
async def test_any_id_is_found_again(api: RunningApi, chat: str) -> None:
    async with asked(api, id=chat) as (response, _):
        run = response.headers["x-run-id"]
    async with api.client.stream("GET", f"{PATH}/{quote(chat, safe='')}/stream") as response:
        assert response.headers["x-run-id"] == run
    assert (await api.client.post(f"{PATH}/{quote(chat, safe='')}/stop")).status_code == 204
    *_, last = await api.ended(run)
    assert json.loads(last)["type"] == "cancelled"


async def test_a_repeat_with_the_same_key_is_the_same_answer(api: RunningApi) -> None:
    api.prompter.script = [[Chunk("Hi", 0)]]
    api.prompter.finish()
    key = {"idempotency-key": "k"}
    first, second = [await api.client.post(PATH, json=BODY, headers=key) for _ in range(2)]
    assert first.headers["x-run-id"] == second.headers["x-run-id"]
    assert second.headers["idempotency-replayed"] == "true"
    assert first.content == second.content


async def test_two_readers_of_one_answer(api: RunningApi) -> None:
    async with asked(api) as (response, found):
        api.prompter.say(Chunk("Hel", 0))
        before = await until_text(found, "Hel")
        async with api.client.stream("GET", f"{PATH}/chat-1/stream") as response:
            again = parts(response)
            assert await until_text(again, "Hel") == before
            api.prompter.finish()
            assert [part async for part in again] == [part async for part in found]


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        ({"model": ""}, 400, "Say which model"),
        ({"model": "nobody"}, 400, "nobody"),
        ({"messages": []}, 400, "nothing to answer"),
        ({"foo": 1}, 400, "foo"),
        ({"settings": {"temperature": 3}}, 400, "temperature"),
    ],
)
async def test_what_is_refused_is_one_sentence(
    api: RunningApi, changes: dict[str, Any], status: int, sentence: str
) -> None:
    response = await api.client.post(PATH, json={**BODY, **changes})
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert sentence in response.text
    assert (await api.client.get("/api/v1/runs")).json()["runs"] == []
