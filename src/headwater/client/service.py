"""Talks to a Headwater server: starts runs, follows them over any number of connections, stops them."""

from __future__ import annotations

import asyncio
import random as chance
import secrets
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Final, TypeVar

import httpx2
import msgspec

from headwater.client.backoff import Backoff, RetryPolicy
from headwater.client.cursors import CursorStore
from headwater.client.errors import ClientError, NotFound
from headwater.client.http import Http, make_http
from headwater.client.resources import Model, ModelPage, RunPage, RunResource, decode
from headwater.client.source import RUNS, HttpSource, Via, run_path
from headwater.client.subscription import FollowOptions, ProgressCallback, StatusCallback, Subscription, Timing
from headwater.client.websocket import WebSocketStreams
from headwater.domain.run import RunRequest, RunState

DEFAULT_URL: Final = "http://127.0.0.1:8000"
R = TypeVar("R")


class HeadwaterClient:
    """One server, by its base URL. An async context manager; safe to share between the tasks of one event loop.

        async with HeadwaterClient() as client:
            async with client.start_and_follow(request) as subscription:
                async for record in subscription:
                    print(record.event)

    Every method may raise `NetworkError`, `TimedOut`, `ServerError` (with its kinds), `ParseError`, and
    `MaxRetriesExceeded` after several tries; they all are `ClientError`s. What is tried again is safe to try again:
    readings, and changes that the server makes once however often they are asked for.

    `headers` go with every request (a key, an organisation). `call_retry` holds for requests and for the start of a
    run, `follow_retry` for following one. `timing` is how long a silence is death, and how to sleep between tries;
    `fallback` lets a subscription ask for pages where streaming does not get through; `random` gives the jitter,
    numbers from 0 to 1.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        headers: Mapping[str, str] | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        call_retry: RetryPolicy | None = None,
        follow_retry: RetryPolicy | None = None,
        timing: Timing | None = None,
        fallback: bool = True,
        random: Callable[[], float] = chance.random,
    ) -> None:
        self._http = Http(make_http(base_url, headers or {}, transport))
        self._sockets = WebSocketStreams(base_url, headers or {})
        self._call_retry = call_retry or RetryPolicy()
        self._follow_retry = follow_retry or RetryPolicy()
        self._timing = timing or Timing()
        self._fallback = fallback
        self._random = random

    async def __aenter__(self) -> HeadwaterClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections. Runs go on."""
        await self._http.close()

    async def start(self, request: RunRequest, *, idempotency_key: str | None = None) -> RunResource:
        """Starts a run. A lost answer is asked for again with the same key, so that there is one run.

        Without `idempotency_key` the client makes one for this call. Raises `Conflict` for a key that was used for
        another request.
        """
        headers = {"Idempotency-Key": idempotency_key or new_idempotency_key()}
        body = msgspec.json.encode(request)
        return await self._call(RunResource, "POST", RUNS, body=body, headers=headers)

    async def get(self, run: str) -> RunResource:
        """The run and its snapshot. Raises `NotFound`."""
        return await self._call(RunResource, "GET", run_path(run))

    async def list(
        self,
        *,
        state: RunState | None = None,
        workflow: str | None = None,
        model: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> RunPage:
        """The caller's runs, newest first; `cursor` is the `next` of the page before."""
        asked = {"state": state, "workflow": workflow, "model": model, "limit": limit, "cursor": cursor}
        query = {name: str(value) for name, value in asked.items() if value is not None}
        return await self._call(RunPage, "GET", RUNS, query=query)

    async def cancel(self, run: str) -> RunResource:
        """Asks for a cancel: durable, and the same however often it is asked. The run as it then stands."""
        return await self._call(RunResource, "POST", run_path(run) + "/cancel")

    async def retry(self, run: str, *, idempotency_key: str | None = None) -> RunResource:
        """A new run with the same input, linked to the old one; a lost answer is asked for again, as in `start`."""
        headers = {"Idempotency-Key": idempotency_key or new_idempotency_key()}
        return await self._call(RunResource, "POST", run_path(run) + "/retry", headers=headers)

    async def delete(self, run: str) -> None:
        """Cancels the run if it is live, waits for its end, and purges it. Raises `NotFound`."""
        asked_before = False

        def failed(_: ClientError) -> None:
            nonlocal asked_before
            asked_before = True

        try:
            await self._retried(lambda: self._http.call("DELETE", run_path(run)), failed)
        except NotFound:
            # A try whose answer was lost may have done it.
            if not asked_before:
                raise

    async def models(self) -> tuple[Model, ...]:
        """What can be called."""
        return (await self._call(ModelPage, "GET", "/api/v1/models")).models

    def follow(
        self,
        run: str,
        after: int = 0,
        on_status: StatusCallback | None = None,
        *,
        on_progress: ProgressCallback | None = None,
        via: Via = "sse",
    ) -> Subscription:
        """The run's records after the seq `after`, over as many connections as it takes, to the final one.

        `on_status`, `on_progress` and `via` are explained in `FollowOptions`.
        """
        return self._subscription(run, after, FollowOptions(via, self._fallback, on_status, on_progress))

    async def resume(
        self,
        run: str,
        store: CursorStore,
        on_status: StatusCallback | None = None,
        *,
        on_progress: ProgressCallback | None = None,
        via: Via = "sse",
    ) -> Subscription:
        """Follows a run from where `store` says that an earlier reader was, in another process maybe.

        A record is noted there when the next one is asked for, which says that it was dealt with: after a kill the
        newest may come once more, and none is left out. Where the run was never read, this begins at its beginning.
        """
        after = await asyncio.to_thread(store.load, run) or 0
        return self._subscription(run, after, FollowOptions(via, self._fallback, on_status, on_progress, store))

    def start_and_follow(
        self,
        request: RunRequest,
        *,
        idempotency_key: str | None = None,
        on_status: StatusCallback | None = None,
        on_progress: ProgressCallback | None = None,
        via: Via = "sse",
        store: CursorStore | None = None,
    ) -> Subscription:
        """Starts a run with the first step of the iteration, and follows it, on one connection while that holds.

        The subscription's `run` is the id as soon as the server has said it. The cursor is noted in `store`.
        """
        headers = {"Idempotency-Key": idempotency_key or new_idempotency_key()}
        options = FollowOptions(via, self._fallback, on_status, on_progress, store)
        return self._subscription(None, 0, options, msgspec.json.encode(request), headers)

    def _subscription(
        self,
        run: str | None,
        after: int,
        options: FollowOptions,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Subscription:
        if after < 0:
            raise ValueError("a cursor is 0 or the seq of a record")
        return Subscription(
            HttpSource(self._http, self._timing.silence_s, body, headers, sockets=self._sockets),
            run=run,
            after=after,
            opening=Backoff(self._call_retry, self._random),
            following=Backoff(self._follow_retry, self._random),
            timing=self._timing,
            options=options,
        )

    async def _call(
        self,
        kind: type[R],
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> R:
        async def once() -> R:
            return decode(await self._http.call(method, path, query=query, body=body, headers=headers), kind)

        return await self._retried(once)

    async def _retried(
        self, once: Callable[[], Awaitable[R]], failed: Callable[[ClientError], None] = lambda _: None
    ) -> R:
        backoff = Backoff(self._call_retry, self._random)
        while True:
            try:
                return await once()
            except ClientError as error:
                delay_s = backoff.delay_s(error)
                failed(error)
            await self._timing.sleep(delay_s)


def new_idempotency_key() -> str:
    """A key of 128 random bits."""
    return secrets.token_hex(16)
