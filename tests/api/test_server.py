"""The server from start to stop: nothing that a client does can keep it from ending."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.serving import Echo, serving
from tests.api.test_connection import GET, Stream
from tests.delivery.loops import OnLoop, on_loop

__all__ = ["on_loop"]


def test_stopping_lets_answers_end(on_loop: OnLoop) -> None:
    async def scene() -> None:
        app = Stream()
        async with serving(app) as served, served.connection() as (reader, writer):
            writer.write(GET)
            await app.started.wait()
            stopping = asyncio.create_task(served.server.stop(30))
            await asyncio.sleep(0)  # paces: the stop begins
            await app.send({"type": "http.response.body", "body": b"the end", "more_body": False})
            assert b"the end" in await reader.read()
            await stopping
            assert served.server.connections == 0

    on_loop(scene())


def test_stopping_cuts_what_does_not_end(on_loop: OnLoop) -> None:
    async def scene() -> None:
        app = Stream()
        async with serving(app) as served, served.connection() as (reader, writer):
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(GET)
            await app.started.wait()
            while not app.connection.paused:
                await app.send({"type": "http.response.body", "body": b"x" * 20_000, "more_body": True})
                await asyncio.sleep(0)  # paces: uvloop writes at the end of a turn
            await served.server.stop(0.05)
            assert served.server.connections == 0
            assert app.ended.is_set()

    on_loop(scene())


def test_stopping_ends_a_handler_that_ignores_its_client(on_loop: OnLoop) -> None:
    async def scene() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def stubborn(scope: Any, receive: Any, send: Any) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async with serving(stubborn) as served, served.connection() as (_, writer):
            writer.write(GET)
            await begun.wait()
            await served.server.stop(0.05)
            assert ended.is_set()

    on_loop(scene())


async def test_idle_connections_do_not_hold_it_up() -> None:
    async with serving(Echo()) as served, served.connection() as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"GET /a 0")
        await served.server.stop(30)
        assert await reader.read() == b""


async def test_nobody_is_let_in_after_the_stop() -> None:
    async with serving(Echo()) as served:
        await served.server.stop(0)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", served.port)


async def test_more_clients_than_may_be_are_answered_503() -> None:
    app = Stream()
    async with serving(app, connections_max=2) as served:
        async with served.connection() as (_, writer):
            writer.write(GET)
            await app.started.wait()
            assert (await served.say(GET)).startswith(b"HTTP/1.1 503 ")
        await app.ended.wait()


async def test_forwarded_headers_are_not_believed() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["client"], scope["scheme"]))
        await Echo()(scope, receive, send)

    async with serving(app) as served:
        head = b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
        await served.say(head + b"Connection: close\r\n\r\n")
        # nobody asks who called; what a header says of it is nobody's either
        assert seen == [(None, "http")]
