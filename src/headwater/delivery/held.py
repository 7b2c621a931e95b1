"""An answer whose head waits for the run: what fails before its first output is refused with a status of its own.

A client of another API learns from the status whether to try again, so the head is held back until there is
something to show: output, or a failure. A face that streams sends it after a moment in any case, so that nobody
waits for a sign of life.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

from headwater.delivery.connection import Connection, Scope, connection_of
from headwater.delivery.response import Answer, HttpSink, Receive, Send, run_through
from headwater.delivery.subscription import Subscription, Why
from headwater.delivery.view import Encoding

Headers = tuple[tuple[bytes, bytes], ...]


class Refusal(NamedTuple):
    """A whole answer that says no."""

    status: int
    headers: Headers
    body: bytes


class Face(Encoding, Protocol):
    """An encoding of one request's own, which can also say that there is nothing to stream.

    It may learn from the records that it is given: each for the first time in the order of the log, later any again.
    """

    #: the head is sent after so many seconds in any case; None waits for the run's end
    head_within_s: float | None

    @property
    def ended(self) -> bool:
        """Whether the answer's end, good or bad, has been encoded; one that stops before was cut."""
        ...

    def refusal(self, data: bytes) -> Refusal | None:
        """The answer in place of one that would begin with `data`; None where that is output."""
        ...


class HeldSink:
    """A `Sink` that opens the answer when it knows which one it is."""

    __slots__ = ("_answered", "_body", "_connection", "_face", "_head", "_opened", "_send")

    def __init__(self, send: Send, connection: Connection, head: Answer, face: Face) -> None:
        self._send = send
        self._connection = connection
        self._body = HttpSink(send, connection)
        self._head = head
        self._face = face
        self._opened = False
        #: refused: whatever follows has been said
        self._answered = False

    def open(self) -> None:
        """Sends the head and what comes before all records, unless that has been done or can not be taken now."""
        if not (self._opened or self._answered or self._connection.paused):
            self._begin(b"")

    def write(self, data: bytes) -> bool:
        if self._opened:
            return self._body.write(data)
        if not data or self._answered:
            return not self._connection.paused
        refusal = self._face.refusal(data)
        if refusal is None:
            return self._begin(data)
        self._answered = True
        head = self._head._replace(media_type=None, status=refusal.status)
        length = (b"content-length", b"%d" % len(refusal.body))
        head = head._replace(extra_headers=(*head.extra_headers, *refusal.headers, length))
        try:
            run_through(self._send(head.start()))
            run_through(self._send({"type": "http.response.body", "body": refusal.body, "more_body": False}))
        except Exception:
            self._connection.abort()
        return not self._connection.paused

    def _begin(self, data: bytes) -> bool:
        self._opened = True
        try:
            run_through(self._send(self._head.start()))
        except Exception:
            self._connection.abort()
            return False
        return self._body.write(self._face.greeting(0) + data)

    def finish(self) -> None:
        if self._answered:
            return
        if self._opened and self._face.ended:
            self._body.finish()
        else:
            # The log has gone, or says nothing that can be shown: an answer without its end must not look whole.
            self._connection.abort()

    def abort(self) -> None:
        self._connection.abort()


async def respond_held(
    scope: Scope, receive: Receive, send: Send, head: Answer, face: Face, join: Callable[[HeldSink], Subscription]
) -> None:
    """`respond` with a held head. Returns when the answer is complete or the client is gone."""
    connection = connection_of(scope)
    sink = HeldSink(send, connection, head, face)
    subscription = join(sink)
    connection.on_resume(subscription.drained)
    timer: asyncio.TimerHandle | None = None
    if face.head_within_s is not None:
        timer = asyncio.get_running_loop().call_later(face.head_within_s, sink.open)
    try:
        subscription.begin(full=connection.paused)
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        if timer is not None:
            timer.cancel()
        connection.on_resume(None)
        subscription.end(Why.CLIENT)
