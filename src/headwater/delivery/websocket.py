"""Many runs on one WebSocket: subscriptions that come and go, and what is said between their records.

Pure: no await, no clock. A record, and whatever else is said, is one text message of one frame, so that
its bytes are the same for every socket and are made once. A frame can not be broken into (RFC 6455, 5.4),
not even by a pong: what is to be said while a record is given in pieces, or while the sink is full, waits here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec
from websockets.frames import Frame, Opcode

from headwater.delivery.shared_sink import Member, SharedSink
from headwater.delivery.subscription import Sink, State, Subscription, Why
from headwater.errors import ConflictError, TooLargeError

#: Runs on one socket.
SUBSCRIPTIONS_MAX = 1000

_REASONS = {Why.END: b"closed", Why.DELETED: b"deleted", Why.ERROR: b"error"}


def text_frame(message: bytes) -> bytes:
    """A server's frame with a whole text message (RFC 6455, 5.2): unmasked, uncompressed."""
    return Frame(Opcode.TEXT, message).serialize(mask=False)


HEARTBEAT = text_frame(b'{"heartbeat":{}}')


class WebSocketEncoding:
    """Records that name their run, a message each. Equal for readers of one run."""

    transport = "websocket"
    media_type = b"application/json"
    ends_by_204 = False
    heartbeat = HEARTBEAT

    def __init__(self, run: str) -> None:
        self._run = run
        self._member = b'{"run":' + msgspec.json.encode(run) + b","

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WebSocketEncoding) and other._run == self._run

    def __hash__(self) -> int:
        return hash((WebSocketEncoding, self._run))

    def record(self, seq: int, payload: bytes) -> bytes:
        return text_frame(b'%b"record":%b}' % (self._member, payload))

    def skip(self, seq: int) -> bytes:
        """The cursor has moved over records of other types."""
        return text_frame(b'%b"after":%d}' % (self._member, seq))

    def greeting(self, retry_ms: int) -> bytes:
        return b""

    def farewell(self, retry_ms: int) -> bytes:
        return text_frame(b'{"farewell":{"retry_ms":%d}}' % retry_ms)

    def end(self, cursor: int, why: Why) -> bytes:
        """Nothing more comes of this run: its log is closed, it was deleted, or it can not be read."""
        tail = b',"tail":%d' % cursor if why is Why.END else b""
        return text_frame(b'%b"end":{"reason":"%b"%b}}' % (self._member, _REASONS[why], tail))


class Outlet(Sink, Protocol):
    """A socket's way out. `finish` says that the server goes away, and closes."""

    def said(self) -> None:
        """What had waited to be said has been written."""
        ...


class _Seat(Member):
    """A place for one run's subscription."""

    __slots__ = ("leaving", "wire")

    def __init__(self, shared: SharedSink, run: str, wire: WebSocketEncoding) -> None:
        super().__init__(shared, run, wire)
        self.wire = wire
        #: it goes as soon as the record that it is giving is whole
        self.leaving = False


class SocketReader(SharedSink):
    """The reader over one socket. Whoever subscribes takes a seat, joins the run, and begins:

        reader.check_free(run)
        seat = reader.seat(run, encoding)
        seat.subscription = …    # joins its run; no other call in between
        reader.begin_run(run)

    `later` and `closed` as in `SharedSink`.
    """

    def __init__(
        self,
        outlet: Outlet,
        later: Callable[[Callable[[], None]], object],
        closed: Callable[[SharedSink], None],
        subscriptions_max: int = SUBSCRIPTIONS_MAX,
    ) -> None:
        super().__init__(outlet, later, closed)
        self._outlet = outlet
        self._subscriptions_max = subscriptions_max
        self._seats: dict[str, _Seat] = {}
        self._waiting: deque[bytes] = deque()
        #: how many frames that are no record's have been written
        self._answers = 0

    @property
    def progress(self) -> object:
        return self._answers, super().progress

    @property
    def waiting(self) -> bool:
        """Whether something that was said has not been written yet."""
        return bool(self._waiting)

    @property
    def whole(self) -> bool:
        """Whether a frame may begin here: what was written last is no part of a record."""
        return self._inside is None

    @property
    def runs(self) -> list[str]:
        """Whose records come over this socket."""
        return list(self._seats)

    # ── subscriptions ───────────────────────────────────────────────────────────────────────────

    def check_free(self, run: str) -> None:
        """Raises `ConflictError` for a run that is on this socket, `TooLargeError` where there is no place for one."""
        if run in self._seats:
            raise ConflictError("This socket is subscribed to that run.", run=run)
        self.check_room()

    def check_room(self) -> None:
        """Raises `TooLargeError` where there is no place for another run."""
        if len(self._seats) >= self._subscriptions_max:
            raise TooLargeError(f"One socket carries at most {self._subscriptions_max} runs.")

    def seat(self, run: str, encoding: WebSocketEncoding) -> Member:
        """A free run's place; nothing is written of it before `begin_run`."""
        seat = self._seats[run] = _Seat(self, run, encoding)
        self._turns.append(seat)
        return seat

    def begin_run(self, run: str) -> None:
        """Its records come from now on."""
        seat = self._seats.get(run)
        if seat is not None and seat.subscription.state is not State.ENDED:
            seat.subscription.begin(full=self._held or self.waiting)

    def leave(self, run: str) -> None:
        """Ends a subscription, if there is one: once what is said next has been written, nothing more comes of it."""
        seat = self._seats.pop(run, None)
        if seat is None:
            return
        self._turns.remove(seat)
        if self._inside is seat:
            seat.leaving = True
        else:
            seat.subscription.end(Why.CLIENT)

    def write(self, member: Member, data: bytes) -> bool:
        more = super().write(member, data)
        if self.whole and isinstance(member, _Seat) and member.leaving:
            # Not on the spot: it is in the middle of its own turn.
            self._later(lambda: self._let_go(member.subscription))
            return False
        return more

    def _let_go(self, subscription: Subscription) -> None:
        subscription.end(Why.CLIENT)

    def broken(self, member: Member) -> None:
        """One that could not be read to its end is told of by `left`, but a record that was begun can not be."""
        if self._inside is member:
            self.end(Why.ERROR)

    def left(self, member: Member, why: Why) -> None:
        if self._ended or not isinstance(member, _Seat):
            return
        if self._seats.get(member.run) is member:
            del self._seats[member.run]
            self._turns.remove(member)
        if why in _REASONS:
            self.say(member.wire.end(member.subscription.cursor, why))

    # ── what is said between the records ────────────────────────────────────────────────────────

    def say(self, frame: bytes) -> None:
        """Writes a whole frame that is no record's, or keeps it until that can be; in the order of the calls."""
        if self._ended:
            return
        if self._held or self._waiting:
            self._waiting.append(frame)
        else:
            self._answers += 1
            self._say(frame)

    def _go_on(self) -> None:
        if self._inside is None and self._waiting:
            while self._waiting and not self._held and not self._ended:
                self._answers += 1
                self._say(self._waiting.popleft())
            if not self._waiting:
                self._outlet.said()
        super()._go_on()

    def heartbeat(self) -> None:
        if not self._held and not self._ended:
            self._say(HEARTBEAT)

    def farewell(self, retry_ms: int) -> None:
        if not self._held and not self._ended:
            self._say(WebSocketEncoding("").farewell(retry_ms))

    def end(self, why: Why) -> None:
        """Ends it for all runs, now and for good."""
        inside = self._inside
        if isinstance(inside, _Seat) and inside.leaving:
            inside.subscription.end(Why.CLIENT)  # it has no turn any more, so nobody else would
        super().end(why)
        self._waiting.clear()
        self._seats.clear()
