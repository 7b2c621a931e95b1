"""Follows a run over as many connections as it takes: every record exactly once, in order, to the final one.

A subscription is a cursor and a loop. Whatever ends a connection, the loop waits a little, opens another one behind
the cursor, and drops what it has already given out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import TracebackType
from typing import Literal, NamedTuple, Protocol

import httpx2

from headwater.client.backoff import Backoff
from headwater.client.errors import ClientError, ParseError
from headwater.client.reader import SSEStreamReader
from headwater.domain.event import Record, is_final


class FollowStatus(NamedTuple):
    """Where a subscription is. `delay_s` and `error` are set while it waits for its next try."""

    state: Literal["connecting", "streaming", "waiting", "ended"]
    cursor: int
    #: in a row without progress
    tries: int = 0
    delay_s: float | None = None
    error: ClientError | None = None


StatusCallback = Callable[[FollowStatus], None]
Sleep = Callable[[float], Awaitable[None]]


class Opener(Protocol):
    """Opens a connection on a run's events after a cursor; None for `run` starts the run as well."""

    async def __call__(self, run: str | None, after: int) -> httpx2.Response: ...


class Timing(NamedTuple):
    """`heartbeat_s` is how often a silent server says that it lives; 2.5 times that without a byte is death."""

    heartbeat_s: float = 15.0
    sleep: Sleep = asyncio.sleep

    @property
    def silence_s(self) -> float:
        return 2.5 * self.heartbeat_s


class Subscription:
    """An async iterator of a run's records after `after`; made by `HeadwaterClient.follow`.

        async with client.follow(run.id) as subscription:
            async for record in subscription:
                …
                save(subscription.cursor)

    Raises, from the iteration: `MaxRetriesExceeded` after several tries in a row without progress, `NotFound`,
    `CursorAhead`, `CursorTrimmed`, and other `ServerError`s that another try would not change. Progress is a record,
    or a connection that the server kept alive for a heartbeat or longer: a model may think for an hour behind a proxy
    that cuts every connection after a minute.
    """

    def __init__(
        self,
        open_: Opener,
        *,
        run: str | None,
        after: int,
        opening: Backoff,
        following: Backoff,
        timing: Timing,
        on_status: StatusCallback | None = None,
    ) -> None:
        #: the run's id; None until the server has said it, where this subscription starts the run
        self.run = run
        #: the seq of the newest record given out: what to save, and to give as `after` another day
        self.cursor = after
        self._open = open_
        self._opening = opening
        self._following = following
        self._timing = timing
        self._on_status = on_status
        self._records = self._follow()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Record:
        return await anext(self._records)

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connection. The run goes on; another subscription may go on from `cursor`."""
        await self._records.aclose()

    async def _follow(self) -> AsyncGenerator[Record, None]:
        while True:
            # Until the run's id is known, its start is what is tried again.
            backoff = self._opening if self.run is None else self._following
            connection = self._connection(backoff)
            try:
                async for record in connection:
                    yield record
                self._tell("ended")
                return
            except ClientError as error:
                failure = error
            finally:
                await connection.aclose()
            await self._wait(self._opening if self.run is None else self._following, failure)

    async def _connection(self, backoff: Backoff) -> AsyncGenerator[Record, None]:
        """The new records of one connection; ends after the final one."""
        self._tell("connecting", backoff)
        response = await self._open(self.run, self.cursor)
        opened_at = asyncio.get_running_loop().time()
        self.run = self.run or response.headers.get("x-run-id")
        if response.status_code == httpx2.codes.NO_CONTENT:
            await response.aclose()
            return
        if self.run is None:
            await response.aclose()
            raise ParseError("The server did not say which run it started")
        self._tell("streaming", backoff)
        reader = SSEStreamReader(response, silence_s=self._timing.silence_s)
        events = reader.read_events()
        try:
            async for record in events:
                if record.seq <= self.cursor:
                    if is_final(record.event):
                        return
                    continue
                if record.seq != self.cursor + 1:
                    raise ParseError(f"Record {record.seq} came after record {self.cursor}: there is a gap")
                self.cursor = record.seq
                self._following.progressed()
                yield record
        finally:
            await events.aclose()
            if reader.retry_ms is not None:
                self._following.base_s = reader.retry_ms / 1000
            if reader.last_byte_at is not None and reader.last_byte_at - opened_at >= self._timing.heartbeat_s:
                self._following.progressed()

    async def _wait(self, backoff: Backoff, failure: ClientError) -> None:
        delay_s = backoff.delay_s(failure)
        self._tell("waiting", backoff, delay_s, failure)
        await self._timing.sleep(delay_s)

    def _tell(
        self,
        state: Literal["connecting", "streaming", "waiting", "ended"],
        backoff: Backoff | None = None,
        delay_s: float | None = None,
        error: ClientError | None = None,
    ) -> None:
        if self._on_status is not None:
            self._on_status(FollowStatus(state, self.cursor, backoff.tries if backoff else 0, delay_s, error))
