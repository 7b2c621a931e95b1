"""Everybody who reads: the feeds of all runs, who joins and leaves them, heartbeats, and the end at a drain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

from headwater.clock import Clock
from headwater.delivery.connection import Scope
from headwater.delivery.cursor import ahead, trimmed
from headwater.delivery.feed import Feed
from headwater.delivery.heartbeat import Heartbeat, Watched
from headwater.delivery.held import Face, respond_held
from headwater.delivery.multiplex import Multiplex, NamedRun
from headwater.delivery.ndjson import NDJSON
from headwater.delivery.polling import Polling
from headwater.delivery.response import Answer, Receive, Send, respond
from headwater.delivery.snapshots import Snapshots
from headwater.delivery.sse import SSE, SSEOfRun
from headwater.delivery.subscription import Reader, Sink, State, Subscription, Why
from headwater.delivery.view import Block, Encoding, View
from headwater.delivery.websocket import Outlet, SocketReader, WebSocketEncoding
from headwater.domain.run import Run
from headwater.domain.snapshot import Snapshot
from headwater.errors import (
    ErrorCode,
    LogMissing,
    LogTrimmed,
    RefusedError,
    StorageError,
    UnavailableError,
)
from headwater.storage.contract import EventLog, Page
from headwater.tasks import Spawn
from headwater.telemetry import Observer, ReaderLeft

Headers = Iterable[tuple[bytes, bytes]]

#: How long a client waits before it comes back, and by how much that is spread so that not all come at once.
RETRY_MS = 1000
_RETRY_SPREAD = 0.5


class Presence(Protocol):
    """Hears who reads which run: whoever owns the runs wants to know when a run is left alone."""

    def reader_joined(self, run: str) -> None: ...

    def reader_left(self, run: str) -> None: ...


class Start(NamedTuple):
    """Where a reader begins: the page after its cursor, and what it is given before that.

    There is no page where there is no log yet.
    """

    view: View
    cursor: int
    page: Page | None
    opening: Block | None = None

    @property
    def at_end(self) -> bool:
        """Whether there is nothing to give, now or later."""
        page = self.page
        return page is not None and page.closed and self.cursor == page.tail and self.opening is None


class Joined(NamedTuple):
    """When and where a reader of a run began, and who else has to hear of its end."""

    at: float
    after: int
    ended: Callable[[Why], None] | None


class Hub:
    """Joins readers to runs.

    It is given run ids whose owner has been checked, and never asks whose a run is. Times are in
    seconds: `heartbeat_s` of silence are broken by a heartbeat, `stall_s` without room for another
    byte end a connection (its reader resumes from its last whole record), a client that polls is
    there for `gap_s` after each answer.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        clock: Clock,
        spawn: Spawn,
        observer: Observer,
        presence: Presence,
        heartbeat_s: float = 15.0,
        stall_s: float = 30.0,
        gap_s: float = 15.0,
    ) -> None:
        self._log = log
        self._clock = clock
        self._spawn = spawn
        self._observer = observer
        self._presence = presence
        self._feeds: dict[str, Feed] = {}
        self._readers: dict[Subscription, Joined] = {}
        #: by connection; one may carry several of the readers
        self._watched: dict[Reader, Watched] = {}
        self._heartbeat = Heartbeat(
            clock, self._watched.values, heartbeat_s=heartbeat_s, stall_s=stall_s, tidy=self._tidy
        )
        self._snapshots = Snapshots(log)
        self._polling = Polling(log, clock, gap_s=gap_s, joined=self._poller_joined, left=self._poller_left)
        self._draining = False

    @property
    def readers(self) -> int:
        """How often a run is being read: over open connections, and by polls."""
        return len(self._readers) + self._polling.pollers

    # ── what the API calls ──────────────────────────────────────────────────────────────────────

    async def serve_sse(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        run_id: str,
        after: int,
        *,
        types: Collection[str] | None = None,
        from_snapshot: bool = False,
        ids_name_run: bool = False,
        status: int = 200,
        extra_headers: Headers = (),
    ) -> None:
        """Answers with the run's records as `text/event-stream`: what follows the cursor, then what comes, to the end.

        `after` is the seq of the last record that the client has; `from_snapshot` begins with a
        snapshot in its place. With `ids_name_run` each id is `run_…:41`. Raises `RefusedError` before anything is
        sent, and nothing after. The tail of an ended run is answered by 204.
        """
        view = _view(SSEOfRun(run_id) if ids_name_run else SSE, types)
        await self._serve(scope, receive, send, run_id, after, view, from_snapshot, status, extra_headers)

    async def serve_ndjson(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        run_id: str,
        after: int,
        *,
        types: Collection[str] | None = None,
        from_snapshot: bool = False,
        status: int = 200,
        extra_headers: Headers = (),
    ) -> None:
        """`serve_sse` as a record a line, with empty lines for heartbeats; the tail of an ended run has no lines."""
        await self._serve(
            scope, receive, send, run_id, after, _view(NDJSON, types), from_snapshot, status, extra_headers
        )

    async def serve_many(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        places: Sequence[tuple[str, int]],
        *,
        types: Collection[str] | None = None,
        extra_headers: Headers = (),
    ) -> None:
        """Answers with the records of several runs, each after its seq, as one `text/event-stream`.

        `places` are different runs, `RUNS_MAX` at most. Raises `RefusedError`, whose `run` says which of them is
        meant, before anything is sent, and nothing after. Where nothing is left of any of them the answer is 204.
        """
        starts = []
        for run, after in places:
            try:
                starts.append(await self.start(run, after, _view(NamedRun(run), types)))
            except RefusedError as error:
                error.extra["run"] = run
                raise
        answer = Answer(None, 200, SSE.media_type, tuple(extra_headers))
        if all(start.at_end for start in starts):
            await _nothing_left(send, answer)
            return
        runs = [run for run, _ in places]
        greeting = SSE.greeting(self.retry_ms())
        await respond(scope, receive, send, answer, greeting, lambda sink: self.join_many(runs, starts, sink))

    async def serve_face(
        self, scope: Scope, receive: Receive, send: Send, run_id: str, face: Face, *, extra_headers: Headers = ()
    ) -> None:
        """Answers in the format of another API, from the run's first record to its last. `face` is this request's own.

        Raises `RefusedError` before anything is sent, and nothing after.
        """
        start = await self.start(run_id, 0, View(face))
        head = Answer(run_id, 200, face.media_type, tuple(extra_headers))
        await respond_held(scope, receive, send, head, face, lambda sink: self.join(run_id, start, sink))

    def open_socket(self, outlet: Outlet) -> SocketReader:
        """The reader of whoever has the outlet, of no run yet. `end` lets it go. Raises `RefusedError`."""
        self._check_open()
        reader = SocketReader(outlet, asyncio.get_running_loop().call_soon, self._unwatch)
        self._watch(reader)
        return reader

    async def subscribe(
        self,
        reader: SocketReader,
        run_id: str,
        after: int,
        *,
        types: Collection[str] | None = None,
        from_snapshot: bool = False,
    ) -> bool:
        """Adds a run to a socket, after a seq; its records come from `reader.begin_run` on. Raises `RefusedError`.

        False where the socket has ended meanwhile.
        """
        reader.check_free(run_id)
        encoding = WebSocketEncoding(run_id)
        start = await self.start(run_id, after, _view(encoding, types), from_snapshot=from_snapshot)
        if reader.state is State.ENDED:
            return False
        seat = reader.seat(run_id, encoding)
        seat.subscription = self._join(run_id, start, seat, seat.ended)
        return True

    async def page(self, run_id: str, after: int, wait_ms: int = 0, limit: int = 1000) -> Page:
        """One page of records; where there are none yet, waits for up to `wait_ms` (at most a minute).

        Raises `RefusedError`.
        """
        self._check_open()
        try:
            page = await self._polling.page(run_id, after, wait_ms, limit)
        except LogTrimmed as error:
            raise trimmed(run_id, after, error.first) from None
        except StorageError as error:
            raise _unreadable() from error
        if after > page.tail:
            raise ahead(after, page.tail)
        return page

    async def snapshot(self, run: Run) -> Snapshot:
        """What the run amounts to at its durable tail. Raises `RefusedError`."""
        try:
            return await self._snapshots.of(run)
        except StorageError as error:
            raise _unreadable() from error

    def drain(self) -> None:
        """Tells every reader to come back and ends its connection; whoever comes now is refused. For good."""
        self._draining = True
        self._polling.drain()
        for reader in tuple(self._watched):
            reader.farewell(self.retry_ms())
            reader.end(Why.DRAIN)
        self._heartbeat.stop()

    def retry_ms(self) -> int:
        """When a client should come back: spread, so that those who lost their server do not all come at once."""
        return int(RETRY_MS * self._clock.random.uniform(1 - _RETRY_SPREAD, 1 + _RETRY_SPREAD))

    # ── join and leave ──────────────────────────────────────────────────────────────────────────

    async def start(self, run: str, after: int, view: View, *, from_snapshot: bool = False) -> Start:
        """Reads what a reader begins with. Raises `RefusedError`."""
        self._check_open()
        opening: Block | None = None
        page: Page | None = None
        try:
            if from_snapshot:
                past = await self._snapshots.opening(run, view.encoding)
                opening = past.snapshot
                if opening is None:
                    view = view._replace(coalesced_to=past.seq, breaks=past.breaks)
            page = await self._first_page(run, opening.last if opening else after, view)
        except LogTrimmed as error:
            raise trimmed(run, after, error.first) from None
        except LogMissing:
            pass  # the run's row was seen, so its log is still to come
        except StorageError as error:
            raise _unreadable() from error
        tail = page.tail if page else 0
        if after > tail:
            raise ahead(after, tail)
        return Start(view, after, page, opening)

    async def _first_page(self, run: str, after: int, view: View) -> Page:
        records_max, bytes_max = view.page_records_max, view.page_bytes_max
        page = self._log.peek(run, after, records_max=records_max, bytes_max=bytes_max)
        if page is None:
            page = await self._log.read(run, after, records_max=records_max, bytes_max=bytes_max)
        return page

    def join(self, run: str, start: Start, sink: Sink) -> Subscription:
        """Makes a reader of whoever has the sink; `resume` sets it going, `end` lets it go."""
        subscription = self._join(run, start, sink)
        self._watch(subscription)
        return subscription

    def join_many(self, runs: Sequence[str], starts: Sequence[Start], sink: Sink) -> Multiplex:
        """`join` for several runs, whose readers share the sink."""
        later = asyncio.get_running_loop().call_soon
        multiplex = Multiplex(sink, runs, later, self._unwatch)
        for run, start, member in zip(runs, starts, multiplex.members, strict=True):
            member.subscription = self._join(run, start, member, member.ended)
        self._watch(multiplex)
        return multiplex

    def _watch(self, reader: Reader) -> None:
        self._watched[reader] = Watched(reader, self._clock.monotonic())
        self._heartbeat.start()
        if self._draining:
            reader.end(Why.DRAIN)

    def _unwatch(self, reader: Reader) -> None:
        self._watched.pop(reader, None)

    def _join(self, run: str, start: Start, sink: Sink, ended: Callable[[Why], None] | None = None) -> Subscription:
        feed = self._feeds.get(run)
        if feed is None:
            feed = self._feeds[run] = Feed(run, self._log, self._spawn, self._left)
        if start.page is not None:
            feed.keep(start.view, start.page)
        subscription = Subscription(feed, start.view, start.cursor, sink, start.opening)
        feed.join(subscription)
        self._readers[subscription] = Joined(self._clock.monotonic(), start.cursor, ended)
        self._presence.reader_joined(run)
        self._observer.reader_joined(run, start.view.encoding.transport)
        return subscription

    def _left(self, feed: Feed, subscription: Subscription, why: Why) -> None:
        joined = self._readers.pop(subscription)
        self._unwatch(subscription)
        if feed.idle:
            feed.close()
            del self._feeds[feed.run]
            self._snapshots.forget(feed.run)
        self._presence.reader_left(feed.run)
        seconds = self._clock.monotonic() - joined.at
        records = subscription.cursor - joined.after
        transport = subscription.view.encoding.transport
        self._observer.reader_left(ReaderLeft(feed.run, transport, seconds, records, why.value))
        if joined.ended is not None:
            joined.ended(why)

    def _tidy(self) -> None:
        for feed in list(self._feeds.values()):
            feed.tidy()

    def _poller_joined(self, run: str) -> None:
        self._presence.reader_joined(run)
        self._observer.reader_joined(run, "page")

    def _poller_left(self, run: str, seconds: float, records: int) -> None:
        self._presence.reader_left(run)
        why = Why.DRAIN if self._draining else Why.CLIENT
        self._observer.reader_left(ReaderLeft(run, "page", seconds, records, why.value))

    # ── answers ─────────────────────────────────────────────────────────────────────────────────

    async def _serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        run: str,
        after: int,
        view: View,
        from_snapshot: bool,
        status: int,
        extra_headers: Headers,
    ) -> None:
        start = await self.start(run, after, view, from_snapshot=from_snapshot)
        answer = Answer(run, status, view.encoding.media_type, tuple(extra_headers))
        if start.at_end and view.encoding.ends_by_204:
            await _nothing_left(send, answer)
            return
        greeting = view.encoding.greeting(self.retry_ms())
        await respond(scope, receive, send, answer, greeting, lambda sink: self.join(run, start, sink))

    def _check_open(self) -> None:
        if self._draining:
            raise UnavailableError("The server is shutting down; try again in a moment.", retry_after_s=2)


async def _nothing_left(send: Send, answer: Answer) -> None:
    await send(answer.without_content())
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _unreadable() -> UnavailableError:
    return UnavailableError("The run's records can not be read.", code=ErrorCode.STORAGE)


def _view(encoding: Encoding, types: Collection[str] | None) -> View:
    return View(encoding, None if types is None else frozenset(types))
