"""Behind every proxy each token arrives as it is sent: none is held back until there are more. Fault 5."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.scene import SCRIPTED, received_for
from tests.kit.client import call
from tests.proxies.servers import HOST, PASSWORD, USER, Door
from tests.proxies.stage import Stage, request_of

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

CHAT = "/v1/chat/completions"
Note = Callable[[str, object], None]


async def test_the_first_byte_comes_while_the_model_is_silent(shared_stage: Stage, record_property: Note) -> None:
    took: dict[str, str] = {}

    async def check(door: Door) -> None:
        prompt = f"Silence at {door.name}"
        talk = shared_stage.talk(prompt)
        run = await shared_stage.scene.start(prompt, model=SCRIPTED, answer=talk.text)
        received = await received_for(shared_stage.upstream, prompt)
        asked = time.perf_counter()
        async with shared_stage.stream(door, "GET", f"/api/v1/runs/{run}/events") as stream:
            await stream.until(": ok\n\n")
            took[door.name] = f"{1000 * (time.perf_counter() - asked):.0f} ms"
            assert received.bytes_sent == 0
            await stream.until('"connecting"')
            talk.finish()
            await stream.rest()
            assert stream.http.whole
            assert b'"complete"' in stream.seen

    await shared_stage.everywhere(check)
    record_property("note", f"first byte of a silent run's stream: {took}")
    await shared_stage.scene.judge()


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
async def test_every_token_comes_as_it_is_sent(shared_stage: Stage, accept: str) -> None:
    """The model says the next word only when the reader saw the one before: one that is held back ends it all."""

    async def check(door: Door) -> None:
        prompt = f"Tell {door.name} as {accept}"
        talk = shared_stage.talk(prompt)
        run = await shared_stage.scene.start(prompt, model=SCRIPTED, answer=talk.text)
        async with shared_stage.stream(door, "GET", f"/api/v1/runs/{run}/events", {"accept": accept}) as stream:
            assert stream.http.status == 200
            assert stream.http.headers["content-type"].startswith(accept)
            for number in range(len(talk.words)):
                await stream.until(talk.say(number))
            talk.finish()
            await stream.rest()
            assert stream.http.whole

    await shared_stage.everywhere(check)
    await shared_stage.scene.judge()


async def test_the_answer_to_a_start_streams(shared_stage: Stage) -> None:
    async def check(door: Door) -> None:
        prompt = f"Start at {door.name}"
        talk = shared_stage.talk(prompt)
        headers = {"accept": "text/event-stream"}
        async with shared_stage.stream(door, "POST", "/api/v1/runs", headers, request_of(prompt)) as stream:
            assert stream.http.status == 201
            assert stream.http.headers["x-run-id"].startswith("run_")
            await stream.until(": ok\n\n")
            for number in range(len(talk.words)):
                await stream.until(talk.say(number))
            talk.finish()
            await stream.rest()
            assert stream.http.whole

    await shared_stage.everywhere(check)


def chat_of(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": SCRIPTED, "messages": [{"role": "user", "content": prompt}], **more}


async def test_a_chat_completion_streams(shared_stage: Stage) -> None:
    """What OpenAI's SDKs call: a sign of life while the model is silent, then each chunk as it is sent."""

    async def check(door: Door) -> None:
        prompt = f"Chat at {door.name}"
        talk = shared_stage.talk(prompt)
        async with shared_stage.stream(door, "POST", CHAT, body=chat_of(prompt, stream=True)) as stream:
            assert stream.http.status == 200
            await stream.until("\n\n")
            assert (await received_for(shared_stage.upstream, prompt)).bytes_sent == 0
            for number in range(len(talk.words)):
                await stream.until(talk.say(number))
            talk.finish()
            await stream.rest()
            assert stream.http.whole
            assert stream.seen.endswith(b"data: [DONE]\n\n")

    await shared_stage.everywhere(check)


async def test_a_chat_completion_comes_whole(shared_stage: Stage) -> None:
    async def check(door: Door) -> None:
        prompt = f"All at {door.name}"
        talk = shared_stage.talk(prompt)
        talk.finish()
        answer = await call(door.port, "POST", CHAT, chat_of(prompt), way=door.way)
        assert answer.status == 200
        assert answer.json()["choices"][0]["message"]["content"] == talk.text

    await shared_stage.everywhere(check)


async def test_who_leaves_a_chat_completion_stops_the_model(shared_stage: Stage) -> None:
    async def check(door: Door) -> None:
        prompt = f"Leave {door.name}"
        talk = shared_stage.talk(prompt)
        headers = {"headwater-on-disconnect": "cancel"}
        async with shared_stage.stream(door, "POST", CHAT, headers, chat_of(prompt, stream=True)) as stream:
            await stream.until(talk.say(0))
        await (await received_for(shared_stage.upstream, prompt)).closed.wait()

    await shared_stage.everywhere(check)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is the client that speaks HTTP/2")
@pytest.mark.parametrize("name", ["our nginx", "our Caddy"])
async def test_every_token_comes_over_http2(shared_stage: Stage, name: str) -> None:
    """What browsers speak to both: all tabs share one connection, and a stream that is left is reset, not closed."""
    door = next(door for door in shared_stage.doors if door.name == name)
    talk = shared_stage.talk(name)
    run = await shared_stage.scene.start(name, model=SCRIPTED, on_disconnect="cancel")
    curl = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--no-buffer", "--http2", "--include", "--cacert", str(shared_stage.authority)),
        *("--resolve", f"{HOST}:{door.port}:127.0.0.1", "--user", f"{USER}:{PASSWORD}"),
        f"{door.url}/api/v1/runs/{run}/events",
        stdout=asyncio.subprocess.PIPE,
    )
    assert curl.stdout is not None
    seen = b""
    try:
        for number in range(len(talk.words)):
            word = talk.say(number).encode()
            while word not in seen:
                data = await curl.stdout.read(4096)
                assert data, seen
                seen += data
        assert seen.startswith(b"HTTP/2 200")
    finally:
        curl.kill()
        await curl.wait()
    await (await received_for(shared_stage.upstream, name)).closed.wait()
