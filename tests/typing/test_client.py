"""`headwater.client`: which names it has, and the types that its users rely on.

mypy checks the functions below, which are never called; a type that changes fails `make types`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.resources import files
from typing import assert_type, get_type_hints

import httpx2
import pytest

from headwater import client
from headwater.client import (
    BlockingClient,
    BlockingSubscription,
    ClientError,
    HeadwaterClient,
    Model,
    Record,
    RunPage,
    RunRequest,
    RunResource,
    SSEStreamReader,
    Subscription,
)
from headwater.domain.event import Cancelled, Complete
from headwater.errors import ErrorCode, HeadwaterError

#: A name that goes breaks somebody's program; one that comes is a promise. Both are to be meant.
NAMES = [
    "BlockingClient",
    "BlockingSubscription",
    "Callbacks",
    "Cancelled",
    "ClientError",
    "Conflict",
    "CursorAhead",
    "CursorStore",
    "CursorTrimmed",
    "FileCursorStore",
    "FollowStatus",
    "HeadwaterClient",
    "Limits",
    "MaxRetriesExceeded",
    "Message",
    "Model",
    "NDJSONStreamReader",
    "NetworkError",
    "NotFound",
    "ParseError",
    "Record",
    "RetryPolicy",
    "RunFailed",
    "RunPage",
    "RunRequest",
    "RunResource",
    "RunState",
    "SSEStreamReader",
    "ServerError",
    "Settings",
    "StreamReader",
    "Subscription",
    "TimedOut",
    "Timing",
    "new_idempotency_key",
]


async def the_async_client(client: HeadwaterClient, request: RunRequest) -> None:
    assert_type(await client.start(request), RunResource)
    assert_type(await client.get("run"), RunResource)
    assert_type(await client.list(limit=3), RunPage)
    assert_type(await client.cancel("run"), RunResource)
    assert_type(await client.retry("run"), RunResource)
    assert_type(await client.models(), tuple[Model, ...])
    async with client.follow("run", 3) as subscription:
        assert_type(subscription, Subscription)
        assert_type(subscription.cursor, int)
        assert_type(subscription.run, str | None)
        async for record in subscription:
            assert_type(record, Record)
    records: AsyncIterator[Record] = client.start_and_follow(request)
    assert_type(await anext(records), Record)


def the_blocking_client(client: BlockingClient, request: RunRequest) -> None:
    assert_type(client.start(request), RunResource)
    assert_type(client.list(), RunPage)
    with client.follow("run") as subscription:
        assert_type(subscription, BlockingSubscription)
        assert_type(next(subscription), Record)
    records: Iterator[Record] = client.start_and_follow(request)
    assert_type(list(records), list[Record])


async def the_reader(response: httpx2.Response) -> None:
    reader = SSEStreamReader(response, silence_s=30)
    assert_type(reader.is_streaming, bool)
    assert_type(reader.bytes_received, int)
    assert_type(reader.events_received, int)

    def data(record: Record) -> None: ...

    async def error(error: ClientError) -> None: ...

    def complete(final: Complete | Cancelled) -> None: ...

    assert_type(reader.on("data", data), Callable[[], None])
    assert_type(reader.on("error", error), Callable[[], None])
    assert_type(reader.on("complete", complete), Callable[[], None])
    async for record in reader.read_events():
        assert_type(record, Record)
    assert_type(await reader.read_to_completion({"data": data, "complete": complete}), Complete | Cancelled)
    await reader.cancel()


def an_error(error: ClientError) -> None:
    assert_type(error.kind, ErrorCode)
    assert_type(error.code, str)
    assert_type(error.retryable, bool)
    as_the_server_names_it: HeadwaterError = error
    assert_type(as_the_server_names_it.message, str)


def test_the_names_are_pinned() -> None:
    assert sorted(client.__all__) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES)


def test_type_checkers_are_told_that_there_are_types() -> None:
    assert files("headwater").joinpath("py.typed").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_each_name_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(client, name))


@pytest.mark.parametrize("kind", [HeadwaterClient, BlockingClient, Subscription, SSEStreamReader])
def test_every_method_is_typed(kind: type) -> None:
    public = [member for name, member in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")]
    assert public
    for method in public:
        hints = get_type_hints(method)
        assert "return" in hints, method
        assert set(inspect.signature(method).parameters) - {"self"} <= set(hints), method
