"""What one client's connection may cost, and how it is told (SECURITY 19, 20; faults 3, 4)."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from headwater.api.connection import ConnectionLimits, HttpConnection
from headwater.delivery.connection import connection_of
from tests.api.serving import Echo, problem_in, serving
from tests.delivery.loops import OnLoop, on_loop

__all__ = ["on_loop"]

LIMITS = ConnectionLimits(head_s=0.2, body_idle_s=0.2, body_s=0.5, linger_s=0.1)
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def test_requests_in_a_row_on_one_connection(on_loop: OnLoop) -> None:
    async def scene() -> None:
        app = Echo()
        async with serving(app, LIMITS) as served:
            post = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
            answer = await served.say(GET, GET + post)
            assert answer.count(b"HTTP/1.1 200 OK") == 3
            assert answer.endswith(b"POST /b 5")
            assert b"server:" not in answer
            assert answer.count(b"\r\ndate: ") == 3

    on_loop(scene())


def test_a_head_that_does_not_end_is_cut(on_loop: OnLoop) -> None:
    async def scene() -> None:
        app = Echo()
        async with serving(app, LIMITS) as served:
            problem = problem_in(await served.say(b"GET / HTTP/1.1\r\nHost: x\r\n"))
            assert (problem["status"], problem["code"]) == (408, "TIMEOUT")
            assert app.asked == []

    on_loop(scene())


def test_a_head_that_drips_is_cut_too(on_loop: OnLoop) -> None:
    async def scene() -> None:
        async with serving(Echo(), LIMITS) as served, served.connection() as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\n")

            async def drip() -> None:
                while True:
                    writer.write(b"a: b\r\n")
                    await asyncio.sleep(0.02)  # paces: it is what this client does

            dripping = asyncio.create_task(drip())
            answer = await reader.read()
            dripping.cancel()
            assert problem_in(answer)["status"] == 408

    on_loop(scene())


async def test_who_says_nothing_is_hung_up_on_without_a_word() -> None:
    async with serving(Echo(), LIMITS) as served:
        assert await served.say() == b""


async def test_a_second_head_that_does_not_end_is_cut() -> None:
    async with serving(Echo(), LIMITS) as served:
        answer = await served.say(GET, b"GET /b HT")
        first, _, second = answer.partition(b"GET /a 0")
        assert first.startswith(b"HTTP/1.1 200")
        assert problem_in(second)["status"] == 408


@pytest.mark.parametrize("pieces", [[], [b"12345"]])
async def test_a_body_that_stops_is_cut_and_its_handler_told(pieces: list[bytes]) -> None:
    app = Echo()
    async with serving(app, LIMITS) as served:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
        problem = problem_in(await served.say(head, *pieces))
        assert (problem["status"], problem["code"]) == (408, "TIMEOUT")
        await app.hung_up.wait()
        assert app.bodies == []


async def test_a_body_that_drips_is_cut_in_the_end() -> None:
    app = Echo()
    async with serving(app, LIMITS) as served, served.connection() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")

        async def drip() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.05)  # paces: it is what this client does

        dripping = asyncio.create_task(drip())
        assert problem_in(await reader.read())["status"] == 408
        dripping.cancel()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000,
        b"GET / HTTP/1.1\r\n" + b"a" * 70_000,
    ],
    ids=["path", "header", "headers", "header that does not end", "name that does not end"],
)
def test_a_large_head_is_refused(head: bytes, on_loop: OnLoop) -> None:
    async def scene() -> None:
        app = Echo()
        async with serving(app, ConnectionLimits(head_s=30)) as served:
            problem = problem_in(await served.say(head))
            assert (problem["status"], problem["code"]) == (431, "TOO_LARGE")
            assert app.asked == []

    on_loop(scene())


async def test_a_head_without_end_costs_bounded_memory() -> None:
    app = Echo()
    limits = ConnectionLimits(head_s=30, dropped_bytes_max=1 << 20)
    async with serving(app, limits) as served, served.connection() as (reader, writer):
        sent = 0
        writer.write(b"GET / HTTP/1.1\r\nA: ")
        try:
            while sent < 50_000_000:
                writer.write(b"a" * 65_536)
                sent += 65_536
                await writer.drain()
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert sent < 5_000_000
        assert app.asked == []
        del reader


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00", b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 100])
async def test_what_is_not_http_is_refused(garbage: bytes) -> None:
    async with serving(Echo(), LIMITS) as served:
        problem = problem_in(await served.say(garbage))
        assert (problem["status"], problem["code"]) == (400, "BAD_REQUEST")


async def test_a_websocket_that_is_not_offered_is_a_request_like_any_other() -> None:
    async with serving(Echo(), LIMITS) as served:
        upgrade = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        assert (await served.say(upgrade)).endswith(b"GET /ws 0")


class Stream:
    """Answers with a stream that the test feeds, and shows the connection that it goes over."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.connection: Any = None
        self.send: Any = None
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        self.connection, self.send = connection_of(scope), send
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello", "more_body": True})
        self.started.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        self.ended.set()


async def test_an_error_in_the_middle_of_an_answer_is_never_written_into_it() -> None:
    app = Stream()
    async with serving(app, LIMITS) as served, served.connection() as (reader, writer):
        writer.write(GET)
        await app.started.wait()
        writer.write(b"this is not HTTP\r\n\r\n")
        got = b""
        try:
            while piece := await reader.read(1000):
                got += piece
        except ConnectionResetError:
            pass
        assert got.endswith(b"hello\r\n")
        assert got.count(b"HTTP/1.1") == 1
        await app.ended.wait()


async def test_requests_ahead_of_an_answer_are_bounded() -> None:
    app = Stream()
    async with serving(app, LIMITS) as served, served.connection() as (reader, writer):
        writer.write(GET)
        await app.started.wait()
        writer.write(GET * 1000)
        try:
            while await reader.read(1000):
                pass
        except ConnectionResetError:
            pass
        await app.ended.wait()
        assert app.asked == 1


async def test_a_client_that_leaves_with_a_request_queued_is_seen_to_leave() -> None:
    app = Stream()
    async with serving(app, LIMITS) as served:
        async with served.connection() as (_, writer):
            writer.write(GET + GET)
            await app.started.wait()
        # Nothing is read while a request is queued, so only writing can find it out: a heartbeat, in life.
        while not app.ended.is_set():
            await app.send({"type": "http.response.body", "body": b"beat", "more_body": True})
            await asyncio.sleep(0.001)  # paces: the kernel's answer to the write
        assert app.asked == 1


async def test_half_a_request_behind_a_stream_is_not_timed_out() -> None:
    """It is we who stopped reading: the stream must not be cut for it."""
    app = Stream()
    async with serving(app, LIMITS) as served, served.connection() as (reader, writer):
        writer.write(GET)
        await app.started.wait()
        writer.write(GET + b"GET /half")
        await asyncio.sleep(LIMITS.head_s * 3)  # paces: longer than the limit that must not strike
        await app.send({"type": "http.response.body", "body": b"more", "more_body": True})
        assert await reader.readuntil(b"more")
        assert not app.ended.is_set()


def test_a_client_that_stays_after_its_refusal_is_cut(on_loop: OnLoop) -> None:
    """It has been told and the server has ended; what it still sends is dropped, for a while."""

    async def scene() -> None:
        async with serving(Echo(), LIMITS) as served, served.connection() as (reader, writer):
            writer.write(b"hello\r\n\r\n")
            assert problem_in(await reader.read())["status"] == 400
            while True:
                writer.write(b"more")
                await asyncio.sleep(0.01)  # paces: until it is cut; the test's own limit is the only one
                if not served.server.connections:
                    break

    on_loop(scene())


@pytest.mark.parametrize("length", [b"Content-Length: 4194304", b"Transfer-Encoding: chunked"])
def test_a_refusal_reaches_a_client_that_sends_its_whole_body_first(length: bytes, on_loop: OnLoop) -> None:
    """As httpx and the SDKs do: a reset for what nobody has read would overtake the answer."""

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        head = [(b"content-length", b"2"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": head})
        await send({"type": "http.response.body", "body": b"no"})

    async def scene() -> None:
        body = b" " * (4 << 20) if b"-Length" in length else b"400000\r\n" + b" " * (4 << 20) + b"\r\n0\r\n\r\n"
        async with serving(refuse, LIMITS._replace(linger_s=5.0)) as served:
            answer = await served.say(b"POST / HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n\r\n" + body)
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert answer.endswith(b"\r\n\r\nno")

    on_loop(scene())


def test_a_client_that_never_ends_its_body_after_the_answer_is_cut(on_loop: OnLoop) -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        head = [(b"content-length", b"0"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": head})
        await send({"type": "http.response.body"})

    async def scene() -> None:
        async with serving(refuse, LIMITS._replace(linger_s=60.0, dropped_bytes_max=1 << 20)) as served:
            async with served.connection() as (_, writer):
                writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
                with pytest.raises(ConnectionError):
                    while True:
                        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                        await writer.drain()

    on_loop(scene())


def test_many_requests_in_one_packet_are_answered_in_order(on_loop: OnLoop) -> None:
    async def scene() -> None:
        app = Echo()
        async with serving(app, LIMITS) as served, served.connection() as (reader, writer):
            writer.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(20)))
            for number in range(20):
                assert (await reader.readuntil(b"GET /%d 0" % number)).startswith(b"HTTP/1.1 200 OK\r\n")
            assert app.asked == [f"GET /{number}" for number in range(20)]

    on_loop(scene())


async def test_more_requests_than_a_connection_may_queue_are_refused() -> None:
    app = Stream()
    async with serving(app, LIMITS._replace(pipelined_max=4)) as served:
        assert await served.say(GET * 10) == b"<reset>"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
        (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
        (b"Transfer-Encoding: chunked, chunked", b"0\r\n\r\n"),
        (b"Transfer-Encoding: gzip", b""),
        (b"Transfer-Encoding: identity", b""),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n"),
        (b"Content-Length: 5\r\nContent-Length: 6", b"hello!"),
    ],
)
def test_a_body_whose_end_is_not_plain_is_refused(head: bytes, body: bytes, on_loop: OnLoop) -> None:
    async def scene() -> None:
        app = Echo()
        async with serving(app, LIMITS) as served:
            answer = await served.say(b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + body + GET)
            assert problem_in(answer)["status"] in {400, 501}
            assert app.asked == []

    on_loop(scene())


def test_a_body_in_chunks_is_not_of_http_1_0(on_loop: OnLoop) -> None:
    async def scene() -> None:
        async with serving(Echo(), LIMITS) as served:
            chunks = b"5\r\nhello\r\n0\r\n\r\n"
            answer = await served.say(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
            assert problem_in(answer)["status"] == 501
            answer = await served.say(
                b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: Chunked\r\n\r\n" + chunks
            )
            assert answer.endswith(b"POST / 5")

    on_loop(scene())


@pytest.mark.parametrize(
    ("target", "host", "path"),
    [
        (b"http://there:1/a?b=c", b"There:1", "/a"),
        (b"HTTPS://There", b"there", "/"),
        (b"http://there?b=c", b"there", "/"),
        (b"http://[::1]:8000/a", b"[::1]:8000", "/a"),
        (b"/http://there/a", b"here", "/http://there/a"),
    ],
)
async def test_a_target_may_name_its_host(target: bytes, host: bytes, path: str) -> None:
    app = Echo()
    async with serving(app, LIMITS) as served:
        head = b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
        assert (await served.say(b"GET " + target + head)).startswith(b"HTTP/1.1 200 ")
        assert app.asked == [f"GET {path}"]


@pytest.mark.parametrize(
    "target", [b"http://there/a", b"ftp://there/a", b"http://here:1/a", b"http://me@here/a", b"http://", b"http:///a"]
)
async def test_a_target_that_names_another_host_is_refused(target: bytes) -> None:
    app = Echo()
    async with serving(app, LIMITS) as served:
        answer = await served.say(b"GET " + target + b" HTTP/1.1\r\nHost: here\r\n\r\n")
        # some of these are no target at all to the parser
        assert problem_in(answer)["status"] == 421 or target in {b"http://", b"http:///a"}
        assert problem_in(answer)["status"] in {400, 421}
        assert app.asked == []


@pytest.mark.parametrize("line", [b"CONNECT there:443", b"GET there:443"])
async def test_targets_of_other_forms_are_refused(line: bytes) -> None:
    app = Echo()
    async with serving(app, LIMITS) as served:
        answer = await served.say(line + b" HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        assert problem_in(answer)["status"] == 400
        assert app.asked == []


def test_a_connection_says_when_it_is_full_and_when_it_has_drained(on_loop: OnLoop) -> None:
    async def scene() -> None:
        app = Stream()
        async with serving(app, LIMITS) as served, served.connection() as (reader, writer):
            writer.write(GET)
            await app.started.wait()
            drained = asyncio.Event()
            app.connection.on_resume(drained.set)
            sent = 0
            while not app.connection.paused:
                await app.send({"type": "http.response.body", "body": b"x" * 20_000, "more_body": True})
                sent += 20_000
                await asyncio.sleep(0)  # paces: uvloop writes at the end of a turn
            assert not drained.is_set()
            got = 0
            while got < sent:
                got += (await reader.read(65_536)).count(b"x")
            await drained.wait()
            assert not app.connection.paused

    on_loop(scene())


def test_an_abort_leaves_nothing_even_where_the_peer_reads_nothing(on_loop: OnLoop) -> None:
    async def scene() -> None:
        app = Stream()
        async with serving(app, LIMITS) as served, served.connection() as (reader, writer):
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(GET)
            await app.started.wait()
            while not app.connection.paused:
                await app.send({"type": "http.response.body", "body": b"x" * 20_000, "more_body": True})
                await asyncio.sleep(0)  # paces: uvloop writes at the end of a turn
            app.connection.abort()
            app.connection.abort()
            await app.ended.wait()
            assert served.server.connections == 0
            await app.send({"type": "http.response.body", "body": b"late", "more_body": True})
            reader._transport.resume_reading()  # type: ignore[attr-defined]
            with pytest.raises(ConnectionResetError):
                while await reader.read(65_536):
                    pass

    on_loop(scene())


@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
def test_a_whole_answer_that_nobody_takes_is_cut(connection: bytes, on_loop: OnLoop) -> None:
    """A complete answer has no handler any more; its connection must not wait for the peer for ever."""

    async def scene() -> None:
        asked = asyncio.Event()

        async def large(scope: Any, receive: Any, send: Any) -> None:
            asked.set()
            head = [(b"content-length", b"4000000"), (b"connection", connection)]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": b"x" * 4_000_000})

        async with serving(large, LIMITS, keep_alive_s=0.1) as served, served.connection() as (reader, writer):
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(GET)
            await asked.wait()
            while True:
                await asyncio.sleep(0.01)  # paces: until it is cut; the test's own limit is the only one
                if not served.server.connections:
                    break

    on_loop(scene())


async def test_connections_are_not_left_to_the_garbage_collector() -> None:
    app = Stream()
    async with serving(app, LIMITS) as served:
        gc.collect()
        gc.disable()
        try:
            async with served.connection() as (_, writer):
                writer.write(GET)
                await app.started.wait()
                kept: weakref.ref[HttpConnection] = weakref.ref(app.connection)
                app.connection = app.send = None
            await app.ended.wait()
            for _ in range(10):
                await asyncio.sleep(0.001)  # paces: the transport's last callbacks
            assert kept() is None
        finally:
            gc.enable()
