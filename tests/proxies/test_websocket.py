"""A WebSocket through every proxy that lets one pass: records as they come, and a stop that reaches the model. T3."""

from __future__ import annotations

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.acceptance.scene import received_for
from tests.kit.websocket import Socket
from tests.proxies.servers import Door
from tests.proxies.stage import Stage, request_of

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


def through(door: Door, **options: object) -> connect:
    """A socket by that door's name, password and certificate."""
    address = f"{door.url.replace('http', 'ws', 1)}/api/v1/ws"
    way = door.way
    return connect(
        address,
        ssl=way.tls,
        host="127.0.0.1",
        port=door.port,
        additional_headers=dict(way.headers),
        proxy=None,
        **options,  # type: ignore[arg-type]
    )


async def test_records_come_one_by_one_and_a_cancel_goes_back(shared_stage: Stage) -> None:
    async def check(door: Door) -> None:
        if door.name.startswith("nginx"):
            with pytest.raises(InvalidStatus) as refusal:
                async with through(door):
                    pass
            assert refusal.value.response.status_code == 426, "as it is, nginx does not say what was asked for"
            return
        prompt = f"Socket at {door.name}"
        talk = shared_stage.talk(prompt)
        async with through(door) as connection:
            socket = Socket(connection)
            run = (await socket.done("start", request=request_of(prompt)))["run"]
            received = await received_for(shared_stage.upstream, prompt)
            for number in range(2):
                word = talk.say(number)
                await socket.until(lambda word=word: word in json.dumps(socket.records.get(run)))  # type: ignore[misc]
            await socket.done("cancel", run=run)
            await socket.ended(run)
            assert socket.records[run][-1]["type"] == "cancelled"
        await received.closed.wait()

    await shared_stage.everywhere(check)


async def test_a_page_of_another_site_is_refused_behind_a_proxy_too(shared_stage: Stage) -> None:
    async def check(door: Door) -> None:
        with pytest.raises(InvalidStatus) as refusal:
            async with through(door, origin="https://evil.example"):
                pass
        assert refusal.value.response.status_code == 403

    await shared_stage.everywhere(check)
