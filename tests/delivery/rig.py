"""The read half by itself: a real log, a hub, and its own HTTP server on a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from headwater.api.connection import ConnectionLimits
from headwater.api.server import HttpServer
from headwater.api.sockets import address_of, listen
from headwater.clock import Clock, SystemClock
from headwater.delivery.cursor import parse_cursor
from headwater.delivery.hub import Hub
from headwater.domain import event as ev
from headwater.errors import HeadwaterError
from headwater.storage.contract import EventLog
from headwater.storage.memory import MemoryStorage
from headwater.telemetry import ReaderLeft, SilentObserver

RUN = "run_" + "0" * 32

Message = MutableMapping[str, Any]


class Presences(SilentObserver):
    """Notes who came and went, both as the supervisor and as the metrics hear of it."""

    def __init__(self) -> None:
        self.here: dict[str, int] = {}
        self.joins = 0
        self.left: list[ReaderLeft] = []
        self._one_left = asyncio.Event()

    async def until_left(self, count: int) -> None:
        while len(self.left) < count:
            self._one_left.clear()
            await self._one_left.wait()

    def reader_joined(self, run: str, transport: str | None = None) -> None:
        if transport is None:
            self.here[run] = self.here.get(run, 0) + 1
            self.joins += 1

    def reader_left(self, detail: ReaderLeft | str) -> None:
        if isinstance(detail, str):
            self.here[detail] -= 1
        else:
            self.left.append(detail)
            self._one_left.set()


class Tasks:
    """A `Spawn` that keeps hold of its tasks."""

    def __init__(self) -> None:
        self.all: set[asyncio.Task[None]] = set()
        self.failures: list[BaseException] = []
        self.started = 0

    def __call__(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.started += 1
        self.all.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self.all.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)


class Rig:
    """`app` answers any path with the run named by its last part, in the form that its query asks for."""

    def __init__(self, log: EventLog | None = None, clock: Clock | None = None, **hub: Any) -> None:
        self.log: EventLog = log if log is not None else MemoryStorage().log
        self.presence = Presences()
        self.tasks = Tasks()
        self.clock = clock or SystemClock()
        self.hub = Hub(
            self.log,
            clock=self.clock,
            spawn=self.tasks,
            observer=self.presence,
            presence=self.presence,
            **hub,
        )
        self.host = "127.0.0.1"
        self.port = 0

    async def begin(self, run: str = RUN) -> None:
        await self.log.claim(run, 1)

    async def append(self, *payloads: bytes, after: int | None = None, final: bool = False, run: str = RUN) -> int:
        """Appends records and returns the tail, once they are durable."""
        tail = (await self.log.state(run)).tail if after is None else after
        await self.log.append(run, tail, payloads, 1, final)
        return tail + len(payloads)

    async def app(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Any) -> None:
        query = dict(pair.split("=", 1) for pair in scope["query_string"].decode().split("&") if pair)
        headers = dict(scope["headers"])
        run = scope["path"].rpartition("/")[2]
        try:
            cursor = parse_cursor(
                headers.get(b"last-event-id", b"").decode() or None, query.get("after"), query.get("from")
            )
            serve = self.hub.serve_ndjson if query.get("form") == "ndjson" else self.hub.serve_sse
            types = query["types"].split(",") if "types" in query else None
            await serve(scope, receive, send, run, cursor.after, types=types, from_snapshot=cursor.from_snapshot)
        except HeadwaterError as error:
            headers_out = [(b"content-length", b"%d" % len(error.code))]
            await send({"type": "http.response.start", "status": error.status, "headers": headers_out})
            await send({"type": "http.response.body", "body": error.code.encode()})

    @asynccontextmanager
    async def serving(self, limits: ConnectionLimits | None = None) -> AsyncIterator[Rig]:
        server = HttpServer(self.app, limits=limits)
        sockets = listen(self.host, 0)
        self.port = address_of(sockets)[1]
        await server.start(sockets)
        try:
            yield self
        finally:
            self.hub.drain()
            await server.stop(1.0)
        assert self.tasks.failures == []

    @asynccontextmanager
    async def reading(
        self, target: str = f"/{RUN}", headers: str = "", receive_bytes: int | None = None
    ) -> AsyncIterator[Reader]:
        """A connection that has asked for a run's records."""
        connecting = socket.socket()
        if receive_bytes is not None:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connecting.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connecting, (self.host, self.port))
        stream, writer = await asyncio.open_connection(sock=connecting, limit=1 << 20)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        try:
            yield Reader(stream, writer)
        finally:
            writer.close()


class Reader:
    """An HTTP client that shows everything: status, headers, and the body as it comes off the chunks."""

    def __init__(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.stream = stream
        self.writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        #: the body's end was said; a connection that was cut never says it
        self.complete = False

    async def head(self) -> Reader:
        status, *lines = (await self.stream.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(status.split(" ")[1])
        self.headers = dict(line.split(": ", 1) for line in lines if line)
        return self

    async def more(self) -> bytes:
        """The next chunk's bytes; empty at the end."""
        if "content-length" in self.headers and not self.complete:
            self.body = await self.stream.readexactly(int(self.headers["content-length"]))
            self.complete = True
            return self.body
        if self.complete or self.status == 204:
            return b""
        size = int(await self.stream.readuntil(b"\r\n"), 16)
        data = (await self.stream.readexactly(size + 2))[:-2]
        self.complete = size == 0
        self.body += data
        return data

    async def until(self, wanted: bytes) -> bytes:
        """The body up to now, once it holds what is wanted."""
        while wanted not in self.body:
            assert await self.more(), f"the answer ended without {wanted!r}: {self.body!r}"
        return self.body

    async def rest(self) -> bytes:
        """The whole body, to its said end."""
        while await self.more():
            pass
        return self.body


def record(seq: int, text: str = "word ", index: int = 0) -> bytes:
    return ev.encode_record(seq, seq * 10, ev.Chunk(text, index))


def records(count: int, after: int = 0, text: str = "word ") -> list[bytes]:
    return [record(seq, text) for seq in range(after + 1, after + count + 1)]


def final(seq: int) -> bytes:
    return ev.encode_record(seq, seq * 10, ev.Cancelled("user", 0))


def seqs(body: bytes) -> list[int]:
    """The seqs of the records in an SSE body, in the order in which they came; a block that was cut is none."""
    found = []
    for block in body.split(b"\n\n")[:-1]:
        for line in block.split(b"\n"):
            if line.startswith(b"data: "):
                found.append(ev.decode_record(line[6:]).seq)
    return found
