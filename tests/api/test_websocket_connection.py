"""The WebSocket of the product, spoken to frame by frame: right and wrong ones, whole and in pieces (RFC 6455)."""

from __future__ import annotations

import asyncio
import random
import struct
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from headwater.api.answer import Receive, Scope, Send
from headwater.api.connection import http_connection_of
from headwater.api.server import HttpServer
from headwater.api.sockets import address_of, listen
from headwater.api.websocket_connection import WebSocketConnection, WebSocketLimits, handshake
from headwater.delivery.websocket import SocketReader
from headwater.errors import BadRequestError
from tests.kit.websocket_echo import EchoApp, echo_server

HEAD = (
    b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MESSAGE_BYTES_MAX = 100_000
LIMITS = WebSocketLimits(message_bytes_max=MESSAGE_BYTES_MAX)
MASK = b"\x11\x22\x33\x44"


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """A client's frame, or what is none."""
    size = len(data)
    bit = 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += struct.pack("!BH", bit | 126, size)
    else:
        head += struct.pack("!BQ", bit | 127, size)
    if not masked:
        return head + data
    return head + MASK + bytes(byte ^ MASK[place % 4] for place, byte in enumerate(data))


def closing(code: int | None = 1000, reason: bytes = b"") -> bytes:
    return frame(8, b"" if code is None else struct.pack("!H", code) + reason)


class Wire:
    """A raw connection after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._protocol = Protocol(Side.CLIENT, max_size=None)

    async def frames(self, count: int) -> list[Frame]:
        """So many frames, or fewer where a close or the connection's end comes first."""
        found: list[Frame] = []
        while len(found) < count and not any(each.opcode is Opcode.CLOSE for each in found):
            data = await self.reader.read(65536)
            if not data:
                break
            self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                assert isinstance(event, Frame)
                found.append(event)
        assert self._protocol.parser_exc is None
        return found

    async def close_code(self) -> int | None:
        """The code of the last frame; 1005 for a close without a code."""
        found = await self.frames(1_000_000)
        assert found, "cut without a close frame"
        assert found[-1].opcode is Opcode.CLOSE
        data = bytes(found[-1].data)
        return struct.unpack("!H", data[:2])[0] if data else 1005


@asynccontextmanager
async def wired(port: int, ahead: bytes = b"") -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    writer.write(HEAD + ahead)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with echo_server(EchoApp(LIMITS)) as port:
        yield port


TEXT = "Grüße, 🌊!".encode()

#: What a client may do, and what comes back: (opcode, data) of each frame.
RIGHT: dict[str, tuple[bytes, list[tuple[int, bytes]]]] = {
    "a text": (frame(1, TEXT), [(1, TEXT)]),
    "an empty text": (frame(1), [(1, b"")]),
    "bytes": (frame(2, b"\xff\x00"), [(2, b"\xff\x00")]),
    "a text in frames that cut a character": (
        frame(1, TEXT[:3], fin=False) + frame(0, TEXT[3:4], fin=False) + frame(0, b"", fin=False) + frame(0, TEXT[4:]),
        [(1, TEXT)],
    ),
    "a ping inside a message": (
        frame(1, TEXT[:4], fin=False) + frame(9, b"are you there") + frame(0, TEXT[4:]),
        [(10, b"are you there"), (1, TEXT)],
    ),
    "a ping of 125 bytes": (frame(9, b"x" * 125), [(10, b"x" * 125)]),
    "a pong that nobody asked for": (frame(10, b"x") + frame(1, b"y"), [(1, b"y")]),
    "lengths of 125, 126, 65535 and 65536": (
        b"".join(frame(2, b"z" * size) for size in (125, 126, 65535, 65536)),
        [(2, b"z" * size) for size in (125, 126, 65535, 65536)],
    ),
    "the largest message": (frame(2, b"z" * MESSAGE_BYTES_MAX), [(2, b"z" * MESSAGE_BYTES_MAX)]),
    "many messages at once": (b"".join(frame(1, b"%d" % n) for n in range(500)), [(1, b"%d" % n) for n in range(500)]),
}

#: What a client may not do, and the code that it is closed with (RFC 6455, 7.4.1).
WRONG: dict[str, tuple[bytes, int]] = {
    "not masked": (frame(1, b"a", masked=False), 1002),
    "reserved bit 1": (frame(1, b"a", reserved=4), 1002),
    "reserved bit 2": (frame(1, b"a", reserved=2), 1002),
    "reserved bit 3": (frame(1, b"a", reserved=1), 1002),
    "a data opcode that is none": (frame(3, b"a"), 1002),
    "a control opcode that is none": (frame(11), 1002),
    "a ping of 126 bytes": (frame(9, b"x" * 126), 1002),
    "a ping in pieces": (frame(9, b"x", fin=False), 1002),
    "a continuation of nothing": (frame(0, b"a"), 1002),
    "a message inside a message": (frame(1, b"a", fin=False) + frame(1, b"b"), 1002),
    "text that is no UTF-8": (frame(1, b"\xff"), 1007),
    "text that ends inside a character": (frame(1, TEXT[:3]), 1007),
    "a surrogate": (frame(1, b"\xed\xa0\x80"), 1007),
    "no UTF-8 in the second of three frames": (frame(1, b"a", fin=False) + frame(0, b"\xff", fin=False), 1007),
    "one byte too many": (frame(2, b"z" * (MESSAGE_BYTES_MAX + 1)), 1009),
    "too many bytes in pieces": (frame(1, b"z" * 60_000, fin=False) + frame(0, b"z" * 60_000), 1009),
    "a length of 2^62, of which nothing comes": (b"\x82\xff" + struct.pack("!Q", 1 << 62) + MASK, 1009),
    "a close of one byte": (frame(8, b"\x03"), 1002),
    "a close with a reason that is no UTF-8": (closing(1000, b"\xff"), 1007),
    "a close with a code that is none": (closing(999), 1002),
    "a close with a code that is never sent": (closing(1005), 1002),
    "a close with a code of nobody's": (closing(2999), 1002),
}


@pytest.mark.parametrize("pieces", ["at once", "byte by byte"])
@pytest.mark.parametrize("case", RIGHT)
async def test_what_is_right_is_answered(port: int, case: str, pieces: str) -> None:
    said, answers = RIGHT[case]
    if pieces == "byte by byte":
        said = said[:5000]
        answers = answers if len(said) < 5000 else []
    async with wired(port) as wire:
        if pieces == "at once":
            wire.writer.write(said)
        else:
            for place in range(len(said)):
                wire.writer.write(said[place : place + 1])
                await asyncio.sleep(0)  # paces: the server may read what came so far
        got = await wire.frames(len(answers)) if answers else []
        assert [(int(each.opcode), bytes(each.data)) for each in got] == answers
        assert all(each.fin for each in got)
        if not answers:
            return
        wire.writer.write(closing(1000, b"bye"))
        (last,) = await wire.frames(1)
        assert (last.opcode, bytes(last.data)) == (Opcode.CLOSE, b"\x03\xe8bye")
        assert await wire.reader.read() == b"", "the server ends the connection"


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_wrong_is_closed_with_its_code(port: int, case: str) -> None:
    said, code = WRONG[case]
    async with wired(port) as wire:
        wire.writer.write(said)
        assert await wire.close_code() == code


@pytest.mark.parametrize("code", [None, 1000, 1001, 1003, 1011, 3000, 4999])
async def test_a_close_is_answered_with_its_own_code(port: int, code: int | None) -> None:
    async with wired(port) as wire:
        wire.writer.write(closing(code) + frame(1, b"after"))
        found = await wire.frames(2)
        assert [each.opcode for each in found] == [Opcode.CLOSE], "what comes after a close is not looked at"


async def test_a_close_may_come_inside_a_message(port: int) -> None:
    async with wired(port) as wire:
        wire.writer.write(frame(1, b"a", fin=False) + closing(1000) + frame(0, b"b"))
        found = await wire.frames(2)
        assert [(each.opcode, bytes(each.data)) for each in found] == [(Opcode.CLOSE, b"\x03\xe8")]


async def test_frames_may_come_with_the_request(port: int) -> None:
    """A client should wait for the answer, and one that does not loses nothing."""
    async with wired(port, ahead=frame(1, b"early") + frame(1, b"bird")) as wire:
        assert [bytes(each.data) for each in await wire.frames(2)] == [b"early", b"bird"]


async def test_more_than_a_head_may_not(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + frame(2, b"z" * 90_000))
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readuntil(b"\r\n\r\n")
    writer.close()


@pytest.mark.parametrize("seed", range(20))
async def test_noise_ends_in_a_close_and_nothing_else(port: int, seed: int) -> None:
    """Right frames with bytes flipped, cut, doubled: each socket ends by itself, and the server goes on."""
    random_ = random.Random(seed)
    said = bytearray(b"".join(random_.choice(list(RIGHT.values()))[0][:3000] for _ in range(4)))
    for _ in range(random_.randrange(1, 30)):
        place = random_.randrange(len(said))
        match random_.randrange(3):
            case 0:
                said[place] ^= 1 << random_.randrange(8)
            case 1:
                del said[place]
            case 2:
                said.insert(place, random_.randrange(256))
    async with wired(port) as wire:
        wire.writer.write(bytes(said))
        wire.writer.write_eof()
        try:
            await wire.frames(10_000)
        except ConnectionResetError:
            pass  # it was cut while it still had something to read
    async with connect(f"ws://127.0.0.1:{port}/", compression=None, proxy=None) as good:
        await good.send("still there")
        assert await good.recv() == "still there"


async def test_compression_is_not_agreed_on(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/", proxy=None) as connection:
        assert connection.protocol.extensions == []


@pytest.mark.parametrize("size", [50_000, 1000])
async def test_who_does_not_read_is_not_listened_to(size: int) -> None:
    """Answers wait for their reader, questions for their answers: neither piles up, and others are served meanwhile."""
    app = EchoApp(LIMITS)
    many = 100_000_000 // size
    async with echo_server(app) as port, wired(port) as wire:
        wire.writer.transport.set_write_buffer_limits(high=0)
        message = frame(2, b"z" * size)
        sent = 0
        try:
            async with asyncio.timeout(0.7):
                while sent < many:
                    wire.writer.write(message)
                    await wire.writer.drain()
                    sent += 1
        except TimeoutError:
            sent += 1  # the one that was under way is on its way still
        assert sent < many, "it took all that it could not answer"
        async with connect(f"ws://127.0.0.1:{port}/", compression=None, proxy=None) as other:
            await other.send("me too")
            assert await other.recv() == "me too"
        assert len(await wire.frames(sent)) == sent
    assert app.ended == 2


async def test_a_message_that_does_not_come_is_not_waited_for() -> None:
    for begun in (frame(1, b"a", fin=False), frame(1, b"abc")[:-1], b"\x81"):
        async with echo_server(EchoApp(LIMITS._replace(message_s=0.05))) as port, wired(port) as wire:
            wire.writer.write(begun)
            assert await wire.close_code() == 1008
    async with echo_server(EchoApp(LIMITS._replace(message_s=0.05))) as port, wired(port) as wire:
        wire.writer.write(frame(1, b"a", fin=False) + frame(0, b"b"))
        await wire.frames(1)
        await asyncio.sleep(0.2)  # paces: longer than a message may take
        wire.writer.write(frame(1, b"c"))
        assert [bytes(each.data) for each in await wire.frames(1)] == [b"c"], "silence between messages is none"


async def test_messages_that_follow_each_other_have_each_their_own_time() -> None:
    """However they are cut: where one ends in the middle of a piece, the next has begun in it."""
    message = frame(1, b"x" * 50)
    async with echo_server(EchoApp(LIMITS._replace(message_s=1.0))) as port, wired(port) as wire:
        wire.writer.write(message[:20])
        for _ in range(15):
            await asyncio.sleep(0.1)  # paces: together they take longer than one message may
            wire.writer.write(message[20:] + message[:20])
        wire.writer.write(message[20:])
        assert [bytes(each.data) for each in await wire.frames(16)] == [b"x" * 50] * 16


async def test_what_comes_after_the_server_s_close_is_dropped() -> None:
    """Its handler may be gone by then, and nobody would take it."""
    received: list[str | bytes] = []
    closed, finish, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Closing(EchoApp):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            connection = WebSocketConnection(LIMITS)
            connection.attach(SocketReader(connection, asyncio.get_running_loop().call_soon, lambda shared: None))
            assert http_connection_of(scope).switch(handshake(scope).headers, connection)
            while len(received) < 2 and (message := await connection.receive()) is not None:
                received.append(message)
            connection.close(1003)
            closed.set()
            await finish.wait()
            while (message := await connection.receive()) is not None:
                received.append(message)
            left.set()

    async with echo_server(Closing()) as port, wired(port) as wire:
        wire.writer.write(frame(1, b"1") + frame(1, b"2") + frame(1, b"with the second"))
        await closed.wait()
        for _ in range(100):
            wire.writer.write(frame(2, b"z" * 50_000))
            await wire.writer.drain()
        wire.writer.write(closing(1000))
        assert await wire.close_code() == 1003
        assert await wire.reader.read() == b"", "it has seen the client's close behind them"
        finish.set()
        await left.wait()
    assert received == ["1", "2", "with the second"]


async def test_who_is_expelled_is_not_heard_out() -> None:
    connection = WebSocketConnection()
    connection.attach(SocketReader(connection, asyncio.get_running_loop().call_soon, lambda shared: None))
    connection.data_received(frame(1, b"x" * 100) * 100)
    assert await connection.receive() == "x" * 100
    connection.expel("the key is over")
    assert await connection.receive() is None


async def test_a_flood_after_the_close_keeps_no_handler() -> None:
    connection = WebSocketConnection()
    connection.attach(SocketReader(connection, asyncio.get_running_loop().call_soon, lambda shared: None))
    connection.close(1000)
    connection.data_received(frame(9) * 5000)
    receiving = asyncio.create_task(connection.receive())
    for _ in range(5):
        await asyncio.sleep(0)  # paces: a few turns of the loop, of which the flood needs many
    assert receiving.done(), "it waits for the flood's end"
    assert await receiving is None


@pytest.mark.slow
async def test_a_message_in_pieces_takes_no_more_than_its_bytes() -> None:
    character, pieces = "語", 40_000
    block = frame(0, character.encode(), fin=False) * 1000
    async with echo_server(EchoApp(LIMITS._replace(message_bytes_max=4 * pieces))) as port, wired(port) as wire:
        wire.writer.write(frame(1, b"", fin=False))
        tracemalloc.start()
        try:
            for _ in range(0, pieces, 1000):
                wire.writer.write(block)
                await wire.writer.drain()
            wire.writer.write(frame(9, b"taken"))
            assert [bytes(each.data) for each in await wire.frames(1)] == [b"taken"]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        wire.writer.write(frame(0))
        assert [bytes(each.data) for each in await wire.frames(1)] == [character.encode() * pieces]
    assert peak < 12 * 3 * pieces, "a piece is kept as an object of its own"


async def test_many_frames_at_once_leave_the_others_their_turn() -> None:
    class Pongs:
        count = 0

        def write(self, data: bytes) -> bool:
            self.count += 1
            return True

        def said(self) -> None: ...

        def finish(self) -> None: ...

        def abort(self) -> None: ...

    pongs, many = Pongs(), 2000
    connection = WebSocketConnection()
    connection.attach(SocketReader(pongs, asyncio.get_running_loop().call_soon, lambda shared: None))
    connection.data_received(frame(9) * many + frame(1, b"last"))
    turns, before = 0, 0
    while pongs.count < many:
        assert pongs.count - before < 200, "all others waited for so many frames"
        before = pongs.count
        turns += 1
        await asyncio.sleep(0)  # paces: one turn of the loop
    assert turns > 10
    assert await connection.receive() == "last"


async def test_a_close_that_is_not_answered_is_a_cut() -> None:
    app = EchoApp(LIMITS._replace(linger_s=0.05))
    async with echo_server(app) as port, wired(port) as wire:
        wire.writer.write(frame(3))
        assert await wire.close_code() == 1002
        with pytest.raises(ConnectionError):
            while True:
                wire.writer.write(b"x" * 65536)
                await wire.writer.drain()
                await asyncio.sleep(0.01)  # paces: the kernel tells of the reset at some later write
    assert app.ended == 1


async def test_the_server_knows_of_no_socket_that_is_gone() -> None:
    server = HttpServer(EchoApp(LIMITS))
    sockets = listen("127.0.0.1", 0)
    await server.start(sockets)
    for code in (1000, None):
        async with wired(address_of(sockets)[1]) as wire:
            wire.writer.write(closing(code))
            await wire.close_code()
            assert await wire.reader.read() == b""
            assert server.connections == 1
    await server.stop(60)
    assert server.connections == 0


async def test_a_stopping_server_closes_its_sockets() -> None:
    async with echo_server() as port:
        connection = await connect(f"ws://127.0.0.1:{port}/", proxy=None)
    await connection.wait_closed()
    assert connection.close_code == 1012


def scope(*changes: tuple[bytes, bytes], version: str = "1.1") -> dict[str, object]:
    headers = {
        b"connection": b"Upgrade",
        b"upgrade": b"WebSocket",
        b"sec-websocket-version": b"13",
        b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
        **dict(changes),
    }
    return {"method": "GET", "http_version": version, "headers": list(headers.items())}


def test_the_answer_to_a_handshake() -> None:
    status, headers = handshake(scope((b"sec-websocket-extensions", b"permessage-deflate")))
    assert (status, dict(headers)) == (
        101,
        {
            b"upgrade": b"websocket",
            b"connection": b"Upgrade",
            b"sec-websocket-accept": b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        },
    )
    assert handshake(scope((b"upgrade", b"h2c"))).status == 426
    with pytest.raises(BadRequestError):
        handshake(scope((b"sec-websocket-key", b"AAAA")))
    assert handshake(scope(version="1.0")).status == 426


async def test_without_a_transport_nothing_is_said() -> None:
    connection = WebSocketConnection()
    connection.attach(SocketReader(connection, asyncio.get_running_loop().call_soon, lambda shared: None))
    assert connection.write(b"x")
    connection.abort()
    connection.close(1000, "x" * 500)
    assert await connection.receive() is None
