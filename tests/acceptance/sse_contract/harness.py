"""The other side of the contract: streams to read, callbacks to be told over, and an adapter service to ask."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.kit.client import Answer, call
from tests.kit.listening import Listening
from tests.recordings import PROJECT_ROOT

#: The contract's own: so long may a message take.
MESSAGE_LIMIT_S = 5.0
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#: And a large one longer, at this pace.
_BYTES_PER_S = 2 * 1024 * 1024
_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


class Asked(NamedTuple):
    """A request; names of headers are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Connection:
    """A stream that the client under test reads."""

    def __init__(self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked = asked
        self._reader = reader
        self._writer = writer
        writer.write(_HEAD)

    async def send(self, data: bytes, pieces: int | None = None) -> None:
        for at in range(0, len(data), pieces or max(len(data), 1)):
            piece = data[at : at + (pieces or len(data))]
            self._writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await self._writer.drain()
            await asyncio.sleep(0)  # paces: one turn of the loop, so that pieces leave one by one

    def cut(self) -> None:
        self._writer.transport.abort()

    async def closed(self) -> None:
        """Returns when the client has gone."""
        try:
            async with asyncio.timeout(MESSAGE_LIMIT_S):
                assert await self._reader.read() == b""
        except ConnectionResetError:
            pass  # gone as well


class Listener:
    """What the client under test connects to: a stream of its own for each test, and the callbacks of it.

    `answers`: by their paths, the requests that get no stream, but these bytes; those that came are `answered`.
    """

    def __init__(self, answers: Mapping[str, bytes] | None = None) -> None:
        self.answered: list[Asked] = []
        self._answers = answers or {}
        self.connections: asyncio.Queue[Connection] = asyncio.Queue()
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._early: dict[int, dict[str, Any]] = {}
        self._told = 0
        self._listening = Listening(self._accepted)
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.port}"

    async def __aenter__(self) -> Self:
        self._listening.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listening.stop()
        for writer in self._writers:
            writer.transport.abort()
        if self._serving:
            await asyncio.wait(self._serving)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def connection(self) -> Connection:
        async with asyncio.timeout(MESSAGE_LIMIT_S):
            return await self.connections.get()

    async def message(self, size: int = 0) -> dict[str, Any]:
        """The next message, in the order that their numbers give; of about `size` bytes."""
        async with asyncio.timeout(MESSAGE_LIMIT_S + size / _BYTES_PER_S):
            return await self.messages.get()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = await read_request(reader)
                if (answer := self._answers.get(asked.path)) is not None:
                    self.answered.append(asked)
                    writer.write(answer)
                    continue
                if not asked.path.startswith("/callback/"):
                    self.connections.put_nowait(Connection(asked, reader, writer))
                    return
                self._note(int(asked.path.removeprefix("/callback/")), json.loads(asked.body))
                writer.write(_ACCEPTED)
        except (EOFError, OSError):
            writer.close()

    def _note(self, number: int, message: dict[str, Any]) -> None:
        assert number > self._told, "two callbacks have one number"
        self._early[number] = message
        while (following := self._early.pop(self._told + 1, None)) is not None:
            self._told += 1
            self.messages.put_nowait(following)


async def read_request(reader: asyncio.StreamReader) -> Asked:
    """Raises EOFError where there is none any more."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    method, path, _ = line.split(" ")
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, body)


class Adapter:
    """An adapter service, as a process. It may serve several tests, one after another."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[str] = []
        self.port = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline().removeprefix(b"listening on "))
        return self

    def __exit__(self, *_: object) -> None:
        """Asks it to stop, as the contract has it, and does not take no for an answer."""
        assert self._process is not None
        with self._process as process:
            try:
                with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
                    connection.request("DELETE", "/")
                    assert connection.getresponse().status == 204
                assert process.wait(10) == 0
            finally:
                process.kill()

    async def make_client(self, asked: object) -> str:
        """Its path."""
        path = (await self.ask("POST", "/", asked)).headers["location"]
        self._clients.append(path)
        return path

    async def close_clients(self) -> None:
        """Those that no test has closed."""
        for path in self._clients:
            assert (await call(self.port, "DELETE", path)).status in (204, 404)
        self._clients.clear()

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        """The answer, whose status is 2xx."""
        answer = await call(self.port, method, path, body, {"content-type": "application/json"})
        assert 200 <= answer.status < 300, (answer.status, answer.body)
        return answer

    async def capabilities(self) -> list[str]:
        said: dict[str, list[str]] = (await self.ask("GET", "/")).json()
        return said["capabilities"]
