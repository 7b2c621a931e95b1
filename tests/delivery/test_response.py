"""A subscription as an HTTP answer: what happens between the server and the loop when one of them misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from headwater.delivery.connection import CONNECTION
from headwater.delivery.response import HttpSink
from tests.delivery.rig import RUN, Message, Rig, final, records, seqs


class Held:
    """A connection in a test's hands."""

    def __init__(self) -> None:
        self.paused = False
        self.aborted = False
        self.resume: Callable[[], None] | None = None
        self.written: list[bytes] = []

    def write(self, data: bytes) -> bool:
        self.written.append(data)
        return not self.paused

    def on_resume(self, callback: Callable[[], None] | None) -> None:
        self.resume = callback

    @property
    def watched(self) -> bool:
        return self.resume is not None

    def drain(self) -> None:
        if self.resume is not None:
            self.resume()

    def abort(self) -> None:
        self.aborted = True


class Client:
    """The server's side of an ASGI call: what was sent, and a `receive` that ends when the test says so."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        #: the answer is under way: its task asks whether the client is still there
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()
        self.connection = Held()
        self.scope: dict[str, Any] = {"type": "http", "extensions": {CONNECTION: self.connection}}

    @property
    def body(self) -> bytes:
        return b"".join([*(message.get("body", b"") for message in self.sent), *self.connection.written])

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def receive(self) -> Message:
        self.asked.set()
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def begin(rig: Rig, client: Client) -> asyncio.Task[None]:
    task = asyncio.create_task(rig.hub.serve_sse(client.scope, client.receive, client.send, RUN, 0))
    await client.asked.wait()
    return task


async def test_another_server_is_refused_in_plain_words() -> None:
    rig = Rig()
    await rig.begin()
    client = Client()
    with pytest.raises(RuntimeError, match=r"headwater\.api\.server"):
        await rig.hub.serve_sse({"type": "http"}, client.receive, client.send, RUN, 0)
    assert client.sent == []
    assert rig.hub.readers == 0


async def test_nothing_is_sent_to_a_paused_connection() -> None:
    rig = Rig()
    await rig.begin()
    await rig.append(*records(3))
    client = Client()
    client.connection.paused = True
    task = await begin(rig, client)
    assert seqs(client.body) == []
    client.connection.paused = False
    client.connection.drain()
    assert seqs(client.body) == [1, 2, 3]
    client.gone.set()
    await task
    assert not client.connection.watched
    assert rig.presence.left[0].why == "client"


async def test_an_end_that_breaks_cuts_the_connection_and_hurts_nobody_else() -> None:
    held, good = Held(), Held()

    async def breaks(message: Message) -> None:
        raise OSError("broken pipe")

    async def ends(message: Message) -> None:
        assert message == {"type": "http.response.body", "body": b"", "more_body": False}

    HttpSink(breaks, held).finish()
    HttpSink(ends, good).finish()
    assert held.aborted
    assert not good.aborted


async def test_an_end_that_waits_is_not_left_half_done() -> None:
    held = Held()

    async def waits(message: Message) -> None:
        await asyncio.sleep(0)  # paces: a layer that holds answers back

    HttpSink(waits, held).finish()
    assert held.aborted


async def test_a_sink_says_when_it_is_full() -> None:
    client = Client()
    sink = HttpSink(client.send, client.connection)
    assert sink.write(b"abc") is True
    client.connection.paused = True
    assert sink.write(b"abcd") is False
    assert client.connection.written == [b"abc", b"abcd"]
    assert client.sent == []
    sink.abort()
    assert client.connection.aborted


async def test_a_cancelled_request_leaves_no_reader() -> None:
    rig = Rig()
    await rig.begin()
    client = Client()
    task = await begin(rig, client)
    assert rig.hub.readers == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (rig.hub.readers, rig.presence.here) == (0, {RUN: 0})


async def test_the_answer_ends_once() -> None:
    rig = Rig()
    await rig.begin()
    await rig.append(final(1), final=True)
    client = Client()
    task = asyncio.create_task(rig.hub.serve_sse(client.scope, client.receive, client.send, RUN, 0, status=201))
    await client.asked.wait()
    client.gone.set()
    await task
    assert client.sent[0]["status"] == 201
    assert [m.get("more_body") for m in client.sent[1:]] == [True, False]
