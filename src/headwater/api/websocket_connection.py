"""One WebSocket (RFC 6455): the `websockets` package's framing, with bounds, around one reader's frames.

That package checks and answers what comes in. What goes out are whole frames of the read half, which also decides
when one may begin; so this holds the two halves of the connection together, and ends it in every way that it can end.
"""

from __future__ import annotations

import asyncio
import codecs
import logging
from collections import deque
from http import HTTPStatus
from typing import NamedTuple, cast

from websockets.datastructures import Headers as HandshakeHeaders
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol

from headwater.api.answer import Headers, Scope
from headwater.api.connection import Successor, cut
from headwater.delivery.subscription import Why
from headwater.delivery.websocket import SocketReader
from headwater.errors import BadRequestError

#: Never says anything: at its finest that package writes down what people wrote.
_SILENT = logging.getLogger("headwater.websocket")
_SILENT.setLevel(logging.CRITICAL + 1)
#: How much of what came is looked at before it is acted on: a frame of six bytes is many times that as an object.
_TAKEN_BYTES = 1024
#: After so many frames the others have their turn.
_FRAMES_PER_TURN = 32
_CONTROL_BYTES_MAX = 125
_REASON_BYTES_MAX = _CONTROL_BYTES_MAX - 2


class WebSocketLimits(NamedTuple):
    """What one socket may cost beside what its reader does."""

    #: of one message, in however many frames it comes
    message_bytes_max: int = 8 << 20
    #: how long a message may take from its first byte to its last, in seconds
    message_s: float = 300.0
    #: for how long the client may leave a close unanswered, in seconds
    linger_s: float = 15.0


class Handshake(NamedTuple):
    """The answer to a request for a WebSocket: 101 and these headers, or a refusal that says what is wrong."""

    status: int
    headers: Headers


def handshake(scope: Scope) -> Handshake:
    """Accepts a request as RFC 6455, 4.2 has it. No extension is agreed on, so nothing is ever compressed.

    Raises `BadRequestError` for one that asks for a WebSocket in a way that is none; the status is 426 where the
    request asks for no WebSocket at all.
    """
    headers = HandshakeHeaders((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    request = Request("/", headers, scope["method"], f"HTTP/{scope['http_version']}")
    protocol = ServerProtocol(logger=_SILENT)
    response = protocol.accept(request)
    if response.status_code == HTTPStatus.HTTP_VERSION_NOT_SUPPORTED:
        return Handshake(HTTPStatus.UPGRADE_REQUIRED, ())  # HTTP/1.0 has no upgrade, so it can not have asked for one
    if response.status_code not in (HTTPStatus.SWITCHING_PROTOCOLS, HTTPStatus.UPGRADE_REQUIRED):
        # A header's value is quoted in it, and none of these is secret.
        raise BadRequestError(f"This is no request for a WebSocket: {protocol.handshake_exc}.")
    kept = ("upgrade", "connection", "sec-websocket-accept")
    pairs = [(name.lower().encode(), value.encode()) for name, value in response.headers.raw_items()]
    return Handshake(response.status_code, [pair for pair in pairs if pair[0].decode() in kept])


class _Framing(Protocol):
    """The package's framing, which takes a close inside a message that comes in pieces for a fault of the client's.

    It is none: control frames may come there (RFC 6455, 5.4), and who closes owes no rest of a message.
    """

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class WebSocketConnection(Successor):
    """A socket, made in three steps; also the `Outlet` of its reader.

        connection = WebSocketConnection(limits)
        connection.attach(hub.open_socket(connection))
        http_connection.switch(headers, connection)

    Then there are messages to `receive`, until there is none any more.
    """

    def __init__(self, limits: WebSocketLimits | None = None) -> None:
        self._limits = limits = limits or WebSocketLimits()
        self._loop = asyncio.get_running_loop()
        self._frames = _Framing(Side.SERVER, max_size=limits.message_bytes_max, logger=_SILENT)
        self._transport: asyncio.Transport | None = None
        self._reader: SocketReader
        self._write_paused = False
        self._read_paused = False
        #: what has come and was not looked at yet
        self._unread = bytearray()
        #: the message that is coming in; of a text, what tells at once where it is none
        self._message = bytearray()
        self._decoder: codecs.IncrementalDecoder | None = None
        self._unfinished = False
        self._inbox: deque[str | bytes] = deque()
        self._changed = asyncio.Event()
        #: frames since the others had their turn, and whether they have it now
        self._frames_taken = 0
        self._resting = False
        #: nothing more will come in, and of what comes all the same nothing but the client's close counts
        self._over = False
        self._deaf = False
        self._linger: asyncio.TimerHandle | None = None
        #: runs while a message is coming in
        self._patience: asyncio.TimerHandle | None = None

    def attach(self, reader: SocketReader) -> None:
        """Whose frames go out here. Once, before the connection is made."""
        self._reader = reader

    # ── who acts on the messages ────────────────────────────────────────────────────────────────

    async def receive(self) -> str | bytes | None:
        """The next message, a text or bytes, once all that was said before has been written; None after the last.

        So a client that does not read what it is told is not listened to either.
        """
        while True:
            self._listen()
            if self._inbox and (self._over or not self._reader.waiting):
                return self._inbox.popleft()
            if self._over and not self._inbox and (self._deaf or not self._resting):
                return None
            self._changed.clear()
            await self._changed.wait()

    def close(self, code: int, reason: str = "") -> None:
        """Ends it with a close frame (RFC 6455, 7.4); the reason is cut at 123 bytes."""
        if self._frames.state is State.OPEN:
            self._frames.send_close(code, reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore"))
            self._flush()
            self._listen()

    def expel(self, reason: str) -> None:
        """Ends it as `close` does, and nothing of what has come is acted on any more."""
        self._deaf = True
        self._inbox.clear()
        self.close(CloseCode.POLICY_VIOLATION, reason)

    # ── the reader's outlet ─────────────────────────────────────────────────────────────────────

    def write(self, data: bytes) -> bool:
        if self._transport is not None and self._frames.state is State.OPEN:
            self._transport.write(data)
        return not self._write_paused

    def said(self) -> None:
        self._changed.set()
        self._listen()

    def finish(self) -> None:
        self.close(CloseCode.SERVICE_RESTART, "the server is shutting down")

    def abort(self) -> None:
        if self._transport is not None:
            cut(self._transport)

    # ── the transport's protocol ────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._transport = None
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._stop_waiting()
        self._end_of_messages()
        self._listen()

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._reader.drained()

    def eof_received(self) -> bool:
        """A client that ends without a close frame is gone: half a connection is no WebSocket (RFC 6455, 7.1.7)."""
        return False

    def data_received(self, data: bytes) -> None:
        # Nothing is read before all that came earlier was taken, so what came before the end is not lost.
        self._deaf = self._over
        self._unread += data
        self._listen()

    def shutdown(self) -> None:
        self._reader.end(Why.DRAIN)
        self.close(CloseCode.SERVICE_RESTART, "the server is shutting down")

    def _be_patient(self) -> None:
        """Sets the time limit of a message that is not whole yet."""
        frames = self._frames
        partial = frames.state is State.OPEN and (frames.current_size is not None or bool(frames.reader.buffer))
        if not partial:
            self._stop_waiting()
        elif self._patience is None:
            self._patience = self._loop.call_later(
                self._limits.message_s, self.close, CloseCode.POLICY_VIOLATION, "the message did not come in time"
            )

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    # ── what comes in ───────────────────────────────────────────────────────────────────────────

    def _take(self, frame: Frame) -> bool:
        """False where the rest is not to be looked at: the message is no text."""
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._decoder = codecs.getincrementaldecoder("utf-8")() if frame.opcode is Opcode.TEXT else None
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._unfinished = not frame.fin
            if not self._deaf and not self._add(bytes(frame.data), whole=frame.fin):
                return False
        if not self._unfinished:
            self._stop_waiting()  # what follows is another message, with all of the time
        return True

    def _add(self, piece: bytes, *, whole: bool) -> bool:
        """Adds to the message that is coming in. False where it is no text."""
        if self._decoder is not None:
            try:
                self._decoder.decode(piece, whole)
            except UnicodeDecodeError:
                self._message.clear()
                if self._frames.state is State.OPEN:
                    self._frames.fail(CloseCode.INVALID_DATA, "not UTF-8")
                return False
        self._message += piece
        if whole:
            self._inbox.append(self._message.decode() if self._decoder is not None else bytes(self._message))
            self._message = bytearray()
            self._changed.set()
        return True

    @property
    def _busy(self) -> bool:
        """Whether what was taken is still to be acted on, or what was answered to be written."""
        return not self._over and bool(self._inbox or self._reader.waiting)

    def _listen(self) -> None:
        """Takes a little of what has come, again and again until there is something to do; reads on if there is not."""
        while self._unread and not self._busy and not self._resting:
            self._frames.receive_data(self._unread[:_TAKEN_BYTES])
            del self._unread[:_TAKEN_BYTES]
            for event in self._frames.events_received():
                self._frames_taken += 1
                # What the package tells of are frames only: the handshake was made by another object of it.
                if isinstance(event, Frame) and not self._take(event):
                    break
            self._be_patient()
            self._flush()
            if self._frames_taken >= _FRAMES_PER_TURN:
                self._resting = True
                self._loop.call_soon(self._go_on)
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        occupied = self._busy or self._resting
        if occupied and not self._read_paused:
            self._read_paused = True
            transport.pause_reading()
        elif not occupied and self._read_paused:
            self._read_paused = False
            transport.resume_reading()

    def _go_on(self) -> None:
        self._resting = False
        self._frames_taken = 0
        self._changed.set()
        self._listen()

    # ── what goes out beside the reader's ───────────────────────────────────────────────────────

    def _flush(self) -> None:
        """Sends what the framing has to say: pongs in their turn, a close at once."""
        frames = [data for data in self._frames.data_to_send() if data]
        if self._frames.state is State.OPEN:
            for frame in frames:
                self._reader.say(frame)
            return
        transport = self._transport
        if frames and transport is not None:
            if self._reader.whole:
                transport.write(b"".join(frames))
            else:
                self.abort()  # inside a record nothing else can be said
        self._end_of_messages()
        if transport is None or transport.is_closing():
            return
        if self._frames.eof_sent and transport.can_write_eof():
            transport.write_eof()
        if self._linger is None:
            self._linger = self._loop.call_later(self._limits.linger_s, self.abort)

    def _end_of_messages(self) -> None:
        """Nothing more is answered; what has come is still acted on, to the last cancel."""
        self._over = True
        self._changed.set()
        self._reader.end(Why.CLIENT)
