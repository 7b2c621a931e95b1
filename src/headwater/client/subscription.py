"""Follows a run over as many connections as it takes: every record exactly once, in order, to the final one.

A subscription is a cursor and a loop. Whatever ends a connection, the loop waits a little, opens another one behind
the cursor, and drops what it has already given out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import TracebackType
from typing import Literal, NamedTuple

import httpx2
import msgspec

from headwater.client.backoff import Backoff
from headwater.client.cursors import CursorStore
from headwater.client.errors import (
    ClientError,
    MaxRetriesExceeded,
    NetworkError,
    ParseError,
    ServerError,
    TimedOut,
)
from headwater.client.source import STARTING, Source, Via, reader_of
from headwater.domain.event import Record, Status, decode_record, is_final

FollowState = Literal["connecting", "streaming", "waiting", "fallback", "ended"]


class FollowStatus(NamedTuple):
    """Where a subscription is. `delay_s` and `error` are set while it waits for its next try.

    `fallback`: streaming does not get through to here, `error` says how that showed; pages are asked for from now on.
    """

    state: FollowState
    cursor: int
    #: in a row without progress
    tries: int = 0
    delay_s: float | None = None
    error: ClientError | None = None
    #: how the records are read at this moment
    via: Via = "sse"


StatusCallback = Callable[[FollowStatus], None]
ProgressCallback = Callable[[Status], None]
Sleep = Callable[[float], Awaitable[None]]


class Timing(NamedTuple):
    """`heartbeat_s` is how often a silent server says that it lives; 2.5 times that without a byte is death."""

    heartbeat_s: float = 15.0
    sleep: Sleep = asyncio.sleep

    @property
    def silence_s(self) -> float:
        return 2.5 * self.heartbeat_s


class FollowOptions(NamedTuple):
    """How a run is followed.

    `via` is how its records are read. With `fallback` a stream that does not get through (a proxy keeps it back,
    answers with something else, or breaks it again and again without progress) is left for pages, which any proxy lets
    through; the records are the same. `on_status` gets each `FollowStatus`, `on_progress` each of the run's own
    `status` records (a state, a message, how far it is from 0 to 1); neither may block. `store` keeps the cursor: see
    `HeadwaterClient.resume`.
    """

    via: Via = "sse"
    fallback: bool = True
    on_status: StatusCallback | None = None
    on_progress: ProgressCallback | None = None
    store: CursorStore | None = None


class Subscription:
    """An async iterator of a run's records after `after`; made by `HeadwaterClient.follow`.

        async with client.follow(run.id) as subscription:
            async for record in subscription:
                …

    Raises, from the iteration: `MaxRetriesExceeded` after several tries in a row without progress, `NotFound`,
    `CursorAhead`, `CursorTrimmed`, and other `ServerError`s that another try would not change. Progress is a record,
    or a connection that the server kept alive for a heartbeat or longer: a model may think for an hour behind a proxy
    that cuts every connection after a minute.

    The iteration ends behind the final record, or after `aclose`, and by nothing else: who asks for the next record
    after an error, or after a wait that was cancelled, gets it over another connection.
    """

    def __init__(
        self,
        source: Source,
        *,
        run: str | None,
        after: int,
        opening: Backoff,
        following: Backoff,
        timing: Timing,
        options: FollowOptions = FollowOptions(),  # noqa: B008  # immutable
    ) -> None:
        #: the run's id; None until the server has said it, where this subscription starts the run
        self.run = run
        #: the seq of the newest record given out: what to save, and to give as `after` another day
        self.cursor = after
        #: how the records are read
        self.via = options.via
        self._source = source
        self._opening = opening
        self._following = following
        self._timing = timing
        self._options = options
        self._saved = after
        #: whether the newest connection was answered, and by a stream of which something came
        self._answered = self._heard = False
        self._records = self._follow()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Record:
        await self._save()
        try:
            record = await anext(self._records)
        except (asyncio.CancelledError, ClientError):
            # A generator is over with what it raises, and its next step would pass for the end of the run.
            self._records = self._follow()
            raise
        if self._options.on_progress is not None and isinstance(record.event, Status):
            self._options.on_progress(record.event)
        return record

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connection. The run goes on; another subscription may go on from `cursor`."""
        await self._records.aclose()

    async def _save(self) -> None:
        # The caller who asks for the next record has dealt with the one before, and with no more than that.
        store = self._options.store
        if store is not None and self.run is not None and self.cursor != self._saved:
            await asyncio.to_thread(store.save, self.run, self.cursor)
            self._saved = self.cursor

    @property
    def _backoff(self) -> Backoff:
        # Until the run's id is known, its start is what is tried again.
        return self._opening if self.run is None else self._following

    async def _follow(self) -> AsyncGenerator[Record, None]:
        while True:
            connection = self._pages() if self.via == "long-poll" else self._connection()
            try:
                async for record in connection:
                    yield record
                self._tell("ended")
                return
            except ClientError as error:
                failure = error
            finally:
                await connection.aclose()
            await self._recover(failure)

    async def _connection(self) -> AsyncGenerator[Record, None]:
        """The new records of one connection; ends after the final one."""
        self._answered = self._heard = False
        backoff = self._backoff
        self._tell("connecting", backoff)
        if self.run is None and self.via not in STARTING:
            self.run = await self._source.start()
        response = await self._source.open(self.run, self.cursor, self.via)
        opened_at = asyncio.get_running_loop().time()
        self._answered = True
        self.run = self.run or response.headers.get("x-run-id")
        if response.status_code == httpx2.codes.NO_CONTENT:
            await response.aclose()
            return
        if self.run is None:
            await response.aclose()
            raise ParseError("The server did not say which run it started")
        self._tell("streaming", backoff)
        reader = reader_of(self.via, response, self._timing.silence_s)
        events = reader.read_events()
        try:
            async for record in events:
                if self._is_new(record):
                    yield record
                if is_final(record.event):
                    return
        except NetworkError:
            # Where something came of it, a final record would have come as well.
            if not (reader.whole and reader.events_received == 0 and await self._is_at_end()):
                raise
        finally:
            await events.aclose()
            self._heard = reader.bytes_received > 0
            if reader.retry_ms is not None:
                self._following.base_s = reader.retry_ms / 1000
            if reader.last_byte_at is not None and reader.last_byte_at - opened_at >= self._timing.heartbeat_s:
                self._following.progressed()

    async def _is_at_end(self) -> bool:
        """Whether the log is closed behind the cursor: a stream that could not say so with a status is empty then."""
        if self.via == "sse" or self.run is None or self.cursor == 0:
            return False
        page = await self._source.page(self.run, self.cursor, 0)
        return page.closed and page.tail == self.cursor

    async def _pages(self) -> AsyncGenerator[Record, None]:
        """The new records page by page; ends after the final one."""
        self._tell("connecting", self._backoff)
        if self.run is None:
            self.run = await self._source.start()
        self._tell("streaming", self._backoff)
        loop = asyncio.get_running_loop()
        while True:
            asked_at = loop.time()
            page = await self._source.page(self.run, self.cursor, int(self._timing.heartbeat_s * 1000))
            for payload in page.records:
                record = _decoded(payload)
                if self._is_new(record):
                    yield record
                if is_final(record.event):
                    return
            if page.closed and page.tail <= self.cursor:
                return
            if not page.records:
                if loop.time() - asked_at < self._timing.heartbeat_s / 2:
                    raise NetworkError("The server answered a long poll at once, and with nothing")
                self._following.progressed()

    def _is_new(self, record: Record) -> bool:
        """Whether a record was not given out yet; the cursor moves to it. Raises `ParseError` for one after a gap."""
        if record.seq <= self.cursor:
            return False
        if record.seq != self.cursor + 1:
            raise ParseError(f"Record {record.seq} came after record {self.cursor}: there is a gap")
        self.cursor = record.seq
        self._following.progressed()
        return True

    async def _recover(self, failure: ClientError) -> None:
        """Waits for the next try, or takes another way. Raises what there is to be told where neither is left."""
        backoff = self._backoff
        may_fall_back = self._options.fallback and self.via != "long-poll"
        # Something answers, but what it answers with is no stream, or one that is kept back on its way.
        if may_fall_back and self._answered and not self._heard and isinstance(failure, ParseError | TimedOut):
            self._fall_back(failure)
            return
        try:
            delay_s = backoff.delay_s(failure)
        except MaxRetriesExceeded:
            # A server that is not there, or that refuses, does so on any way.
            absent = isinstance(failure, NetworkError) and failure.unreachable
            if not may_fall_back or absent or isinstance(failure, ServerError):
                raise
            self._fall_back(failure)
            return
        self._tell("waiting", backoff, delay_s, failure)
        await self._timing.sleep(delay_s)

    def _fall_back(self, failure: ClientError) -> None:
        self.via = "long-poll"
        self._opening.progressed()
        self._following.progressed()
        self._tell("fallback", error=failure)

    def _tell(
        self,
        state: FollowState,
        backoff: Backoff | None = None,
        delay_s: float | None = None,
        error: ClientError | None = None,
    ) -> None:
        if self._options.on_status is not None:
            tries = backoff.tries if backoff else 0
            self._options.on_status(FollowStatus(state, self.cursor, tries, delay_s, error, self.via))


def _decoded(payload: msgspec.Raw) -> Record:
    try:
        return decode_record(bytes(payload))
    except msgspec.MsgspecError:
        # Without the bytes: they are somebody's prompt or answer.
        raise ParseError("The server sent a page with something that is not a record") from None
