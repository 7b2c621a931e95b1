"""WebSockets whose clients have stopped reading: bounded, cut without a close, and to be resumed exactly (T8)."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket

import pytest
from websockets.frames import Frame
from websockets.protocol import Protocol, Side

from headwater.api.sockets import RECEIVE_BUFFER_BYTES, raise_file_limit
from tests.stall.test_stalled_readers import COST_BYTES_MAX, Server, follow, read_out, server_process

pytestmark = [
    pytest.mark.linux,
    pytest.mark.heavy,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("ss") is None, reason="counting the kernel's buffers needs `ss` (iproute2)"),
]
EACH = 50
ASK = (
    b"GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PING = b"\x89\x80\x00\x00\x00\x00"


async def open_socket(server: Server) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", server.port))
    await loop.sock_sendall(connection, ASK)
    return connection


async def ask_without_end(connections: list[socket.socket]) -> None:
    """Pings as many as the server takes, and reads none of the pongs."""
    while True:
        for connection in connections:
            try:
                connection.send(PING * 50)
            except OSError:
                pass  # full, or cut by now
        await asyncio.sleep(0.1)  # paces: it is what these clients do


def seqs_in(answer: bytes) -> list[int]:
    """The seqs of the whole messages in what came of a socket."""
    protocol = Protocol(Side.CLIENT, max_size=None)
    protocol.receive_data(answer.partition(b"\r\n\r\n")[2])
    found = []
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        message = json.loads(bytes(event.data)) if event.opcode == 1 else {}
        if "record" in message:
            found.append(message["record"]["seq"])
    assert protocol.close_rcvd is None, "it was cut, so it was not told of an end"
    return found


@pytest.mark.timeout(300)
async def test_stalled_sockets_are_bounded_and_cut_beside_a_good_reader() -> None:
    raise_file_limit()
    tail = 1500
    async with server_process() as server:
        await server.control("append?count=10&bytes=100")
        good, there = await follow(server, tail)
        await there.wait()
        before = await server.control("state")
        silent = [await open_socket(server) for _ in range(EACH)]
        asking = [await open_socket(server) for _ in range(EACH)]
        stalled = [*silent, *asking]
        await server.until(lambda state: state["readers"] == 2 * EACH + 1)
        pinging = asyncio.create_task(ask_without_end(asking))
        await server.control(f"append?count={tail - 10}&bytes=1000")

        full = await server.until(lambda state: state["full"] >= 2 * EACH)
        kernel = server.sockets()
        names = [{"{}:{}".format(*each.getsockname()) for each in some} for some in (silent, asking)]
        process = (full["resident"] - before["resident"]) / (2 * EACH)
        worst = [max(kernel[name] for name in some) for some in names]
        print(f"cost of a stalled socket: kernel {worst[0]}, with questions {worst[1]}, process {process:.0f} bytes")
        assert worst[0] + process <= COST_BYTES_MAX
        # What was asked waits in the kernel too, where it is not read.
        assert worst[1] + process <= COST_BYTES_MAX + 3 * RECEIVE_BUFFER_BYTES
        assert await good == list(range(1, tail + 1))

        cut = await server.until(lambda state: state["connections"] == 0, "jump?s=31")
        pinging.cancel()
        assert cut["readers"] == 0
        assert cut["left"]["stalled"] == 2 * EACH
        assert not (names[0] | names[1]) & set(server.sockets())
        for connection in stalled:
            got = seqs_in(read_out(connection))
            connection.close()
            assert got == list(range(1, len(got) + 1)), "the last whole record is where it can be resumed"
            assert 0 < len(got) < tail
