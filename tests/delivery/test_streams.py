"""Those who wait for a stream: what wakes them, what ends them, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from headwater.clock import SystemClock
from headwater.delivery import streams
from headwater.delivery.connection import CONNECTION
from headwater.delivery.formats.durable_streams import Place
from headwater.delivery.streams import PIECE_BYTES, Portion, StreamReaders, StreamSource
from headwater.domain.run import LOCAL_OWNER
from headwater.domain.stream import Append, StreamConfig, StreamName
from headwater.errors import NotFoundError
from headwater.storage.memory import MemoryStorage
from headwater.wire.sse import SSEDecoder

NAME = StreamName(LOCAL_OWNER, "s")
PLAIN = "text/plain"


class Presence:
    def __init__(self) -> None:
        self.readers: list[str] = []

    def reader_joined(self, run: str) -> None:
        self.readers.append(run)

    def reader_left(self, run: str) -> None:
        self.readers.remove(run)


class Client:
    """One request's end of a connection."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.told = asyncio.Condition()
        self.body = b""
        self.largest = 0
        self.headers: dict[bytes, bytes] = {}
        self.ended = self.aborted = self.stalls = False
        self.scope: dict[str, Any] = {"extensions": {CONNECTION: self}}

    def abort(self) -> None:
        self.aborted = True

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.stalls:
            await asyncio.Event().wait()
        async with self.told:
            self.headers |= dict(message.get("headers", ()))
            self.body += message.get("body", b"")
            self.largest = max(self.largest, len(message.get("body", b"")))
            self.ended = message["type"] == "http.response.body" and not message["more_body"]
            self.told.notify_all()

    async def until(self, text: bytes) -> None:
        async with self.told, asyncio.timeout(10):
            await self.told.wait_for(lambda: text in self.body)

    def events(self) -> list[tuple[str, Any]]:
        return [
            (frame.event, json.loads(frame.data) if frame.event == "control" else frame.data.decode())
            for frame in SSEDecoder().feed(self.body)
        ]


class Stage:
    """A stream, and a reader of it."""

    def __init__(self, storage: MemoryStorage, readers: StreamReaders, source: StreamSource) -> None:
        self.storage = storage
        self.readers = readers
        self.source = source
        self.client = Client()

    async def add(self, payload: bytes | None, close: bool = False) -> None:
        await self.storage.streams.append(NAME, Append(payload, PLAIN, close=close), 0)

    def poll(self, after: int) -> asyncio.Task[Portion | None]:
        return asyncio.create_task(self.readers.poll(self.source, after, self.client.receive, 1000))

    async def follow(self) -> asyncio.Task[None]:
        first = await self.source.read(0, 1000)
        client = self.client
        serving = self.readers.serve_sse(client.scope, client.receive, client.send, self.source, first, None, [])
        return asyncio.create_task(serving)

    async def someone_waits(self) -> None:
        while not self.storage.streams.watcher_count:  # noqa: ASYNC110  # the engine has no event for it
            await asyncio.sleep(0)  # paces: a turn of the loop for the reader's task


async def a_stage(long_poll_s: float = 30, heartbeat_s: float = 30, stall_s: float = 30) -> Stage:
    storage = MemoryStorage()
    await storage.open()
    stream, _ = await storage.streams.create(NAME, StreamConfig(PLAIN), b"one", 0)
    readers = StreamReaders(
        storage, SystemClock(), Presence(), long_poll_s=long_poll_s, heartbeat_s=heartbeat_s, stall_s=stall_s
    )
    return Stage(storage, readers, readers.stream(NAME, stream.id))


async def check_nobody_is_left(stage: Stage) -> None:
    assert (stage.readers.waiting, stage.storage.streams.watcher_count) == (0, 0)


async def test_a_long_record_is_taken_in_pieces() -> None:
    """Each of them has the time that a reader has for something; all of it at once may be too much for its line."""
    stage = await a_stage()
    long = "x" * (3 * PIECE_BYTES)
    await stage.add(long.encode(), close=True)
    await (await stage.follow())
    assert [data for event, data in stage.client.events() if event == "data"] == ["one", long]
    assert stage.client.largest == PIECE_BYTES
    assert stage.client.ended


async def test_a_poll_has_what_is_there_or_comes() -> None:
    stage = await a_stage()
    there = await stage.poll(0)
    assert there is not None
    assert there.payloads == [b"one"]
    waiting = stage.poll(1)
    await stage.someone_waits()
    await stage.add(b"two")
    come = await waiting
    assert come is not None
    assert (come.payloads, come.place) == ([b"two"], Place(2, True, False))
    await check_nobody_is_left(stage)


async def test_a_poll_ends_with_its_time_or_the_stream() -> None:
    stage = await a_stage(long_poll_s=0.01)
    in_vain = await stage.poll(1)
    assert in_vain is not None
    assert (in_vain.payloads, in_vain.place) == ([], Place(1, True, False))
    stage = await a_stage()
    waiting = stage.poll(1)
    await stage.someone_waits()
    await stage.add(None, close=True)
    closed = await waiting
    assert closed is not None
    assert closed.at_end
    await check_nobody_is_left(stage)


async def test_who_polls_a_stream_that_is_deleted_is_told() -> None:
    stage = await a_stage()
    waiting = stage.poll(1)
    await stage.someone_waits()
    await stage.storage.streams.delete(NAME, 0)
    with pytest.raises(NotFoundError):
        await waiting
    await check_nobody_is_left(stage)


async def test_a_drain_answers_every_poll() -> None:
    stage = await a_stage()
    waiting = stage.poll(1)
    await stage.someone_waits()
    stage.readers.drain()
    drained = await waiting
    assert drained is not None
    assert drained.payloads == []
    await check_nobody_is_left(stage)


async def test_a_client_that_leaves_is_not_waited_for() -> None:
    stage = await a_stage()
    waiting = stage.poll(1)
    await stage.someone_waits()
    stage.client.left.set()
    assert await waiting is None
    stage = await a_stage()
    following = await stage.follow()
    await stage.client.until(b"upToDate")
    stage.client.left.set()
    await following
    assert not stage.client.ended
    await check_nobody_is_left(stage)


async def test_events_follow_the_stream_to_its_end() -> None:
    stage = await a_stage()
    following = await stage.follow()
    await stage.client.until(b"upToDate")
    await stage.add(b"two")
    await stage.client.until(b"two")
    await stage.add(b"three", close=True)
    await following
    events = stage.client.events()
    assert [data for kind, data in events if kind == "data"] == ["one", "two", "three"]
    assert [kind for kind, _ in events] == ["data", "control"] * 3
    assert events[-1][1]["streamClosed"] is True
    assert stage.client.ended
    await check_nobody_is_left(stage)


async def test_what_comes_between_the_first_page_and_the_wait_is_not_missed() -> None:
    stage = await a_stage()
    first = await stage.source.read(0, 1000)
    await stage.add(b"two", close=True)
    client = stage.client
    await stage.readers.serve_sse(client.scope, client.receive, client.send, stage.source, first, None, [])
    assert [data for kind, data in client.events() if kind == "data"] == ["one", "two"]


async def test_silence_is_broken_and_a_drain_ends_in_good_order() -> None:
    stage = await a_stage(heartbeat_s=0.01)
    following = await stage.follow()
    await stage.client.until(b": heartbeat")
    stage.readers.drain()
    await following
    assert stage.client.ended
    assert [kind for kind, _ in stage.client.events()] == ["data", "control"]
    await check_nobody_is_left(stage)


async def test_an_event_stream_ends_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CONNECTION_S", 0.02)
    for heartbeat_s in (0.01, 30.0):
        stage = await a_stage(heartbeat_s=heartbeat_s)
        await (await stage.follow())
        assert stage.client.ended
        await check_nobody_is_left(stage)


async def test_a_client_that_takes_nothing_is_cut() -> None:
    stage = await a_stage(stall_s=0.02)
    following = await stage.follow()
    await stage.client.until(b"upToDate")
    stage.client.stalls = True
    await stage.add(b"two")
    await following
    assert stage.client.aborted
    await check_nobody_is_left(stage)


async def test_another_stream_of_the_same_name_is_another() -> None:
    stage = await a_stage()
    following = await stage.follow()
    await stage.client.until(b"upToDate")
    await stage.storage.streams.delete(NAME, 0)
    await stage.storage.streams.create(NAME, StreamConfig(PLAIN), b"other", 0)
    await following
    assert stage.client.aborted
    assert b"other" not in stage.client.body
    with pytest.raises(NotFoundError):
        await stage.source.read(0, 1000)


async def test_a_run_s_log_is_a_stream_that_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "GAP_S", 0.01)
    storage, presence = MemoryStorage(), Presence()
    await storage.open()
    readers = StreamReaders(storage, SystemClock(), presence, long_poll_s=30)
    source, client = readers.run_log("r"), Client()
    early = await source.read(0, 1000)
    assert (early.payloads, early.place) == ([], Place(0, True, False))
    await storage.log.claim("r", 1)
    serving = readers.serve_sse(client.scope, client.receive, client.send, source, early, None, [])
    following = asyncio.create_task(serving)
    await client.until(b"upToDate")
    assert presence.readers == ["r"]
    await storage.log.append("r", 0, [b'{"seq":1}', b'{"seq":2}'], 1, final=True)
    await following
    data = [json.loads(data) for kind, data in client.events() if kind == "data"]
    assert data == [[{"seq": 1}, {"seq": 2}]]
    assert client.events()[-1][1]["streamClosed"] is True
    while presence.readers:  # noqa: ASYNC110  # it is a timer that is waited for
        await asyncio.sleep(0.005)  # paces: a reader counts as there for `GAP_S` after it has left
    assert storage.log.watcher_count == 0
