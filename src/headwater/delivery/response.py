"""A subscription as the body of an HTTP answer, over ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, NamedTuple, cast

from headwater.delivery.connection import Connection, Scope, connection_of
from headwater.delivery.subscription import Reader, Why

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: On every answer of the server.
PROTOCOL = (b"headwater-protocol", b"1")


class Answer(NamedTuple):
    """The head of an answer that carries records, of `run` alone if it has one.

    Without a media type `extra_headers` has it.
    """

    run: str | None
    status: int
    media_type: bytes | None
    extra_headers: tuple[tuple[bytes, bytes], ...] = ()

    def start(self) -> Message:
        """Proxies must neither keep the answer nor hold it back until they have enough of it."""
        headers = [
            PROTOCOL,
            *([] if self.media_type is None else [(b"content-type", self.media_type)]),
            (b"cache-control", b"no-cache, no-transform"),
            (b"x-accel-buffering", b"no"),
            *self._named(),
            *self.extra_headers,
        ]
        return {"type": "http.response.start", "status": self.status, "headers": headers}

    def without_content(self) -> Message:
        headers = [PROTOCOL, (b"cache-control", b"no-cache"), *self._named(), *self.extra_headers]
        return {"type": "http.response.start", "status": 204, "headers": headers}

    def _named(self) -> list[tuple[bytes, bytes]]:
        return [] if self.run is None else [(b"x-run-id", self.run.encode())]


class HttpSink:
    """Writes an answer's body from outside its task: no task wakes for a token.

    Bytes go to the connection itself. The end goes by `send`, whose coroutine is run on the spot, for
    Headwater's server takes a message without waiting while the connection is not paused.
    """

    __slots__ = ("_connection", "_send", "write")

    def __init__(self, send: Send, connection: Connection) -> None:
        self._send = send
        self._connection = connection
        self.write = connection.write

    def finish(self) -> None:
        try:
            run_through(self._send({"type": "http.response.body", "body": b"", "more_body": False}))
        except Exception:
            # The connection broke this very moment, or something between us and it waits: the reader must resume.
            self._connection.abort()

    def abort(self) -> None:
        self._connection.abort()


def run_through(sending: Awaitable[None]) -> None:
    """Runs a `send` that does not wait to its end. Raises what it raises, and RuntimeError where it would wait."""
    coroutine = cast("Coroutine[Any, Any, None]", sending)
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("sending waits though the connection is not paused: an ASGI layer holds answers back")


async def respond(
    scope: Scope,
    receive: Receive,
    send: Send,
    answer: Answer,
    greeting: bytes,
    join: Callable[[HttpSink], Reader],
) -> None:
    """Sends the head at once, then lives as long as the client stays; the reader writes the rest.

    Returns when the answer is complete or the client is gone.
    """
    connection = connection_of(scope)
    await send(answer.start())
    if greeting:
        await send({"type": "http.response.body", "body": greeting, "more_body": True})
    reader = join(HttpSink(send, connection))
    connection.on_resume(reader.drained)
    try:
        reader.begin(full=connection.paused)
        # A body that a client sends along is read and dropped: only its leaving matters.
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        connection.on_resume(None)
        reader.end(Why.CLIENT)
