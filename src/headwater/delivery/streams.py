"""Readers who wait for streams: long-polls and event streams, one request each, in the request's own task.

What is waited for is the stream's next move or the client's leaving, whichever comes first: the wait is for the
client, and the stream's move ends it (`_Waiting`). A reader has no queue; it falls behind in the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from headwater.clock import Clock
from headwater.delivery.connection import Scope, connection_of
from headwater.delivery.formats.durable_streams import Place, control_event, cursor_of, data_event, is_base64
from headwater.delivery.hub import Presence
from headwater.delivery.response import PROTOCOL, Receive, Send
from headwater.domain.stream import JSON_TYPE, StreamName
from headwater.errors import HeadwaterError, LogMissing, NotFoundError
from headwater.storage.contract import EventLog, Page, Storage
from headwater.wire.sse import encode_comment

Headers = Sequence[tuple[bytes, bytes]]

#: After so long an event stream is ended at a whole event, and the client comes again: caches in between can then
#: answer several clients with one request, and a stream whose time is over is noticed.
CONNECTION_S = 60.0
#: Who waits for a run counts as its reader until it has stayed away for so long: it comes again after each answer.
GAP_S = 15.0
#: How much one event of data holds, if it is not a single record.
EVENT_BYTES_MAX = 64 << 10
#: How much of an answer a reader has to take within `stall_s`.
PIECE_BYTES = 64 << 10


class Portion(NamedTuple):
    """Records `after + 1 … place.seq` of something that is read as a stream."""

    content_type: str
    after: int
    payloads: Sequence[bytes]
    place: Place

    @property
    def at_end(self) -> bool:
        return self.place.up_to_date and self.place.closed


class StreamSource(Protocol):
    """What can be read as a stream: a stream, or the log of a run."""

    async def read(self, after: int, bytes_max: int) -> Portion:
        """What follows a seq, at least one record if there is one. Raises `HeadwaterError` where it is gone."""
        ...

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]: ...

    def joined(self) -> None:
        """A reader came who stays."""
        ...

    def left(self) -> None: ...


class NamedStream:
    """A stream that programs append to. `id` is which, for the name may be another's while it is read."""

    def __init__(self, storage: Storage, name: StreamName, id: int, clock: Clock) -> None:
        self._storage = storage
        self._name = name
        self._id = id
        self._clock = clock

    async def read(self, after: int, bytes_max: int) -> Portion:
        page = await self._storage.streams.read(self._name, after, self._clock.now_ms(), bytes_max=bytes_max)
        if page.stream.id != self._id:
            raise NotFoundError("The stream was deleted, and there is another of its name.")
        place = Place(page.last, page.up_to_date, page.stream.closed)
        return Portion(page.stream.content_type, after, page.payloads, place)

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        return self._storage.streams.watch(self._name, wake)

    def joined(self) -> None: ...

    def left(self) -> None: ...


class RunLog:
    """A run's records as a stream of JSON, which ends with the run."""

    def __init__(self, log: EventLog, run: str, presence: Presence) -> None:
        self._log = log
        self._run = run
        self._presence = presence

    async def read(self, after: int, bytes_max: int) -> Portion:
        try:
            page = self._log.peek(self._run, after, bytes_max=bytes_max)
            page = page or await self._log.read(self._run, after, bytes_max=bytes_max)
        except LogMissing:
            # The run's row was seen, so its log is still to come, or was deleted a moment ago.
            page = Page(after, [], 0, False)
        place = Place(page.last, page.last >= page.tail, page.closed)
        return Portion(JSON_TYPE, after, page.payloads, place)

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        return self._log.watch(self._run, wake)

    def joined(self) -> None:
        self._presence.reader_joined(self._run)

    def left(self) -> None:
        asyncio.get_running_loop().call_later(GAP_S, self._presence.reader_left, self._run)


class _Left(Exception):
    """The client is gone."""


class _Waiting:
    """Waits for a source to move, which it hears of from now to `stop`."""

    def __init__(self, source: StreamSource, receive: Receive) -> None:
        self._receive = receive
        # What was read before this may be old by now.
        self._moved = True
        self._timeout: asyncio.Timeout | None = None
        self.stop = source.watch(self.wake)

    def wake(self) -> None:
        self._moved = True
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time())

    async def wait(self, seconds: float) -> bool:
        """True once it has moved since the last wait, False after so many seconds. Raises `_Left`."""
        if not self._moved:
            try:
                async with asyncio.timeout(seconds) as self._timeout:
                    # A body that a client sends along is read and dropped: only its leaving matters.
                    while (await self._receive())["type"] != "http.disconnect":
                        pass
                    raise _Left
            except TimeoutError:
                pass
            finally:
                self._timeout = None
        moved, self._moved = self._moved, False
        return moved


class StreamReaders:
    """Everyone who waits for a stream. `heartbeat_s` and `stall_s` as of `Hub`."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        presence: Presence,
        *,
        long_poll_s: float,
        heartbeat_s: float = 15.0,
        stall_s: float = 30.0,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._presence = presence
        self._long_poll_s = long_poll_s
        self._heartbeat_s = heartbeat_s
        self._stall_s = stall_s
        self._waiting: set[_Waiting] = set()
        self._draining = False

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def stream(self, name: StreamName, id: int) -> StreamSource:
        return NamedStream(self._storage, name, id, self._clock)

    def run_log(self, run: str) -> StreamSource:
        return RunLog(self._storage.log, run, self._presence)

    def cursor(self, theirs: str | None) -> str:
        """The cursor of an answer to a client that had `theirs`."""
        return cursor_of(self._clock.now_ms(), theirs, self._clock.random)

    def drain(self) -> None:
        """Lets everyone go at a whole event, and whoever comes is not kept waiting. For good."""
        self._draining = True
        for waiting in tuple(self._waiting):
            waiting.wake()

    async def poll(self, source: StreamSource, after: int, receive: Receive, bytes_max: int) -> Portion | None:
        """What follows a seq; where there is nothing yet, what comes within the length of a long-poll, or nothing.

        None where the client has left. Raises what `source.read` raises.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._long_poll_s
        waiting = self._join(source, receive)
        try:
            while True:
                await waiting.wait(max(0.0, until - loop.time()))
                portion = await source.read(after, bytes_max)
                if portion.payloads or portion.at_end or self._draining or loop.time() >= until:
                    return portion
        except _Left:
            return None
        finally:
            self._leave(source, waiting)

    async def serve_sse(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        source: StreamSource,
        first: Portion,
        cursor: str | None,
        headers: Headers,
    ) -> None:
        """Answers with `first` and what follows as `text/event-stream`, for `CONNECTION_S` or to the stream's end."""
        head = [
            PROTOCOL,
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-cache, no-transform"),
            (b"x-accel-buffering", b"no"),
            *([(b"stream-sse-data-encoding", b"base64")] if is_base64(first.content_type) else []),
            *headers,
        ]
        connection = connection_of(scope)

        async def write(data: bytes, more: bool = True) -> None:
            # Who takes a long record slowly takes it all the same.
            for start in range(0, len(data) or 1, PIECE_BYTES):
                async with asyncio.timeout(self._stall_s):
                    piece = data[start : start + PIECE_BYTES]
                    await send({"type": "http.response.body", "body": piece, "more_body": more})

        waiting = self._join(source, receive)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await self._follow(source, first, cursor, waiting, write)
            await write(b"", more=False)
        except _Left:
            return
        except (TimeoutError, HeadwaterError):
            # It takes nothing, or the stream is gone: it comes again, and is told.
            connection.abort()
        finally:
            self._leave(source, waiting)

    async def _follow(
        self,
        source: StreamSource,
        portion: Portion,
        cursor: str | None,
        waiting: _Waiting,
        write: Callable[[bytes], Awaitable[None]],
    ) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + CONNECTION_S
        cursor = self.cursor(cursor)
        told: Place | None = None
        while True:
            if portion.payloads:
                data = data_event(portion.content_type, portion.payloads)
                await write(data + control_event(portion.place, cursor))
                told = portion.place
            elif told is None or portion.place != told:
                await write(control_event(portion.place, cursor))
                told = portion.place
            if portion.at_end or self._draining or loop.time() >= until:
                return
            while portion.place.up_to_date and not await waiting.wait(min(self._heartbeat_s, until - loop.time())):
                if loop.time() >= until:
                    return
                await write(_HEARTBEAT)
            portion = await source.read(portion.place.seq, EVENT_BYTES_MAX)

    def _join(self, source: StreamSource, receive: Receive) -> _Waiting:
        waiting = _Waiting(source, receive)
        self._waiting.add(waiting)
        source.joined()
        return waiting

    def _leave(self, source: StreamSource, waiting: _Waiting) -> None:
        self._waiting.discard(waiting)
        waiting.stop()
        source.left()


_HEARTBEAT = encode_comment("heartbeat")
