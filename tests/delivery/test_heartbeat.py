"""Silences are broken and stalls are cut, in virtual time (T4, T8)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from headwater.delivery.hub import Hub
from headwater.delivery.sse import SSE
from headwater.delivery.subscription import Subscription, Why
from headwater.delivery.view import View
from headwater.storage.memory import MemoryStorage
from tests.delivery.rig import RUN, Presences, Tasks, record, records, seqs
from tests.delivery.sinks import HeldSink
from tests.kit.virtual import VirtualClock, run_virtual

HEARTBEAT_S = 15.0
STALL_S = 30.0


class TimedSink(HeldSink):
    """Notes when it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = [asyncio.get_running_loop().time()]

    def write(self, data: bytes) -> bool:
        self.times.append(asyncio.get_running_loop().time())
        return super().write(data)

    @property
    def silences(self) -> list[float]:
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]


class Scene:
    """A hub in virtual time."""

    def __init__(self) -> None:
        self.log = MemoryStorage().log
        self.presence = Presences()
        self.hub = Hub(
            self.log,
            clock=VirtualClock(asyncio.get_running_loop()),
            spawn=Tasks(),
            observer=self.presence,
            presence=self.presence,
            heartbeat_s=HEARTBEAT_S,
            stall_s=STALL_S,
        )
        self.tail = 0

    async def append(self, *payloads: bytes) -> None:
        await self.log.append(RUN, self.tail, payloads, 1)
        self.tail += len(payloads)

    async def join(self, after: int = 0) -> tuple[Subscription, TimedSink]:
        sink = TimedSink()
        reader = self.hub.join(RUN, await self.hub.start(RUN, after, View(SSE)), sink)
        sink.drained = reader.drained
        reader.begin()
        return reader, sink


def play(scene: Coroutine[Any, Any, None]) -> None:
    run_virtual(scene)


async def opened() -> Scene:
    scene = Scene()
    await scene.log.claim(RUN, 1)
    return scene


def test_no_silence_is_longer_than_the_heartbeat() -> None:
    async def scene() -> None:
        here = await opened()
        _, sink = await here.join()
        for pause_s in (100.0, 3.0, 14.9, 0.1, 15.0, 40.0, 1.0):
            await asyncio.sleep(pause_s)  # paces: virtual time
            await here.append(record(here.tail + 1))
        assert max(sink.silences) <= HEARTBEAT_S
        assert seqs(sink.body) == list(range(1, 8))
        assert SSE.heartbeat in sink.writes

    play(scene())


def test_a_run_that_speaks_needs_no_heartbeats() -> None:
    async def scene() -> None:
        here = await opened()
        _, sink = await here.join()
        for _ in range(100):
            await asyncio.sleep(5)  # paces: virtual time
            await here.append(record(here.tail + 1))
        assert SSE.heartbeat not in sink.writes

    play(scene())


def test_a_reader_that_takes_nothing_is_cut_in_its_time() -> None:
    async def scene() -> None:
        here = await opened()
        loop = asyncio.get_running_loop()
        _, good = await here.join()
        reader, stalled = await here.join()
        stalled.hold()
        await here.append(*records(3))
        began = loop.time()
        while not stalled.aborted:
            await asyncio.sleep(0.5)  # paces: virtual time
            if here.tail < 50:
                await here.append(record(here.tail + 1))
        assert STALL_S <= loop.time() - began <= STALL_S * 1.5
        assert [(left.why, left.records) for left in here.presence.left] == [("stalled", 3)]
        assert seqs(stalled.body) == [1, 2, 3], "whole records, so that the last of them is a cursor"
        assert reader.cursor == 3
        assert seqs(good.body) == list(range(1, here.tail + 1))
        assert not good.ended

    play(scene())


def test_a_slow_reader_that_takes_something_is_not() -> None:
    async def scene() -> None:
        here = await opened()
        _, slow = await here.join()
        slow.hold()
        await here.append(record(1, "x" * 200_000), *records(5, 1))
        while seqs(slow.body) != [1, 2, 3, 4, 5, 6]:
            await asyncio.sleep(STALL_S * 0.8)  # paces: virtual time
            slow.hold()
            slow.drained()
        assert not slow.ended

    play(scene())


def test_a_reader_that_was_idle_for_long_and_then_fills_has_its_full_time() -> None:
    async def scene() -> None:
        here = await opened()
        _, sink = await here.join()
        await asyncio.sleep(1000)  # paces: virtual time
        sink.hold()
        await here.append(record(1))
        await asyncio.sleep(STALL_S * 0.9)  # paces: virtual time
        assert not sink.ended
        sink.drain()
        await asyncio.sleep(STALL_S)  # paces: virtual time
        assert not sink.ended

    play(scene())


def test_a_heartbeat_nobody_takes_leads_to_the_cut() -> None:
    async def scene() -> None:
        here = await opened()
        _, sink = await here.join()
        sink.hold()
        await asyncio.sleep(HEARTBEAT_S + STALL_S * 1.5)  # paces: virtual time
        assert sink.aborted
        assert sink.writes == [SSE.heartbeat]

    play(scene())


def test_the_timer_stops_with_the_last_reader() -> None:
    """A virtual loop that has nothing to wait for says so: nothing is left behind."""

    async def scene() -> None:
        here = await opened()
        for _ in range(2):
            reader, _ = await here.join()
            await asyncio.sleep(100)  # paces: virtual time
            reader.end(Why.CLIENT)
            await asyncio.sleep(100)  # paces: virtual time
            assert here.hub._heartbeat._timer is None
        assert here.hub.readers == 0

    play(scene())


def test_bytes_for_catching_up_are_let_go_when_nobody_is_behind() -> None:
    async def scene() -> None:
        here = await opened()
        await here.append(*records(3000))
        await here.join()
        [feed] = here.hub._feeds.values()
        _, behind = await here.join(1000)
        behind.hold()
        await here.append(*records(1, 3000))
        assert feed._blocks_bytes > 0
        await asyncio.sleep(STALL_S * 0.9)  # paces: virtual time
        assert feed._blocks_bytes > 0
        behind.drain()
        await asyncio.sleep(HEARTBEAT_S)  # paces: virtual time
        assert (feed._blocks, feed._blocks_bytes, feed._full) == ({}, 0, set())

    play(scene())


def test_a_log_that_never_comes_is_not_waited_for_for_ever() -> None:
    async def scene() -> None:
        here = Scene()
        _, waiting = await here.join()
        await asyncio.sleep(HEARTBEAT_S * 2)  # paces: virtual time
        assert waiting.finished
        assert [left.why for left in here.presence.left] == ["deleted"]

    play(scene())


@pytest.mark.parametrize("count", [1, 100])
def test_one_timer_serves_all(count: int) -> None:
    async def scene() -> None:
        here = await opened()
        sinks = [(await here.join())[1] for _ in range(count)]
        await asyncio.sleep(60)  # paces: virtual time
        assert {sink.writes.count(SSE.heartbeat) for sink in sinks} == {sinks[0].writes.count(SSE.heartbeat)}
        assert sinks[0].writes.count(SSE.heartbeat) >= 4

    play(scene())
