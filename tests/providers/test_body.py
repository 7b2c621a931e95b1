"""A body by the shortest way: nothing is lost, its end and its loss are told, a slow reader holds the sender up."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import aiohttp
import pytest

from headwater.providers.body import Body, thin

HIGH_BYTES = 8


class Protocol:
    """The connection, as far as a body asks it for something."""

    def __init__(self) -> None:
        self._reading_paused = False
        self.waiting: list[bytes] = []
        self.body: aiohttp.StreamReader

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self, resume_parser: bool = True) -> None:
        self._reading_paused = False
        while self.waiting and resume_parser and not self._reading_paused:
            self.body.feed_data(self.waiting.pop(0))


@pytest.fixture
async def protocol() -> Protocol:
    protocol = Protocol()
    # aiohttp names the class of its own protocol here
    body = aiohttp.StreamReader(cast(Any, protocol), HIGH_BYTES // 2, loop=asyncio.get_running_loop())
    protocol.body = body
    thin(body)
    assert isinstance(body, Body)
    return protocol


async def test_what_has_arrived_is_read_at_once_and_the_rest_is_waited_for(protocol: Protocol) -> None:
    body = protocol.body
    for piece in (b"a", b"", b"b"):
        body.feed_data(piece)
    assert await body.readany() == b"ab"
    reading = asyncio.ensure_future(body.readany())
    await asyncio.sleep(0)  # paces: lets it ask
    assert not reading.done()
    body.feed_data(b"c")
    assert await reading == b"c"
    body.feed_data(b"d")
    body.feed_eof()
    assert [await body.readany(), await body.readany()] == [b"d", b""]


async def test_a_loss_comes_after_what_arrived_before_it(protocol: Protocol) -> None:
    body = protocol.body
    body.feed_data(b"a")
    body.set_exception(aiohttp.ClientPayloadError("cut"))
    assert await body.readany() == b"a"
    with pytest.raises(aiohttp.ClientPayloadError):
        await body.readany()


async def test_whoever_waits_hears_of_the_loss(protocol: Protocol) -> None:
    reading = asyncio.ensure_future(protocol.body.readany())
    await asyncio.sleep(0)  # paces: lets it ask
    protocol.body.set_exception(aiohttp.ClientPayloadError("cut"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await reading


async def test_a_reader_that_is_cancelled_leaves_the_body_readable(protocol: Protocol) -> None:
    reading = asyncio.ensure_future(protocol.body.readany())
    await asyncio.sleep(0)  # paces: lets it ask
    reading.cancel()
    await asyncio.wait([reading])
    protocol.body.feed_data(b"a")
    assert await protocol.body.readany() == b"a"


async def test_a_slow_reader_holds_the_sender_up_and_loses_nothing(protocol: Protocol) -> None:
    pieces = [b"%d" % number * 3 for number in range(10)]
    protocol.waiting = pieces.copy()
    protocol.resume_reading()
    assert protocol._reading_paused
    assert sum(map(len, pieces)) - sum(map(len, protocol.waiting)) <= HIGH_BYTES + 3
    got = b""
    while len(got) < 30:
        got += await protocol.body.readany()
    assert got == b"".join(pieces)
    assert not protocol._reading_paused


async def test_a_body_that_is_known_to_be_empty_stays_as_it_is() -> None:
    empty = aiohttp.streams.EMPTY_PAYLOAD
    thin(empty)
    assert not isinstance(empty, Body)
