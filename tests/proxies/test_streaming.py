"""Behind every proxy each token arrives as it is sent: none is held back until there are more. Fault 5."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.acceptance.scene import received_for
from tests.proxies.servers import Door
from tests.proxies.stage import Stage, request_of

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

Note = Callable[[str, object], None]


async def test_the_first_byte_comes_while_the_model_is_silent(stage: Stage, record_property: Note) -> None:
    took: dict[str, str] = {}

    async def check(door: Door) -> None:
        prompt = f"Silence at {door.name}"
        talk = stage.talk(prompt)
        run = await stage.scene.start(prompt, model="scripted", answer=talk.text)
        received = await received_for(stage.upstream, prompt)
        asked = time.perf_counter()
        async with stage.stream(door, "GET", f"/api/v1/runs/{run}/events") as stream:
            await stream.until(": ok\n\n")
            took[door.name] = f"{1000 * (time.perf_counter() - asked):.0f} ms"
            assert received.bytes_sent == 0
            await stream.until('"connecting"')
            talk.finish()
            await stream.rest()
            assert stream.http.whole
            assert b'"complete"' in stream.seen

    await stage.everywhere(check)
    record_property("note", f"first byte of a silent run's stream: {took}")
    await stage.scene.judge()


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
async def test_every_token_comes_as_it_is_sent(stage: Stage, accept: str) -> None:
    """The model says the next word only when the reader saw the one before: one that is held back ends it all."""

    async def check(door: Door) -> None:
        prompt = f"Tell {door.name}"
        talk = stage.talk(prompt)
        run = await stage.scene.start(prompt, model="scripted", answer=talk.text)
        async with stage.stream(door, "GET", f"/api/v1/runs/{run}/events", {"accept": accept}) as stream:
            assert stream.http.status == 200
            assert stream.http.headers["content-type"].startswith(accept)
            for number in range(len(talk.words)):
                await stream.until(talk.say(number))
            talk.finish()
            await stream.rest()
            assert stream.http.whole

    await stage.everywhere(check)
    await stage.scene.judge()


async def test_the_answer_to_a_start_streams(stage: Stage) -> None:
    async def check(door: Door) -> None:
        prompt = f"Start at {door.name}"
        talk = stage.talk(prompt)
        headers = {"accept": "text/event-stream"}
        async with stage.stream(door, "POST", "/api/v1/runs", headers, request_of(prompt)) as stream:
            assert stream.http.status == 201
            assert stream.http.headers["x-run-id"].startswith("run_")
            await stream.until(": ok\n\n")
            for number in range(len(talk.words)):
                await stream.until(talk.say(number))
            talk.finish()
            await stream.rest()
            assert stream.http.whole

    await stage.everywhere(check)
