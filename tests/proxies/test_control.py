"""What a client does passes through every proxy: it stops a run, leaves it, polls it. T3, T5."""

from __future__ import annotations

import pytest

from tests.acceptance.scene import received_for
from tests.kit.client import call
from tests.proxies.servers import Door
from tests.proxies.stage import Stage, Talk, request_of

pytestmark = [pytest.mark.heavy, pytest.mark.slow]


async def begin(stage: Stage, door: Door, **more: object) -> tuple[str, Talk]:
    """A run that is started at that door, after whose first word the model waits."""
    talk = stage.talk(door.name)
    answer = await call(door.port, "POST", "/api/v1/runs", request_of(door.name, **more), way=door.way)
    run = stage.scene.note_start(door.name, answer, answer=talk.text)
    await received_for(stage.upstream, door.name)
    return run, talk


async def test_stop_stops_the_model(stage: Stage) -> None:
    async def check(door: Door) -> None:
        run, talk = await begin(stage, door)
        async with stage.stream(door, "GET", f"/api/v1/runs/{run}/events") as stream:
            await stream.until(talk.say(0))
            assert (await call(door.port, "POST", f"/api/v1/runs/{run}/cancel", way=door.way)).status == 202
            await stream.rest()
            assert b'"type":"cancelled","data":{"by":"user"' in stream.seen
        received = await received_for(stage.upstream, door.name)
        await received.closed.wait()
        assert not received.played.is_set()

    await stage.everywhere(check)


@pytest.mark.parametrize("form", ["text/event-stream", "application/x-ndjson"])
async def test_a_client_that_leaves_is_seen_to_leave(stage: Stage, form: str) -> None:
    """`on_disconnect: cancel` closes the call to the model, though nothing is sent by which a proxy could notice."""

    async def check(door: Door) -> None:
        run, talk = await begin(stage, door, on_disconnect="cancel")
        async with stage.stream(door, "GET", f"/api/v1/runs/{run}/events", {"accept": form}) as stream:
            await stream.until(talk.say(0))
        received = await received_for(stage.upstream, door.name)
        await received.closed.wait()
        final = await stage.scene.end(run)
        assert (final.type, final.data["by"]) == ("cancelled", "disconnect")

    await stage.everywhere(check)


async def test_pages_can_be_polled(stage: Stage) -> None:
    """A page that waits is answered when there is something for it, and not before."""

    async def check(door: Door) -> None:
        run, talk = await begin(stage, door)
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

    await stage.everywhere(check)
    await stage.scene.judge()
