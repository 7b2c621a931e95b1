"""How an answer's bytes are framed, sent by ASGI's messages or written to the connection itself."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from headwater.delivery.connection import connection_of
from tests.api.serving import Echo, serving


async def _in_pieces(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (b"one ", b"", b"two"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.mark.parametrize("keep_alive", [b"", b"Connection: keep-alive\r\n"])
async def test_a_client_of_http_1_0_gets_no_chunks(keep_alive: bytes) -> None:
    async with serving(_in_pieces) as served:
        head, _, body = (await served.say(b"GET / HTTP/1.0\r\nHost: x\r\n" + keep_alive + b"\r\n")).partition(
            b"\r\n\r\n"
        )
        assert body == b"one two"
        assert b"transfer-encoding" not in head.lower()
        assert b"connection: close" in head.lower()
        head, _, body = (await served.say(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).partition(
            b"\r\n\r\n"
        )
        assert body == b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"


async def _by_the_connection(scope: Any, receive: Any, send: Any) -> None:
    connection = connection_of(scope)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    assert [connection.write(piece) for piece in (b"one ", b"", b"two")] == [True] * 3
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (b"GET / HTTP/1.1", b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"),
        (b"GET / HTTP/1.0", b"one two"),
        (b"HEAD / HTTP/1.1", b""),
    ],
)
async def test_what_is_written_to_the_connection_is_framed_as_what_is_sent(line: bytes, body: bytes) -> None:
    async with serving(_by_the_connection) as served:
        answer = await served.say(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize("ended", [False, True])
async def test_nothing_is_written_outside_an_answer(ended: bool) -> None:
    """Bytes before the head or after the end would be taken for another answer: the connection is cut."""
    written: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if ended:
            await Echo()(scope, receive, send)
        written.append(connection_of(scope).write(b"more"))
        with contextlib.suppress(RuntimeError):
            await send({"type": "http.response.start", "status": 200, "headers": []})

    async with serving(app) as served:
        answer = await served.say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"more" not in answer
    assert written == [False]


async def test_what_is_written_for_a_client_that_has_gone_is_dropped() -> None:
    written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass
        written.set_result(connection_of(scope).write(b"more"))

    async with serving(app) as served:
        async with served.connection() as (_, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await writer.drain()
        assert await written is True


async def test_a_client_of_http_1_0_is_told_a_length_that_is_known() -> None:
    async with serving(Echo()) as served:
        head, _, body = (await served.say(b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n")).partition(b"\r\n\r\n")
        assert (f"content-length: {len(body)}".encode() in head.lower(), body) == (True, b"GET /a 0")
