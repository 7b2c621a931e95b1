"""A scripted upstream: an HTTP server on a real socket that sends exactly the bytes it is told to, when it is told.

    async with ScriptedUpstream([Send(chat_chunk("Hel")), Pause(gate), Send(DONE)]) as upstream:
        …call upstream.base_url…
        received = await upstream.request(1)
        await received.closed.wait()

A script is a list of steps, or a function from the request to one. Several scripts answer one request
each, in order; the last one answers all that follow. It is an `asyncio.Protocol` rather than a framework,
so that it can cut, reset and stall anywhere, and hears at once that the client has gone.

As a process of its own, for tests that kill things: `python -m tests.kit.upstream --port 0 --count-file F`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from tests.kit.script import (
    DONE,
    EndCleanly,
    EndWithoutTerminator,
    Framing,
    HalfClose,
    HugeLine,
    Pause,
    Raw,
    Reset,
    Send,
    Stall,
    Status,
    Step,
    chat_chunk,
    chat_stream,
    error_answer,
    play,
    usage_chunk,
)

__all__ = [
    "DONE",
    "EndCleanly",
    "EndWithoutTerminator",
    "Framing",
    "HalfClose",
    "HugeLine",
    "Pause",
    "Raw",
    "Received",
    "Reset",
    "Script",
    "ScriptedUpstream",
    "Send",
    "Stall",
    "Status",
    "Step",
    "chat_chunk",
    "chat_stream",
    "error_answer",
    "play",
    "usage_chunk",
]

_HEAD_BYTES_MAX = 64 * 1024


class Received:
    """One request as it came, and what has become of its answer."""

    def __init__(self, number: int, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.number = number
        self.method = method
        self.path = path
        #: by lower-case name
        self.headers = headers
        self.body = body
        #: set once the connection is gone, or once the client has sent its FIN or RST
        self.closed = asyncio.Event()
        #: set once the script has been played to its end
        self.played = asyncio.Event()
        self.bytes_sent = 0
        self.tokens_billed = 0

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Script = Sequence[Step] | Callable[[Received], Iterable[Step]]


class ScriptedUpstream:
    """Listens on loopback while entered. Port 0 is any free one."""

    def __init__(self, *scripts: Script, host: str = "127.0.0.1", port: int = 0) -> None:
        self._scripts = scripts or (list(chat_stream(["Hello", " world"])),)
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._arrived = asyncio.Condition()
        self._connections: set[_Connection] = set()
        #: every request so far, in order of arrival
        self.requests: list[Received] = []
        #: connections accepted so far
        self.accepted = 0
        #: told of each request when it comes ("request"), is answered ("played") and loses its client ("closed")
        self.observe: Callable[[str, Received], None] = lambda _what, _received: None

    async def __aenter__(self) -> ScriptedUpstream:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self.hang_up()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        return self._port

    @property
    def origin(self) -> str:
        return f"http://{self._host}:{self._port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    @property
    def bytes_sent(self) -> int:
        return sum(received.bytes_sent for received in self.requests)

    @property
    def tokens_billed(self) -> int:
        return sum(received.tokens_billed for received in self.requests)

    async def request(self, number: int = 1) -> Received:
        """The n-th request, as soon as it has come."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= number)
        return self.requests[number - 1]

    async def hang_up(self) -> None:
        """Closes every connection, as a server does with those that are idle for too long."""
        for connection in list(self._connections):
            await connection.end()

    def _script_for(self, received: Received) -> Iterable[Step]:
        script = self._scripts[min(received.number, len(self._scripts)) - 1]
        return script(received) if callable(script) else script

    async def _announce(self, received: Received) -> None:
        self.requests.append(received)
        self.observe("request", received)
        async with self._arrived:
            self._arrived.notify_all()


class _Gone(Exception):
    """The client has left; nothing more can be sent."""


class _Connection(asyncio.Protocol):
    """One connection: reads requests one after another and plays a script for each."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._buffer = bytearray()
        self._transport: asyncio.Transport
        self._writable = asyncio.Event()
        self._gone = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._received: list[Received] = []
        self._framing: Framing = "chunked"
        self._headed = False

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by isinstance: uvloop's transports are of its own making.
        self._transport = cast(asyncio.Transport, transport)
        self._writable.set()
        self._upstream.accepted += 1
        self._upstream._connections.add(self)
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None:
            self._start_next()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> bool:
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._upstream._connections.discard(self)

    async def end(self) -> None:
        """Drops the connection and waits for the script to stop."""
        self._transport.abort()
        self._leave()
        if self._task is not None:
            await asyncio.wait([self._task])

    def _leave(self) -> None:
        if self._gone.is_set():
            return
        self._gone.set()
        self._writable.set()
        for received in self._received:
            received.closed.set()
            self._upstream.observe("closed", received)

    # Requests.

    def _start_next(self) -> None:
        parsed = _take_request(self._buffer)
        if parsed is None:
            return
        method, path, headers, body = parsed
        number = len(self._upstream.requests) + 1
        received = Received(number, method, path, headers, body)
        self._received.append(received)
        self._headed = False
        self._task = asyncio.get_running_loop().create_task(self._answer(received))

    async def _answer(self, received: Received) -> None:
        await self._upstream._announce(received)
        try:
            await self._play(received)
            received.played.set()
            self._upstream.observe("played", received)
        except _Gone:
            return
        finally:
            self._task = None
        if not self._gone.is_set():
            self._start_next()

    async def _play(self, received: Received) -> None:
        for step in self._upstream._script_for(received):
            await self._step(step, received)
            if isinstance(step, EndCleanly | EndWithoutTerminator | Reset):
                return
        await self._finish_body()

    async def _step(self, step: Step, received: Received) -> None:
        match step:
            case Status():
                await self._head(step, received)
            case Send():
                for piece in _cut(step.data, step.pieces):
                    await self._body(piece, received)
                received.tokens_billed += step.tokens
            case HugeLine():
                await self._huge(step, received)
            case Raw():
                self._headed = True
                await self._write(step.data, received)
            case Pause(until=None):
                await self._unless_gone(asyncio.sleep(step.seconds))  # paces: as the script says
            case Pause(until=gate):
                assert gate is not None
                await self._unless_gone(gate.wait())
            case Stall():
                await self._gone.wait()
                raise _Gone
            case HalfClose():
                self._transport.write_eof()
                await self._gone.wait()
                raise _Gone
            case Reset():
                sock: socket.socket = self._transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._transport.abort()
            case EndWithoutTerminator():
                self._transport.close()
            case EndCleanly():
                await self._finish_body()

    async def _unless_gone(self, waiting: Any) -> None:
        """Waits for something, but no longer than the client stays."""
        work = asyncio.ensure_future(waiting)
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait([work, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            gone.cancel()
        if self._gone.is_set():
            raise _Gone

    # Bytes.

    async def _head(self, status: Status, received: Received) -> None:
        self._framing, self._headed = status.framing, True
        lines = [f"HTTP/1.1 {status.code} Scripted"]
        lines += [f"{name}: {value}" for name, value in status.headers.items()]
        match status.framing:
            case "chunked":
                lines.append("Transfer-Encoding: chunked")
            case "length":
                lines.append(f"Content-Length: {len(status.body) if status.length is None else status.length}")
            case "close":
                lines.append("Connection: close")
        await self._write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), received)
        if status.body:
            await self._body(status.body, received)

    async def _body(self, data: bytes, received: Received) -> None:
        if not self._headed:
            await self._head(Status(), received)
        if data:
            await self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._framing == "chunked" else data, received)

    async def _huge(self, line: HugeLine, received: Received) -> None:
        await self._body(line.prefix, received)
        block = b"x" * 65536
        for start in range(0, line.size, len(block)):
            await self._body(block[: line.size - start], received)

    async def _finish_body(self) -> None:
        if self._gone.is_set():
            raise _Gone
        if self._framing == "chunked":
            self._transport.write(b"0\r\n\r\n")
        elif self._framing == "close":
            self._transport.close()

    async def _write(self, data: bytes, received: Received) -> None:
        if self._gone.is_set():
            raise _Gone
        self._transport.write(data)
        received.bytes_sent += len(data)
        await asyncio.sleep(0)  # paces: what is sent apart leaves apart
        await self._writable.wait()


def _take_request(buffer: bytearray) -> tuple[str, str, dict[str, str], bytes] | None:
    """The first whole request of the buffer, taken out of it, or None while it is not whole."""
    head_end = buffer.find(b"\r\n\r\n")
    if head_end < 0:
        if len(buffer) > _HEAD_BYTES_MAX:
            raise ValueError("the head of a request is too long")
        return None
    request_line, *header_lines = buffer[:head_end].decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (h.partition(":") for h in header_lines)}
    body_start = head_end + 4
    body_end = body_start + int(headers.get("content-length", "0"))
    if len(buffer) < body_end:
        return None
    body = bytes(buffer[body_start:body_end])
    del buffer[:body_end]
    method, path, _ = request_line.split(" ")
    return method, path, headers, body


def _cut(data: bytes, pieces: int | Sequence[int] | None) -> Iterable[bytes]:
    if pieces is None:
        return [data]
    if isinstance(pieces, int):
        return [data[at : at + pieces] for at in range(0, len(data), pieces)]
    edges = list(itertools.accumulate(pieces, initial=0))
    return [data[a:b] for a, b in itertools.pairwise([*edges, len(data)]) if a < b]


# As a process of its own.


class _CountFile:
    """Appends a line each time a request comes, is answered, or loses its client; a line is one write, never torn."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, what: str, received: Received) -> None:
        line = {
            "what": what,
            "request": received.number,
            "tokens": received.tokens_billed,
            "bytes": received.bytes_sent,
            "whole": received.played.is_set(),
        }
        os.write(self._fd, json.dumps(line).encode() + b"\n")


async def _serve(args: argparse.Namespace) -> None:
    script = chat_stream([f"word{n} " for n in range(args.tokens)], delay_s=args.delay_ms / 1000)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with ScriptedUpstream(script, port=args.port) as upstream:
        if args.count_file:
            upstream.observe = _CountFile(args.count_file).write
        print(upstream.base_url, flush=True)
        await stop.wait()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kit.upstream", description="A scripted model server.")
    parser.add_argument("--port", type=int, default=0, help="0 is any free one; the base URL is printed")
    parser.add_argument("--tokens", type=int, default=200, help="tokens of each answer")
    parser.add_argument("--delay-ms", type=float, default=5.0, help="between two tokens")
    parser.add_argument("--count-file", help="a JSON line is appended for each request and each end")
    asyncio.run(_serve(parser.parse_args(argv)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
