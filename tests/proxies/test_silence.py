"""A model that is silent for longer than a proxy waits: Headwater's comments carry the connection over it. Fault 6."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.scene import SCRIPTED, received_for, until
from tests.proxies.servers import Door, plain_nginx
from tests.proxies.stage import Stage, product_stage

# Not heavy: it does next to nothing, for a minute and a half, and others need not wait for it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: nginx gives up after 60 s, unless it is told otherwise.
SILENCE_S = 90.0
LIMIT_S = 2 * SILENCE_S

FORMS = ("text/event-stream", "application/x-ndjson")


async def _is_carried(stage: Stage, accept: str, door: Door) -> None:
    """One connection, silent for so long between two words."""
    prompt = f"{accept} at {door.name}"
    talk = stage.talk(prompt, 2)
    run = await stage.scene.start(prompt, model=SCRIPTED, answer=talk.text)
    path, headers = f"/api/v1/runs/{run}/events", {"accept": accept}
    async with stage.stream(door, "GET", path, headers, limit_s=LIMIT_S) as stream:
        await stream.until(talk.say(0))
        before = len(stream.seen)
        word = asyncio.create_task(stream.until(talk.words[1]))
        await asyncio.sleep(SILENCE_S)  # paces: the model thinks for so long
        assert not word.done()
        # Something has come, and it is nothing to a reader.
        assert set(stream.seen[before:].decode().replace(": heartbeat", "").split("\n")) == {""}
        talk.say(1)
        await word
        talk.finish()
        await stream.rest()
        assert stream.http.whole


async def _page_is_waited_for(stage: Stage, door: Door) -> None:
    """The longest poll that there is: nothing at all is sent in its minute."""
    prompt = f"Poll at {door.name}"
    talk = stage.talk(prompt)
    run = await stage.scene.start(prompt, model=SCRIPTED, answer=talk.text)

    async def is_called() -> bool:
        return int((await stage.scene.show(run))["tail"]) == 2

    await until(is_called, "what is said before the model is silent")
    path, headers = f"/api/v1/runs/{run}/events?after=2&wait_ms=60000", {"accept": "application/json"}
    async with stage.stream(door, "GET", path, headers, limit_s=LIMIT_S) as stream:
        await stream.rest()
        assert (stream.http.status, json.loads(stream.seen)["records"]) == (200, [])
    talk.finish()


async def _completion_is_waited_for(stage: Stage, door: Door) -> None:
    """An answer that is no stream: not even its head can be sent before the model is done."""
    prompt = f"Complete at {door.name}"
    talk = stage.talk(prompt)
    body = {"model": SCRIPTED, "messages": [{"role": "user", "content": prompt}]}

    async def think() -> None:
        await received_for(stage.upstream, prompt)
        await asyncio.sleep(SILENCE_S)  # paces: the model thinks for so long
        talk.finish()

    thinking = asyncio.create_task(think())
    async with stage.stream(door, "POST", "/v1/chat/completions", body=body, limit_s=LIMIT_S) as stream:
        await stream.rest()
        waits = door.name != "nginx"
        assert stream.http.status == (200 if waits else 504)
        assert not waits or json.loads(stream.seen)["choices"][0]["message"]["content"] == talk.text
    await thinking


async def _is_cut(stage: Stage, door: Door) -> None:
    """What happens where nothing breaks the silence: the proxy ends it, and a reader comes back."""
    talk = stage.talk(door.name, 2)
    run = await stage.scene.start(door.name, model=SCRIPTED, answer=talk.text)
    async with stage.stream(door, "GET", f"/api/v1/runs/{run}/events", limit_s=LIMIT_S) as stream:
        await stream.until(talk.say(0))
        await stream.rest()
        assert not stream.http.whole
    talk.finish()
    reader = stage.scene.reader(run)
    await reader.read_on(door.port)
    assert reader.ended


async def test_ninety_seconds_of_silence_are_not_cut(
    stage: Stage, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """All side by side. The last is the control: the same nginx cuts a silence that is not broken."""
    (tmp_path / "quiet").mkdir()
    async with product_stage(tmp_path / "quiet" / "data", heartbeat_s=300) as quiet:
        door = plain_nginx("nginx without heartbeats", tmp_path / "quiet" / "nginx", quiet.product.port)
        async with door, asyncio.TaskGroup() as group:
            for accept in FORMS:
                group.create_task(stage.everywhere(partial(_is_carried, stage, accept)))
            for named in stage.doors:
                if named.name.startswith("our "):
                    group.create_task(_page_is_waited_for(stage, named))
                if named.name != "nginx of old":
                    group.create_task(_completion_is_waited_for(stage, named))
            group.create_task(_is_cut(quiet, door))
        await quiet.scene.judge()
        assert "upstream timed out" in door.log_text
    await stage.scene.judge()
    record_property("note", f"{SILENCE_S:g} s of a silent model were carried by {', '.join(map(repr, stage.doors))}")
