"""A run's records over a WebSocket, as the body of an event stream, so that their reader need not know.

A socket carries one run here. It is made by the package `websockets`, which only who reads so has to install.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

import httpx2
import msgspec

from headwater.client.errors import ClientError, NetworkError, ParseError, TimedOut, refusal
from headwater.client.http import is_loopback
from headwater.client.reader import EVENT_BYTES_MAX
from headwater.wire.sse import MEDIA_TYPE

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

PATH: Final = "/api/v1/ws"
EXTRA: Final = "headwater-client[websocket]"
#: How long a server may take to answer our close, in seconds; it has said all that there was by then.
_CLOSE_S: Final = 1.0
#: The id of the one message that asks.
_ASKED: Final = 1
#: At its finest that package writes down what people wrote.
_SILENT: Final = logging.getLogger("headwater.client.websocket")
_SILENT.setLevel(logging.CRITICAL + 1)


class _Ok(msgspec.Struct):
    run: str = ""
    created: bool = False


class _End(msgspec.Struct):
    reason: str


class _Farewell(msgspec.Struct):
    retry_ms: int


class _Told(msgspec.Struct):
    """A message of the server's; the members of one kind are there."""

    id: Any = None
    ok: _Ok | None = None
    error: dict[str, Any] | None = None
    #: empty where there is none
    record: msgspec.Raw = msgspec.Raw()
    end: _End | None = None
    farewell: _Farewell | None = None


_told: Final = msgspec.json.Decoder(_Told)


class WebSocketStreams:
    """Opens sockets to one server; `headers` go with each handshake."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(base_url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        self._url = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}{PATH}"
        self._headers = dict(headers)
        self._proxy: Literal[True] | None = None if is_loopback(parts.hostname or "") else True

    async def open(self, message: Mapping[str, Any], silence_s: float) -> httpx2.Response:
        """The answer to a message that subscribes to a run, or starts one, as an event stream of its records.

        `message` has no `id`. The answer must come within `silence_s`. Raises `NetworkError`, `TimedOut`,
        `ServerError`, `ParseError`, and `ModuleNotFoundError` where the package is not installed.
        """
        try:
            from websockets.exceptions import InvalidStatus, WebSocketException
        except ModuleNotFoundError:
            raise ModuleNotFoundError(f"A WebSocket needs a package more: pip install '{EXTRA}'") from None
        try:
            async with asyncio.timeout(silence_s):
                return await self._asked(await self._connect(), message)
        except TimeoutError:
            raise TimedOut(f"The server did not answer within {silence_s:g} s") from None
        except InvalidStatus as error:
            answer = error.response
            body = bytes(answer.body or b"")
            raise refusal(answer.status_code, body, retry_after=answer.headers.get("Retry-After")) from None
        except ConnectionRefusedError:
            raise NetworkError(f"There is no server at {self._url}", unreachable=True) from None
        except (OSError, EOFError, WebSocketException) as error:
            raise NetworkError(f"The connection to {self._url} broke") from error

    async def _connect(self) -> ClientConnection:
        from websockets.asyncio.client import connect

        class Connect(connect):
            def process_redirect(self, exc: Exception) -> Exception | str:
                return exc  # to another server, maybe: what we send is not for it

        return await Connect(
            self._url,
            additional_headers=self._headers,
            compression=None,
            proxy=self._proxy,
            max_size=EVENT_BYTES_MAX,
            open_timeout=None,
            close_timeout=_CLOSE_S,
            # The server says by itself that it lives.
            ping_interval=None,
            logger=_SILENT,
        )

    async def _asked(self, socket: ClientConnection, message: Mapping[str, Any]) -> httpx2.Response:
        body = _Body(socket)
        try:
            await socket.send(msgspec.json.encode({"id": _ASKED, **message}), text=True)
            while (told := _decoded(await socket.recv(decode=False))).ok is None:
                if told.error is not None:
                    raise _refused(told.error)
        except BaseException:
            await body.aclose()
            raise
        headers = {"Content-Type": MEDIA_TYPE, "X-Run-Id": told.ok.run}
        return httpx2.Response(201 if told.ok.created else 200, headers=headers, stream=body)


class _Body(httpx2.AsyncByteStream):
    """What the server says of the run, to its end."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ended = False

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        from websockets.exceptions import ConnectionClosed

        while True:
            try:
                told = _decoded(await self._socket.recv(decode=False))
            except ConnectionClosed as error:
                raise httpx2.ReadError("The WebSocket broke") from error
            if record := bytes(told.record):
                yield b"data: %b\n\n" % record
            elif told.farewell is not None:
                yield b"retry: %d\n\n" % told.farewell.retry_ms
            elif told.end is None:
                yield b": alive\n\n"
            elif told.end.reason == "closed":
                self._ended = True
                return
            else:
                # Whoever asks again is told why.
                raise httpx2.ReadError("The server has no more of this run")

    async def aclose(self) -> None:
        if self._ended:
            await self._socket.close()
        else:
            # Nobody waits for a peer that may be gone; a server takes it for a leaving all the same.
            self._socket.transport.abort()


def _decoded(message: str | bytes) -> _Told:
    try:
        return _told.decode(message)
    except msgspec.DecodeError:
        # Without its bytes: they are somebody's prompt or answer.
        raise ParseError("The server sent a message that can not be read") from None


def _refused(problem: Mapping[str, Any]) -> ClientError:
    """The error of an answer over HTTP, of which a header is a member here."""
    status, wait_s = problem.get("status"), problem.get("retry_after_s")
    return refusal(
        status if isinstance(status, int) else httpx2.codes.INTERNAL_SERVER_ERROR,
        msgspec.json.encode(problem),
        retry_after=None if wait_s is None else str(wait_s),
    )
