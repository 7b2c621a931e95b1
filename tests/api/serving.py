"""Headwater's HTTP server with a small application of the test's, spoken to byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from headwater.api.connection import ConnectionLimits
from headwater.api.server import HttpServer
from headwater.api.sockets import address_of, listen


class Served:
    def __init__(self, server: HttpServer, port: int) -> None:
        self.server = server
        self.port = port

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()

    async def say(self, *pieces: bytes) -> bytes:
        """All that comes back until the server closes."""
        async with self.connection() as (reader, writer):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            try:
                return await reader.read()
            except ConnectionResetError:
                return b"<reset>"


class Echo:
    """Answers with the method, the path and the length of the body; notes what it was asked, and who hung up."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.bodies: list[int] = []
        self.hung_up = asyncio.Event()

    async def __call__(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        self.asked.append(f"{scope['method']} {scope['path']}")
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.hung_up.set()
                return
            size += len(message["body"])
            more = message["more_body"]
        self.bodies.append(size)
        body = f"{self.asked[-1]} {size}".encode()
        head = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(app: Any, limits: ConnectionLimits | None = None, **options: Any) -> AsyncIterator[Served]:
    server = HttpServer(app, limits=limits, **options)
    sockets = listen("127.0.0.1", 0)
    await server.start(sockets)
    try:
        yield Served(server, address_of(sockets)[1])
    finally:
        await server.stop(0.2)


def problem_in(answer: bytes) -> dict[str, Any]:
    """The problem object of an answer, and its status."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head, answer
    problem: dict[str, Any] = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % problem["status"])
    return problem
