"""A strict client for tests: plain sockets, every block noted, nothing forgiven and nothing repaired.

It is not the product's client: it must not hide what that one would put right.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from headwater.wire.sse import SSEDecoder
from tests.kit.history import Closed, Got, History, How, Opened

#: What an attempt may take before the test calls it stuck.
STUCK_S = 60.0


class Answer(NamedTuple):
    """A whole answer. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Way(NamedTuple):
    """How a server on loopback is reached, where that is not plain HTTP under its address."""

    #: sent with each request
    headers: Mapping[str, str] = {}
    #: the name that the server is called by, and has its certificate for
    host: str | None = None
    tls: ssl.SSLContext | None = None


DIRECT = Way()


class Http:
    """One request over one connection, that ends with it."""

    def __init__(self, port: int, way: Way = DIRECT) -> None:
        self.port = port
        self.way = way
        self.status = 0
        self.headers: dict[str, str] = {}
        self.whole = False
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """Sends a request and reads the answer's head. Raises OSError, EOFError."""
        extra, host, tls = self.way
        opening = asyncio.open_connection("127.0.0.1", self.port, ssl=tls, server_hostname=host if tls else None)
        self._reader, self._writer = await opening
        lines = [f"{method} {path} HTTP/1.1", f"host: {host or '127.0.0.1'}:{self.port}", "connection: close"]
        if body:
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in {**extra, **(headers or {})}.items()]
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.status = int(head[0].split(" ")[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}

    async def body(self) -> AsyncIterator[bytes]:
        """The body's bytes as they come; `whole` is True afterwards if it ended as HTTP promised."""
        assert self._reader is not None
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(await self._reader.readuntil(b"\r\n"), 16):
                while size:
                    data = await self._reader.read(size)
                    if not data:
                        return
                    size -= len(data)
                    yield data
                await self._reader.readexactly(2)
        else:
            length = int(self.headers.get("content-length", "0"))
            if length:
                yield await self._reader.readexactly(length)
        self.whole = True

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


async def call(
    port: int,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    *,
    way: Way = DIRECT,
) -> Answer:
    """One whole request. Raises OSError or EOFError where the answer does not come whole."""
    http = Http(port, way)
    try:
        async with asyncio.timeout(STUCK_S):
            await http.send(method, path, headers, b"" if body is None else json.dumps(body).encode())
            content = b"".join([data async for data in http.body()])
    finally:
        http.close()
    if not http.whole:
        raise EOFError("the answer was cut")
    return Answer(http.status, http.headers, content)


async def start_run(port: int, prompt: str = "Hello", *, key: str | None = None, **request: Any) -> Answer:
    """`POST /api/v1/runs` with one message; `model` is `simulated` unless given."""
    body = {"model": "simulated", "messages": [{"role": "user", "content": prompt}], **request}
    return await call(port, "POST", "/api/v1/runs", body, {"idempotency-key": key} if key else None)


class Reader:
    """A client that follows one run over as many connections as it takes, and notes all it gets."""

    _numbers = itertools.count(1)

    def __init__(self, run: str, history: History, *, name: str = "", way: Way = DIRECT) -> None:
        self.run = run
        self.way = way
        self.name = name or f"reader-{next(self._numbers)}"
        self.cursor = 0
        self.payloads: list[bytes] = []
        self.connections = 0
        #: set when the first record has come
        self.begun = asyncio.Event()
        self._history = history

    @property
    def ended(self) -> bool:
        """Whether the final record has come."""
        return bool(self.payloads) and json.loads(self.payloads[-1])["type"] in ("complete", "error", "cancelled")

    async def read(self, port: int, *, leave_at: int | None = None, by_header: bool = True) -> How:
        """One connection, from the cursor to its end; `leave_at` is a seq after which the client leaves by itself."""
        self.connections += 1
        number, http = self.connections, Http(port, self.way)
        self._history.note(Opened(self.run, self.name, number, self.cursor))
        how: How = "cut"
        try:
            async with asyncio.timeout(STUCK_S):
                how = await self._read(http, number, leave_at, by_header)
        except (OSError, EOFError, ValueError):
            how = "cut"  # the head, a chunk's size or its bytes did not come whole
        except TimeoutError:
            how = "stuck"
        finally:
            http.close()
            code = self._code(http, how)
            self._history.note(Closed(self.name, number, how, code))
        return how

    async def _read(self, http: Http, number: int, leave_at: int | None, by_header: bool) -> How:
        path, headers = f"/api/v1/runs/{self.run}/events", {"accept": "text/event-stream"}
        if by_header and self.cursor:
            headers["last-event-id"] = str(self.cursor)
        elif self.cursor:
            path += f"?after={self.cursor}"
        await http.send("GET", path, headers)
        if http.status == 204:
            return "none"
        if http.status != 200:
            self._refusal = b"".join([data async for data in http.body()])
            return "refused"
        decoder = SSEDecoder()
        async for data in http.body():
            for frame in decoder.feed(data):
                assert frame.id is not None
                self.cursor = int(frame.id)
                self.payloads.append(frame.data)
                self.begun.set()
                self._history.note(Got(self.name, number, self.cursor, frame.data))
                if self.cursor == leave_at:
                    return "left"
        return "end" if http.whole else "cut"

    _refusal = b""

    def _code(self, http: Http, how: How) -> str:
        if how != "refused" or not self._refusal:
            return ""
        return str(json.loads(self._refusal).get("code", http.status))

    async def read_on(self, port: int, *, tries: int = 1000) -> How:
        """Comes back with its cursor until nothing will follow, or is refused; at most so many times."""
        how: How = "cut"
        for _ in range(tries):
            how = await self.read(port)
            if how in ("none", "refused", "stuck") or (how == "end" and self.ended):
                return how
            if how == "cut" and not self.payloads:
                await asyncio.sleep(0.01)  # paces: asks again whether a server is there
        return how
