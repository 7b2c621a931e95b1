"""Readers that have stopped reading: bounded, cut, gone, and nobody else notices (T8; faults 2, 3; I6)."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from headwater.api.sockets import raise_file_limit
from tests.delivery.rig import RUN, Reader, seqs
from tests.stall.network import OtherMachine, missing

pytestmark = [
    pytest.mark.linux,
    pytest.mark.heavy,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("ss") is None, reason="counting the kernel's buffers needs `ss` (iproute2)"),
]
ROOT = Path(__file__).resolve().parents[2]
EACH = 200
COST_BYTES_MAX = 256 * 1024


class Server:
    """The process, and what it says of itself."""

    def __init__(self, ports: list[int]) -> None:
        self.port = ports[0]
        self.outer_port = ports[-1]

    async def control(self, command: str) -> dict[str, Any]:
        stream, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET /control/{command} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = await stream.read()
        writer.close()
        state: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
        return state

    async def until(self, holds: Callable[[dict[str, Any]], bool], command: str = "state") -> dict[str, Any]:
        """Asks again and again until it holds; the test's own time limit is the only one."""
        while True:
            state = await self.control(command)
            if holds(state):
                return state
            await asyncio.sleep(0.2)  # paces: another process is asked for its state

    def sockets(self) -> dict[str, int]:
        """What the kernel holds for each of the server's connections, in bytes, by the client's address."""
        found: dict[str, int] = {}
        for port in {self.port, self.outer_port}:
            listed = subprocess.run(
                ["ss", "-tanmHO", "state", "connected", "exclude", "time-wait", f"sport = :{port}"],
                capture_output=True,
                text=True,
                check=True,
            )
            for line in listed.stdout.splitlines():
                memory = re.search(r"skmem:\(r(\d+),rb\d+,t(\d+),tb\d+,f(\d+),w(\d+),o(\d+),bl(\d+)", line)
                if memory is None and line.startswith("FIN-WAIT-2"):
                    continue  # closed by both of us: a stub without buffers, of the kind that waits as TIME-WAIT
                assert memory, line
                found[line.split()[4]] = sum(map(int, memory.groups()))
        return found


@asynccontextmanager
async def server_process(address: str = "", peer_timeout_ms: int = 300_000) -> AsyncIterator[Server]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.stall.server", address, str(peer_timeout_ms)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield Server([int(port) for port in (await process.stdout.readline()).split()])
    finally:
        process.kill()
        await process.wait()


async def ask(server: Server, after: int = 0) -> socket.socket:
    """A raw connection that has asked for the run and whose own buffer is as small as the kernel allows."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", server.port))
    await loop.sock_sendall(connection, f"GET /{RUN}?after={after} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def read_out(connection: socket.socket) -> bytes:
    """What there is to read without waiting, up to the end or the reset."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except (BlockingIOError, ConnectionResetError):
        pass
    return got


def body_of(answer: bytes) -> tuple[bytes, bool]:
    """The body as far as it came, and whether its end was said."""
    _, _, rest = answer.partition(b"\r\n\r\n")
    body = b""
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            return body, True
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body, False


async def follow(server: Server, last: int) -> tuple[asyncio.Task[list[int]], asyncio.Event]:
    """A good reader: the task gives the seqs that it saw up to `last`; the event says that it is there."""
    there = asyncio.Event()

    async def read() -> list[int]:
        stream, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 20)
        writer.write(f"GET /{RUN} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        reader = await Reader(stream, writer).head()
        await reader.until(b"id: 1\n")
        there.set()
        await reader.until(b"id: %d\n" % last)
        while not reader.body.endswith(b"\n\n"):
            await reader.more()
        writer.close()
        return seqs(reader.body)

    return asyncio.create_task(read()), there


async def drip(connections: list[socket.socket], got: dict[socket.socket, bytes]) -> None:
    """Reads a byte a second of each."""
    while True:
        for connection in connections:
            try:
                got[connection] += connection.recv(1)
            except (BlockingIOError, ConnectionResetError):
                pass
        await asyncio.sleep(1)  # paces: it is what these readers are


async def check_resumable(server: Server, answer: bytes, tail: int) -> None:
    """What a cut reader has is a beginning, not said to be whole, and its last whole record leads to the exact rest."""
    body, complete = body_of(answer)
    assert not complete
    got = seqs(body)
    assert got == list(range(1, len(got) + 1))
    stream, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 20)
    writer.write(f"GET /{RUN}?after={len(got)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    reader = await Reader(stream, writer).head()
    rest = await reader.until(b"id: %d\n" % tail)
    while not rest.endswith(b"\n\n"):
        rest += await reader.more()
    writer.close()
    assert got + seqs(rest) == list(range(1, tail + 1))


@pytest.mark.timeout(300)
async def test_stalled_readers_are_bounded_cut_and_gone_beside_a_good_one() -> None:
    raise_file_limit()
    tail = 1500
    async with server_process() as server:
        await server.control("append?count=10&bytes=100")
        good, there = await follow(server, tail)
        await there.wait()
        before = await server.control("state")
        never = [await ask(server) for _ in range(EACH)]
        slow = [await ask(server) for _ in range(EACH)]
        stalled = [*never, *slow]
        got: dict[socket.socket, bytes] = dict.fromkeys(stalled, b"")
        dripping = asyncio.create_task(drip(slow, got))
        await server.until(lambda state: state["readers"] == 2 * EACH + 1)
        await server.control(f"append?count={tail - 10}&bytes=1000")

        full = await server.until(lambda state: state["full"] >= 2 * EACH)
        kernel = server.sockets()
        names = {"{}:{}".format(*each.getsockname()) for each in stalled}
        assert names <= set(kernel)
        process = (full["resident"] - before["resident"]) / (2 * EACH)
        worst = max(kernel[name] for name in names) + process
        print(f"cost of a stalled reader: kernel {max(kernel[n] for n in names)}, process {process:.0f} bytes")
        assert worst <= COST_BYTES_MAX
        assert await good == list(range(1, tail + 1))

        cut = await server.until(lambda state: state["readers"] == 0, "jump?s=31")
        assert cut["left"]["stalled"] == 2 * EACH
        assert not names & set(server.sockets())
        dripping.cancel()
        for connection in stalled:
            got[connection] += read_out(connection)
            connection.close()
        for connection in [*never[:5], *slow[:5]]:
            await check_resumable(server, got[connection], tail)


@pytest.mark.timeout(300)
@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.parametrize("busy", [True, False], ids=["busy run", "silent run"])
async def test_readers_that_vanished_are_bounded_and_gone(busy: bool) -> None:
    """Half-open: nobody answers any more. Where the run is silent the kernel finds it out, from heartbeats."""
    raise_file_limit()
    tail = 1500 if busy else 11
    peer_timeout_ms = 300_000 if busy else 15_000
    with OtherMachine() as other:
        async with server_process(other.here, peer_timeout_ms) as server:
            await server.control("append?count=10&bytes=100")
            good, there = await follow(server, tail)
            await there.wait()
            before = await server.control("state")
            vanisher = await asyncio.create_subprocess_exec(
                *other.command(
                    *(sys.executable, "-m", "tests.stall.vanisher", other.here),
                    *(str(server.outer_port), str(EACH), f"/{RUN}"),
                ),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            assert vanisher.stdout is not None
            assert await vanisher.stdout.readline() == b"there\n"
            other.unplug()
            if busy:
                await server.control(f"append?count={tail - 10}&bytes=1000")
                full = await server.until(lambda state: state["full"] >= EACH)
                kernel = server.sockets()
                assert len(kernel) >= EACH
                process = (full["resident"] - before["resident"]) / EACH
                print(f"cost of a vanished reader: kernel {max(kernel.values())}, process {process:.0f} bytes")
                assert max(kernel.values()) + process <= COST_BYTES_MAX
                assert await good == list(range(1, tail + 1))
                left = await server.until(lambda state: state["readers"] == 0, "jump?s=31")
                assert left["left"]["stalled"] == EACH
            else:
                await server.until(lambda state: state["readers"] == 1)
                await server.control("append?count=1&bytes=10")
                assert await good == list(range(1, tail + 1))
            await server.until(lambda state: state["readers"] == 0)
            assert len(server.sockets()) <= 1, "all but the one that asks for the state"
            vanisher.kill()
            await vanisher.wait()
