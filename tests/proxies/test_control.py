"""What a client does passes through every proxy: it stops a run, leaves it, polls it. T3, T5."""

from __future__ import annotations

import pytest

from tests.acceptance.scene import received_for
from tests.kit.client import call
from tests.kit.history import Cancelled
from tests.kit.upstream import Received
from tests.proxies.servers import Door
from tests.proxies.stage import Stage, Talk, request_of

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def begin(stage: Stage, door: Door, what: str, **more: object) -> tuple[str, Talk, Received]:
    """A run that is started at that door, and the call to the model, which waits before its first word."""
    prompt = f"{what} at {door.name}"
    talk = stage.talk(prompt)
    answer = await call(door.port, "POST", "/api/v1/runs", request_of(prompt, **more), way=door.way)
    run = stage.scene.note_start(prompt, answer, answer=talk.text)
    return run, talk, await received_for(stage.upstream, prompt)


async def test_stop_stops_the_model(shared_stage: Stage) -> None:
    async def check(door: Door) -> None:
        run, talk, received = await begin(shared_stage, door, "Stop")
        async with shared_stage.stream(door, "GET", f"/api/v1/runs/{run}/events") as stream:
            await stream.until(talk.say(0))
            assert (await call(door.port, "POST", f"/api/v1/runs/{run}/cancel", way=door.way)).status == 202
            shared_stage.scene.history.note(Cancelled(run))
            await stream.rest()
            assert b'"type":"cancelled","data":{"by":"user"' in stream.seen
        await received.closed.wait()
        assert not received.played.is_set()

    await shared_stage.everywhere(check)


@pytest.mark.parametrize("form", ["text/event-stream", "application/x-ndjson"])
async def test_a_client_that_leaves_is_seen_to_leave(shared_stage: Stage, form: str) -> None:
    """`on_disconnect: cancel` closes the call to the model, though nothing is sent by which a proxy could notice."""

    async def check(door: Door) -> None:
        run, talk, received = await begin(shared_stage, door, f"Leave {form}", on_disconnect="cancel")
        async with shared_stage.stream(door, "GET", f"/api/v1/runs/{run}/events", {"accept": form}) as stream:
            await stream.until(talk.say(0))
        await received.closed.wait()
        final = await shared_stage.scene.end(run)
        assert (final.type, final.data["by"]) == ("cancelled", "disconnect")

    await shared_stage.everywhere(check)


async def test_pages_can_be_polled(shared_stage: Stage) -> None:
    """A page that waits is answered when there is something for it, and not before."""

    async def check(door: Door) -> None:
        run, talk, _ = await begin(shared_stage, door, "Poll")
        cursor, said, text, closed = 0, 0, "", False
        while not closed:
            path = f"/api/v1/runs/{run}/events?after={cursor}&wait_ms=30000"
            page = (await call(door.port, "GET", path, headers={"accept": "application/json"}, way=door.way)).json()
            assert page["records"], "a poll was answered though there was nothing to say"
            assert [record["seq"] for record in page["records"]] == list(range(cursor + 1, page["last"] + 1))
            cursor, closed = page["last"], page["closed"]
            text += "".join(record["data"]["content"] for record in page["records"] if record["type"] == "chunk")
            if said < len(talk.words):
                talk.say(said)
                said += 1
            else:
                talk.finish()
        assert text == talk.text

    await shared_stage.everywhere(check)
    await shared_stage.scene.judge()
