"""One client's connection: uvicorn's HTTP protocol with bounds where it has none.

What it adds, and why: uvicorn (0.54) waits for ever for a head or a body that does not come, takes a
head of any size, parses any number of requests ahead, writes an error into the middle of an answer
that is under way, does not tell a handler that its client is gone where another request is queued
behind it, and can not end a connection whose peer has stopped reading.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable, MutableMapping
from enum import Enum, auto
from typing import Any, NamedTuple, cast

import httptools
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from headwater.api.answer import Headers
from headwater.api.problem import problem
from headwater.delivery.connection import CONNECTION, connection_of
from headwater.delivery.response import PROTOCOL
from headwater.errors import ErrorCode

_NO_LINGER = struct.pack("ii", 1, 0)
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


class ConnectionLimits(NamedTuple):
    """What one connection may cost. Times in seconds."""

    #: request line and headers
    head_bytes_max: int = 64 * 1024
    headers_max: int = 100
    #: from the first byte of a request, or from the connection's begin, to the end of its head
    head_s: float = 10.0
    #: between two pieces of a body, and for all of it
    body_idle_s: float = 15.0
    body_s: float = 300.0
    #: requests that are parsed while an answer is under way
    pipelined_max: int = 64
    #: what may wait here to be taken by the kernel, before writers are told to stop, and when they may go on
    write_high_bytes: int = 32 * 1024
    write_low_bytes: int = 8 * 1024
    #: for how long the peer may take none of a complete answer's last bytes
    linger_s: float = 15.0
    #: what is read and dropped after a refusal: a reset for unread bytes would take the refusal with it, and many
    #: clients read nothing before they have sent all
    dropped_bytes_max: int = 32 * 1024 * 1024


class _Phase(Enum):
    """What is expected of the client."""

    HEAD = auto()
    BODY = auto()
    NOTHING = auto()


class _Refused(Exception):
    """Stops the parser; what the client is told is in the connection's `_refusal`."""


class Successor(asyncio.Protocol):
    """What speaks another protocol over a connection from some request on, to the server that ends it."""

    #: those that the server has; this one is among them while it is connected
    connections: set[Any]

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)

    def shutdown(self) -> None:
        """The server goes: ends in an orderly way, soon."""
        raise NotImplementedError

    def abort(self) -> None:
        """Ends at once."""
        raise NotImplementedError


class HttpConnection(HttpToolsProtocol):
    """A connection; also the `Connection` that delivery finds in the scope of each of its requests."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        limits: ConnectionLimits,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(config, server_state, {}, loop)
        self.access_log = False
        self._limits = limits
        self._resume: Callable[[], None] | None = None
        self._phase = _Phase.HEAD
        self._phase_since = 0.0
        self._data_at = 0.0
        self._looked_at = 0.0
        self._phase_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._head_begun = False
        #: the request that is being answered; uvicorn's `cycle` is the one that was parsed last
        self._answering: RequestResponseCycle | None = None
        self._refused = False
        #: the answer is the last one, and the request's body is still on its way
        self._lingers = False
        self._dropped_bytes = 0
        self._refusal: tuple[int, ErrorCode, str] | None = None
        #: what came behind a request that asks for another protocol: it is in that one, and not HTTP
        self._ahead: bytearray | None = None

    # ── delivery's Connection ───────────────────────────────────────────────────────────────────

    @property
    def paused(self) -> bool:
        return self.flow.write_paused

    def write(self, data: bytes) -> bool:
        cycle = self._answering
        if cycle is None or cycle.disconnected:
            return not self.flow.write_paused  # its handler is about to hear that the client is gone
        if cycle.response_complete or not cycle.response_started:
            self.abort()
            return False
        if cycle.chunked_encoding:
            if data:  # an empty chunk would be the end
                self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        elif cycle.chunked_encoding is False:
            self.transport.write(data)
        # else there is no body: the answer to HEAD
        return not self.flow.write_paused

    def on_resume(self, callback: Callable[[], None] | None) -> None:
        self._resume = callback

    def abort(self) -> None:
        cut(self.transport)

    def switch(self, headers: Headers, successor: Successor) -> bool:
        """Answers 101 and leaves the transport to the successor, with what the client has sent in its protocol.

        Only for a request whose headers ask for it (`Upgrade`). False where the client is gone, or has sent more
        ahead of the answer than is kept; then the successor hears nothing.
        """
        cycle, ahead = self._answering, self._ahead
        if cycle is None or cycle.disconnected or self.transport.is_closing():
            return False
        if ahead is None or len(ahead) > self._limits.head_bytes_max:
            self.abort()
            return False
        self._write_head(101, [*self.server_state.default_headers, PROTOCOL, *headers])
        # To uvicorn it is answered; nothing of this object is called by the transport any more.
        cycle.response_started = cycle.response_complete = True
        transport, connections = self.transport, self.connections
        self.flow.resume_reading()
        transport.set_protocol(successor)
        self._let_go()
        connections.discard(self)
        connections.add(successor)  # type: ignore[arg-type]
        successor.connections = connections
        successor.connection_made(transport)
        if self.flow.write_paused:
            successor.pause_writing()
        if ahead:
            successor.data_received(bytes(ahead))
        return True

    # ── the transport's protocol ────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # In place of uvicorn's own, which asks the kernel for both addresses, and nobody here wants to know them.
        # uvloop's transports are of no class of asyncio's.
        self.connections.add(self)
        self.transport = cast(asyncio.Transport, transport)
        self.flow = FlowControl(self.transport)
        self.server = self.client = None
        self.scheme = "http"
        self.transport.set_write_buffer_limits(high=self._limits.write_high_bytes, low=self._limits.write_low_bytes)
        self._enter(_Phase.HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        answering, self._answering = self._answering, None
        if answering is not None and not answering.response_complete:
            answering.disconnected = True
            answering.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)
        self._let_go()

    def _let_go(self) -> None:
        """Keeps nothing that leads back here: without it every connection would be left to the garbage collector."""
        self._unset_keepalive_if_required()
        if self._phase_timer is not None:
            self._phase_timer.cancel()
            self._phase_timer = None
        self._resume = self._answering = None
        self.parser = None  # type: ignore[assignment]
        self.cycle = None  # type: ignore[assignment]
        self.scope = None  # type: ignore[assignment]

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._resume is not None:
            self._resume()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._dropped_bytes += len(data)
            if self._dropped_bytes > self._limits.dropped_bytes_max:
                self.abort()
            return
        if self._ahead is not None:
            if len(self._ahead) <= self._limits.head_bytes_max:
                self._ahead += data
            return
        self._unset_keepalive_if_required()
        self._data_at = self.loop.time()
        if self._phase is not _Phase.BODY:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # The request was parsed, and unless its handler switches it is answered as if it had not asked for
            # another protocol (RFC 9110, 7.8).
            self._ahead = bytearray(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(*(self._refusal or (400, ErrorCode.BAD_REQUEST, "This is not HTTP/1.1.")))
            return
        if self._phase is _Phase.HEAD and self._head_bytes > self._limits.head_bytes_max:
            self._refuse(431, ErrorCode.TOO_LARGE, _HEAD_TOO_LARGE)

    # ── the parser's callbacks ──────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_begun = True
        # ASGI's types want a dict in here, of names that only they know.
        self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]
        self._enter(_Phase.HEAD)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._head_bytes = 0
        self._head_begun = False
        if size > self._limits.head_bytes_max or len(self.headers) > self._limits.headers_max:
            self._refusal = (431, ErrorCode.TOO_LARGE, _HEAD_TOO_LARGE)
            raise _Refused
        if len(self.pipeline) >= self._limits.pipelined_max:
            self._refusal = (429, ErrorCode.RATE_LIMIT, "Too many requests on one connection before their answers.")
            raise _Refused
        if not _is_coding_known(self.headers, self.parser.get_http_version()):
            # Where such a body ends, and the next request begins, is not for us to guess (RFC 9112, 6.1).
            self._refusal = (501, ErrorCode.UNSUPPORTED, "The only transfer coding here is `chunked`, in HTTP/1.1.")
            raise _Refused
        host, self.url = _split_target(self.url)
        if host is not None and any(name == b"host" and value.lower() != host for name, value in self.headers):
            # The target's counts (RFC 9112, 3.2.2), and everybody behind us looks at the header.
            self._refusal = (421, ErrorCode.WRONG_HOST, "The target names another host than the Host header.")
            raise _Refused
        self._enter(_Phase.BODY)
        super().on_headers_complete()
        if self.parser.should_upgrade():
            # The parser takes nothing more after this; the connection must not wait for what it would not see.
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._enter(_Phase.NOTHING)
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        if cycle.scope["http_version"] == "1.0":
            app = _unchunked(cycle, app)
        if cycle.scope["method"] not in _WITHOUT_BODY:
            app = self._unclosed(cycle, app)
        super()._start_asgi_task(cycle, app)

    # ── time limits ─────────────────────────────────────────────────────────────────────────────

    def _enter(self, phase: _Phase) -> None:
        self._phase = phase
        self._phase_since = self._data_at = self._looked_at = self.loop.time()
        if phase is not _Phase.NOTHING and self._phase_timer is None:
            self._arm(min(self._limits.head_s, self._limits.body_idle_s))

    def _arm(self, seconds: float) -> None:
        self._phase_timer = self.loop.call_later(seconds, self._check_phase)

    def _check_phase(self) -> None:
        """Looks whether the client has been too slow; a look costs less than a timer for each piece of a body."""
        self._phase_timer = None
        if self._phase is _Phase.NOTHING or self.transport.is_closing():
            return
        now = self.loop.time()
        limits = self._limits
        if self.flow.read_paused:
            self._phase_since += now - self._looked_at  # it is we who do not read
            self._data_at = now
        self._looked_at = now
        if self._phase is _Phase.HEAD:
            left = limits.head_s - (now - self._phase_since)
        else:
            left = min(limits.body_idle_s - (now - self._data_at), limits.body_s - (now - self._phase_since))
        if left > 0:
            self._arm(left)
        elif self._phase is _Phase.HEAD and not self._head_begun:
            self.transport.close()  # it said nothing, so it asked nothing
        else:
            self._refuse(408, ErrorCode.TIMEOUT, "The request did not come in time.")

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._lingers:
            self._drop_the_rest()
        elif self.transport.is_closing():
            self._end_when_written()

    def timeout_keep_alive_handler(self) -> None:
        self._end_when_written()

    def _end_when_written(self, size_before: int | None = None) -> None:
        """Closes, but not before the peer has taken the answer; cuts it off once it takes no more of it."""
        size = self.transport.get_write_buffer_size()
        if size == size_before:
            self.abort()
            return
        if size == 0:
            self.transport.close()
            return
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self._limits.linger_s, self._end_when_written, size)

    # ── refusals ────────────────────────────────────────────────────────────────────────────────

    def _refuse(self, status: int, code: ErrorCode, detail: str) -> None:
        """Answers what never became a request, and ends. In the middle of another answer it can only cut."""
        answering = self._answering
        if answering is not None and not answering.response_complete:
            if answering.response_started or answering is not self.cycle or self._phase is not _Phase.BODY:
                self.abort()
                return
            # Its handler waits for the body: it is told that the client is gone, and can answer no more.
            answering.disconnected = True
            answering.message_event.set()
        answer = problem(code, detail, status=status)
        headers: list[tuple[bytes, bytes]] = [
            *self.server_state.default_headers,
            PROTOCOL,
            *answer.headers,
            (b"content-length", b"%d" % len(answer.body)),
            (b"connection", b"close"),
        ]
        self._write_head(status, headers)
        self.transport.write(answer.body)
        self._drop_the_rest()

    def _write_head(self, status: int, headers: Headers) -> None:
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n"]))

    def _drop_the_rest(self) -> None:
        """Ends our half, and takes what the client still sends: it is to read the answer (RFC 9112, 9.6)."""
        self._refused = True
        self._enter(_Phase.NOTHING)
        self.transport.write_eof()
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self._limits.linger_s, self.abort)

    def _unclosed(self, cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
        """Keeps the connection where an answer ends it before the body has come; uvicorn closes it on the spot."""

        async def serve(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            async def unclosed(message: ASGISendEvent) -> None:
                is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
                if is_last and not cycle.keep_alive and cycle is self.cycle and self._phase is _Phase.BODY:
                    cycle.keep_alive = self._lingers = True
                await send(message)

            await app(scope, receive, unclosed)

        return serve


def cut(transport: asyncio.Transport) -> None:
    """A reset, not an end: what the peer has not taken is dropped, and the kernel keeps nothing of it either."""
    peer: socket.socket | None = transport.get_extra_info("socket")
    if peer is not None:
        try:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        except OSError:
            pass  # it is closed already
    transport.abort()


def http_connection_of(scope: MutableMapping[str, Any]) -> HttpConnection:
    """The connection of a request, that may be switched. Raises RuntimeError under a server other than our own."""
    connection = connection_of(scope)
    if not isinstance(connection, HttpConnection):
        raise RuntimeError("another protocol needs Headwater's own HTTP server: headwater.api.server")
    return connection


def _is_coding_known(headers: list[tuple[bytes, bytes]], http_version: str) -> bool:
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    return not codings or (codings == [b"chunked"] and http_version == "1.1")


def _split_target(target: bytes) -> tuple[bytes | None, bytes]:
    """The host that a target in absolute-form names, None for any other target; and the target without it."""
    _, colon, rest = target.partition(b"://")
    if not colon or target.startswith(b"/"):
        return None, target
    authority = re.split(rb"[/?#]", rest, maxsplit=1)[0]
    own = rest[len(authority) :]
    return authority.lower(), own if own.startswith(b"/") else b"/" + own


def _unchunked(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """Answers a client of HTTP/1.0: it knows no chunks (RFC 9112, 6.1), so an answer of unknown length ends with the
    connection. uvicorn chunks it all the same.
    """

    async def serve(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        length_known = True

        async def unchunked(message: ASGISendEvent) -> None:
            nonlocal length_known
            if message["type"] == "http.response.start":
                length_known = any(name.lower() == b"content-length" for name, _ in message["headers"])
                if not length_known:
                    cycle.chunked_encoding = False
            elif message["type"] == "http.response.body" and not length_known:
                # uvicorn counts down a length that was promised; here each piece is a promise of its own.
                cycle.expected_content_length = len(message["body"])
            await send(message)

        await app(scope, receive, unchunked)

    return serve


_HEAD_TOO_LARGE = "The request line and headers are too large."
