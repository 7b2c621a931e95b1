"""The client for programs without an event loop: a bridge to the async one, which does all the work.

The bridge is a thread with an event loop. It may be used from any thread, and from within a running event loop too
(which it then blocks, as any blocking call would).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar
from weakref import WeakSet

import httpx2

from headwater.client.backoff import RetryPolicy
from headwater.client.cursors import CursorStore
from headwater.client.resources import Model, RunPage, RunResource
from headwater.client.service import DEFAULT_URL, HeadwaterClient
from headwater.client.source import Via
from headwater.client.subscription import ProgressCallback, StatusCallback, Subscription, Timing
from headwater.domain.event import Record
from headwater.domain.run import RunRequest, RunState

R = TypeVar("R")

#: A signal that comes just before a thread begins to wait does not end the wait, and Python acts on it only behind it;
#: no wait of the main thread is longer.
_HEARD_WITHIN_S = 0.25


class Portal:
    """Runs coroutines on a loop in a thread of its own, which ends with `close` or with the process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._closed = False
        #: what is to be closed before the loop is, if nobody has done so
        self.subscriptions: WeakSet[Subscription] = WeakSet()
        self._thread = threading.Thread(target=self._run, name="headwater-client", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, R]) -> R:
        """Waits for `work`, and gives or raises what it does.

        A Ctrl-C while it waits cancels the work, and is raised once that has ended; a second one does not wait.
        Raises `RuntimeError` on a closed portal, and where it would wait for itself.
        """
        tasks: list[asyncio.Task[R]] = []
        ended = threading.Event()

        def start() -> None:
            task = self._loop.create_task(work)
            tasks.append(task)
            task.add_done_callback(lambda _: ended.set())

        def stop() -> None:
            # Runs after `start`, if that was scheduled: a Ctrl-C may come before it was, and in the middle of it.
            if tasks:
                tasks[0].cancel()
            else:
                work.close()
                ended.set()

        try:
            # Under the lock: what is scheduled here is so before the loop is told to stop, and ends with the rest.
            with self._lock:
                self._check_usable()
                self._loop.call_soon_threadsafe(start)
            _wait(ended)
        except RuntimeError:
            work.close()
            raise
        except BaseException:
            self._loop.call_soon_threadsafe(stop)
            _wait(ended)
            raise
        if tasks[0].cancelled():
            raise RuntimeError("the client was closed while this call was waiting")
        return tasks[0].result()

    def _check_usable(self) -> None:
        if self._closed:
            raise RuntimeError("the client is closed")
        if threading.current_thread() is self._thread:
            raise RuntimeError("a blocking call from a callback would wait for itself")

    def close(self) -> None:
        """Ends the loop and its thread, and whatever still waits in it. Closing twice is fine."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self._loop.run_until_complete(asyncio.wait(tasks))
            # One after the other and from the outside in, which the loop's own closing of generators does not do.
            for subscription in list(self.subscriptions):
                self._loop.run_until_complete(subscription.aclose())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()


def _wait(event: threading.Event) -> None:
    if threading.current_thread() is not threading.main_thread():
        event.wait()
    while not event.wait(_HEARD_WITHIN_S):
        pass


class BlockingSubscription(Iterator[Record]):
    """`Subscription` as an ordinary iterator, and a context manager."""

    def __init__(self, portal: Portal, make: Callable[[], Coroutine[Any, Any, Subscription]]) -> None:
        async def made() -> Subscription:
            subscription = await make()
            portal.subscriptions.add(subscription)
            return subscription

        self._portal = portal
        self._subscription = portal.call(made())

    @property
    def run(self) -> str | None:
        """The run's id; None until the server has said it."""
        return self._subscription.run

    @property
    def cursor(self) -> int:
        """The seq of the newest record given out."""
        return self._subscription.cursor

    def __next__(self) -> Record:
        record = self._portal.call(_next(self._subscription))
        if record is None:
            raise StopIteration
        return record

    def __enter__(self) -> BlockingSubscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection. The run goes on."""
        self._portal.call(self._subscription.aclose())


class BlockingClient:
    """`HeadwaterClient` without `await`: the same methods, arguments and errors. A context manager."""

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
    ) -> None:
        self._client = HeadwaterClient(
            base_url,
            headers=headers,
            transport=transport,
            call_retry=call_retry,
            follow_retry=follow_retry,
            timing=timing,
            fallback=fallback,
        )
        self._portal = Portal()

    def __enter__(self) -> BlockingClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        try:
            self._portal.call(self._client.close())
        finally:
            self._portal.close()

    def start(self, request: RunRequest, *, idempotency_key: str | None = None) -> RunResource:
        return self._portal.call(self._client.start(request, idempotency_key=idempotency_key))

    def get(self, run: str) -> RunResource:
        return self._portal.call(self._client.get(run))

    def list(
        self,
        *,
        state: RunState | None = None,
        workflow: str | None = None,
        model: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> RunPage:
        return self._portal.call(
            self._client.list(state=state, workflow=workflow, model=model, limit=limit, cursor=cursor)
        )

    def cancel(self, run: str) -> RunResource:
        return self._portal.call(self._client.cancel(run))

    def retry(self, run: str, *, idempotency_key: str | None = None) -> RunResource:
        return self._portal.call(self._client.retry(run, idempotency_key=idempotency_key))

    def delete(self, run: str) -> None:
        self._portal.call(self._client.delete(run))

    def models(self) -> tuple[Model, ...]:
        return self._portal.call(self._client.models())

    def follow(
        self,
        run: str,
        after: int = 0,
        on_status: StatusCallback | None = None,
        *,
        on_progress: ProgressCallback | None = None,
        via: Via = "sse",
    ) -> BlockingSubscription:
        """`on_status` and `on_progress` are called in the bridge's thread."""

        async def make() -> Subscription:
            return self._client.follow(run, after, on_status, on_progress=on_progress, via=via)

        return BlockingSubscription(self._portal, make)

    def resume(
        self,
        run: str,
        store: CursorStore,
        on_status: StatusCallback | None = None,
        *,
        on_progress: ProgressCallback | None = None,
        via: Via = "sse",
    ) -> BlockingSubscription:
        """`on_status` and `on_progress` are called in the bridge's thread."""
        return BlockingSubscription(
            self._portal, lambda: self._client.resume(run, store, on_status, on_progress=on_progress, via=via)
        )

    def start_and_follow(
        self,
        request: RunRequest,
        *,
        idempotency_key: str | None = None,
        on_status: StatusCallback | None = None,
        on_progress: ProgressCallback | None = None,
        via: Via = "sse",
        store: CursorStore | None = None,
    ) -> BlockingSubscription:
        """`on_status` and `on_progress` are called in the bridge's thread."""

        async def make() -> Subscription:
            return self._client.start_and_follow(
                request,
                idempotency_key=idempotency_key,
                on_status=on_status,
                on_progress=on_progress,
                via=via,
                store=store,
            )

        return BlockingSubscription(self._portal, make)


async def _next(records: AsyncIterator[Record]) -> Record | None:
    return await anext(records, None)
