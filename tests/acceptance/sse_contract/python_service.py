"""The adapter for the Python client: `python -m tests.acceptance.sse_contract.python_service [PORT]`.

Says `listening on PORT` when it is there. What follows a stream is the client's own: its requests, its reader, its
waits; the adapter only puts them in a loop, for our server's runs are followed by cursor and not by `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx2
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headwater.client import Cancelled, ClientError, NetworkError, RetryPolicy, SSEStreamReader
from headwater.client.backoff import Backoff
from headwater.client.http import Http, make_http
from headwater.wire.sse import Frame

#: Every one that any version of the contract's harness knows; `204` is what it called the last one at first.
CAPABILITIES = [
    "204",
    "bom",
    "comments",
    "empty-or-missing-location",
    "event-type-listeners",
    "headers",
    "last-event-id",
    "payload-size-stress-testable",
    "post",
    "read-timeout",
    "report",
    "restart",
    "retry",
    "server-directed-shutdown-request",
]
#: The contract's largest event is of 128 MiB, and the client's own limit for one that a caller can raise.
EVENT_BYTES_MAX = 256 * 1024 * 1024


class Parameters(msgspec.Struct, rename="camel"):
    """What a stream is asked to be."""

    stream_url: str
    callback_url: str
    tag: str | None = None
    initial_delay_ms: int | None = None
    read_timeout_ms: int | None = None
    last_event_id: str | None = None
    headers: dict[str, str] | None = None
    method: str | None = None
    body: str | None = None


class Listen(msgspec.Struct):
    type: str


class Command(msgspec.Struct):
    """What a stream is asked to do."""

    command: Literal["restart", "listen"]
    listen: Listen | None = None


class Stream:
    """One client on one URL, until it is closed. Tells events without a type, and those of types that it listens for.

    Redirects are the adapter's: the client itself takes none, so that its key goes to one server only.
    """

    def __init__(self, asked: Parameters, callbacks: httpx2.AsyncClient) -> None:
        parts = urlsplit(asked.stream_url)
        self._asked = asked
        self._path = asked.stream_url.removeprefix(f"{parts.scheme}://{parts.netloc}") or "/"
        client = make_http(f"{parts.scheme}://{parts.netloc}", {}, None)
        client.follow_redirects = True
        self._http = Http(client)
        self._callbacks = callbacks
        self._number = itertools.count(1)
        self._last_id = asked.last_event_id or ""
        self._types = {"message"}
        self._silence_s = asked.read_timeout_ms / 1000 if asked.read_timeout_ms else None
        self._reader: SSEStreamReader | None = None
        self._following = asyncio.create_task(self._follow())

    def listen(self, type_: str) -> None:
        self._types.add(type_)

    async def restart(self) -> None:
        if self._reader is not None:
            await self._reader.cancel()

    async def close(self) -> None:
        self._following.cancel()
        await asyncio.wait([self._following])
        await self._http.close()

    async def _follow(self) -> None:
        delay_ms = 1000 if self._asked.initial_delay_ms is None else self._asked.initial_delay_ms
        backoff = Backoff(RetryPolicy(tries_max=1000, base_s=delay_ms / 1000), random.random)
        while True:
            try:
                if await self._connect(backoff):
                    return
                failure: ClientError = NetworkError("The connection ended")
            except Cancelled:
                continue
            except ClientError as error:
                failure = error
            await self._tell({"kind": "error", "error": failure.message})
            await asyncio.sleep(backoff.delay_s(failure))  # paces: the client's own wait before a new try

    async def _connect(self, backoff: Backoff) -> bool:
        """Reads one connection; True where the server says that there is nothing more."""
        asked = self._asked
        headers = {name.title(): value for name, value in (asked.headers or {}).items()}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        body = asked.body.encode() if asked.body is not None else None
        response = await self._http.open(
            asked.method or "GET", self._path, silence_s=self._silence_s or 60.0, body=body, headers=headers
        )
        if response.status_code == httpx2.codes.NO_CONTENT:
            await response.aclose()
            return True
        reader = self._reader = SSEStreamReader(
            response, silence_s=self._silence_s, comments=True, event_bytes_max=EVENT_BYTES_MAX
        )
        try:
            async for item in reader.read_frames():
                backoff.progressed()
                if isinstance(item, str):
                    await self._tell({"kind": "comment", "comment": item})
                else:
                    await self._tell_event(item)
        finally:
            # A block without data may have set one, too.
            self._last_id = reader.last_event_id or self._last_id
            if reader.retry_ms is not None:
                backoff.base_s = reader.retry_ms / 1000
        return False

    async def _tell_event(self, frame: Frame) -> None:
        if frame.id is not None:
            self._last_id = frame.id
        type_ = frame.event or "message"
        if type_ in self._types:
            event = {"type": type_, "data": frame.data.decode(), "id": self._last_id}
            await self._tell({"kind": "event", "event": event})

    async def _tell(self, message: dict[str, Any]) -> None:
        await self._callbacks.post(f"{self._asked.callback_url}/{next(self._number)}", json=message)


class Service:
    """The streams there are, by number, and the resources that the contract has."""

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}
        self._number = itertools.count(1)
        self._callbacks = httpx2.AsyncClient(trust_env=False)
        self.server: uvicorn.Server | None = None
        self.app = Starlette(
            routes=[
                Route("/", self.status, methods=["GET"]),
                Route("/", self.create, methods=["POST"]),
                Route("/", self.stop, methods=["DELETE"]),
                Route("/streams/{number}", self.command, methods=["POST"]),
                Route("/streams/{number}", self.close, methods=["DELETE"]),
            ],
            lifespan=self.lifespan,
        )

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        for stream in self._streams.values():
            await stream.close()
        await self._callbacks.aclose()

    async def status(self, _: Request) -> Response:
        return JSONResponse({"name": "headwater-python", "capabilities": CAPABILITIES})

    async def create(self, request: Request) -> Response:
        try:
            asked = msgspec.json.decode(await request.body(), type=Parameters)
        except msgspec.MsgspecError as error:
            return Response(str(error), 400)
        number = str(next(self._number))
        self._streams[number] = Stream(asked, self._callbacks)
        return Response(status_code=201, headers={"Location": f"/streams/{number}"})

    async def command(self, request: Request) -> Response:
        stream = self._streams.get(request.path_params["number"])
        if stream is None:
            return Response(status_code=404)
        try:
            asked = msgspec.json.decode(await request.body(), type=Command)
        except msgspec.MsgspecError as error:
            return Response(str(error), 400)
        if asked.command == "restart":
            await stream.restart()
        elif asked.listen is None:
            return Response("there is no type to listen for", 400)
        else:
            stream.listen(asked.listen.type)
        return Response(status_code=202)

    async def close(self, request: Request) -> Response:
        stream = self._streams.pop(request.path_params["number"], None)
        if stream is None:
            return Response(status_code=404)
        await stream.close()
        return Response(status_code=204)

    async def stop(self, _: Request) -> Response:
        assert self.server is not None
        self.server.should_exit = True
        return Response(status_code=204)


async def main(port: int) -> None:
    service = Service()
    config = uvicorn.Config(service.app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
    service.server = uvicorn.Server(config)
    listening = config.bind_socket()
    listening.listen()
    print(f"listening on {listening.getsockname()[1]}", flush=True)
    await service.server.serve([listening])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
