"""Where a subscription's records come from: the requests for one run, in each of the ways that the server offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Protocol
from urllib.parse import quote

import httpx2
import msgspec

from headwater.client.http import Http
from headwater.client.reader import NDJSON_MEDIA_TYPE, NDJSONStreamReader, SSEStreamReader, StreamReader
from headwater.client.resources import RecordPage, RunResource, decode
from headwater.client.websocket import WebSocketStreams
from headwater.wire.sse import MEDIA_TYPE

#: How records are read: as an event stream, as a record a line, over a WebSocket (by the package `websockets`), or page
#: by page, each of which waits for news.
Via = Literal["sse", "ndjson", "websocket", "long-poll"]
#: A request for one of these may start the run as well.
STARTING: Final[frozenset[Via]] = frozenset({"sse", "websocket"})

RUNS: Final = "/api/v1/runs"
#: Of a page, so that its size is bounded whatever the records are.
PAGE_RECORDS_MAX: Final = 100
#: A server lets nobody wait for longer.
_WAIT_MS_MAX: Final = 60_000
_MEDIA_TYPES: Final[dict[Via, str]] = {"sse": MEDIA_TYPE, "ndjson": NDJSON_MEDIA_TYPE}
_READERS: Final[dict[Via, type[SSEStreamReader | NDJSONStreamReader]]] = {
    "sse": SSEStreamReader,
    "ndjson": NDJSONStreamReader,
    "websocket": SSEStreamReader,
}


class Source(Protocol):
    """The requests that a subscription makes. Each raises `ClientError`s."""

    async def start(self) -> str:
        """The id of the run that this source starts: one run, however often it is asked."""
        ...

    async def open(self, run: str | None, after: int, via: Via) -> httpx2.Response:
        """A stream of the records after a cursor, its body unread. None for `run` starts it as well (`STARTING`)."""
        ...

    async def page(self, run: str, after: int, wait_ms: int) -> RecordPage:
        """The records after a cursor; where there are none, what comes within `wait_ms`."""
        ...


class HttpSource:
    """Over HTTP, and over `sockets` that HTTP opens.

    `body` and `headers` are those of the request that starts the run; None where there is one already.
    """

    def __init__(
        self,
        http: Http,
        silence_s: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        sockets: WebSocketStreams | None = None,
    ) -> None:
        self._http = http
        self._silence_s = silence_s
        self._body = body
        self._headers = headers or {}
        self._sockets = sockets

    async def start(self) -> str:
        body = await self._http.call("POST", RUNS, body=self._body, headers=self._headers, silence_s=self._silence_s)
        return decode(body, RunResource).id

    async def open(self, run: str | None, after: int, via: Via) -> httpx2.Response:
        if via == "websocket":
            return await self._socket(run, after)
        if run is None:
            assert via in STARTING, "a start answers with an event stream or with the run"
            return await self._http.open(
                "POST", RUNS, silence_s=self._silence_s, body=self._body, headers=self._headers
            )
        return await self._http.open(
            "GET",
            run_path(run) + "/events",
            silence_s=self._silence_s,
            query={"after": str(after)},
            accept=_MEDIA_TYPES[via],
        )

    async def _socket(self, run: str | None, after: int) -> httpx2.Response:
        assert self._sockets is not None, "this source has no sockets"
        if run is not None:
            return await self._sockets.open({"op": "subscribe", "run": run, "after": after}, self._silence_s)
        assert self._body is not None, "there is no run, and no request for one"
        key = self._headers.get("Idempotency-Key")
        start = {"op": "start", "request": msgspec.Raw(self._body), "idempotency_key": key}
        return await self._sockets.open(start, self._silence_s)

    async def page(self, run: str, after: int, wait_ms: int) -> RecordPage:
        query = {"after": str(after), "limit": str(PAGE_RECORDS_MAX), "wait_ms": str(min(wait_ms, _WAIT_MS_MAX))}
        body = await self._http.call("GET", run_path(run) + "/events", query=query, silence_s=self._silence_s)
        return decode(body, RecordPage)


def reader_of(via: Via, response: httpx2.Response, silence_s: float) -> StreamReader:
    """The reader of a stream that was opened so."""
    return _READERS[via](response, silence_s=silence_s)


def run_path(run: str) -> str:
    return f"{RUNS}/{quote(run, safe='')}"
