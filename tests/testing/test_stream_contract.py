"""The kit for streams catches the mistakes that matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headwater.domain.stream import Append, Appended, Stream, StreamConfig, StreamLimits, StreamName
from headwater.errors import StreamGoneError
from headwater.storage.memory import MemoryStorage
from headwater.storage.streams import StreamPage
from tests.testing.mutants import is_caught


def repeats_are_appended(storage: MemoryStorage) -> None:
    right = storage.streams.append

    async def wrong(name: StreamName, append: Append, now_ms: int) -> Appended:
        done = await right(name, append, now_ms)
        if done.duplicate and append.payload is not None and not done.stream.closed:
            await right(name, append._replace(producer=None), now_ms)
        return done

    storage.streams.append = wrong  # type: ignore[method-assign]


def producers_are_forgotten(storage: MemoryStorage) -> None:
    for stored in storage.medium.streams._streams.values():
        stored.producers.clear()


def ends_are_ignored(storage: MemoryStorage) -> None:
    right = storage.streams.append

    async def wrong(name: StreamName, append: Append, now_ms: int) -> Appended:
        return await right(name, append._replace(close=False), now_ms)

    storage.streams.append = wrong  # type: ignore[method-assign]


def lives_are_forgotten(storage: MemoryStorage) -> None:
    create = storage.streams.create

    async def wrong(name: StreamName, config: StreamConfig, payload: bytes, now_ms: int) -> tuple[Stream, bool]:
        return await create(name, config._replace(ttl_s=None, expires_at_ms=None), payload, now_ms)

    storage.streams.create = wrong  # type: ignore[method-assign]


def forks_take_all(storage: MemoryStorage) -> None:
    create = storage.streams.create

    async def wrong(name: StreamName, config: StreamConfig, payload: bytes, now_ms: int) -> tuple[Stream, bool]:
        if config.fork is not None:
            config = config._replace(fork=config.fork._replace(seq=None, sub=0))
        return await create(name, config, payload, now_ms)

    storage.streams.create = wrong  # type: ignore[method-assign]


def sources_are_dropped(storage: MemoryStorage) -> None:
    state = storage.streams.state

    async def wrong(name: StreamName, now_ms: int) -> Stream:
        try:
            return await state(name, now_ms)
        except StreamGoneError:
            return Stream(id=1, content_type="", created_at_ms=0)

    storage.streams.state = wrong  # type: ignore[method-assign]


def pages_skip_a_record(storage: MemoryStorage) -> None:
    read = storage.streams.read

    async def wrong(name: StreamName, after: int, now_ms: int, **more: Any) -> StreamPage:
        page = await read(name, after, now_ms, **more)
        return page._replace(payloads=[*page.payloads[:1], *page.payloads[2:]])

    storage.streams.read = wrong  # type: ignore[method-assign]


def nobody_is_woken(storage: MemoryStorage) -> None:
    storage.streams.watch = lambda name, wake: lambda: None


def nothing_is_bounded(storage: MemoryStorage) -> None:
    storage.streams._limits = StreamLimits()


@pytest.mark.parametrize(
    ("mutate", "test"),
    [
        (repeats_are_appended, "test_a_producer_s_repeat_adds_nothing"),
        (producers_are_forgotten, "test_a_producer_s_repeat_adds_nothing"),
        (ends_are_ignored, "test_nothing_follows_the_end"),
        (ends_are_ignored, "test_a_repeat_is_known_after_the_end"),
        (lives_are_forgotten, "test_a_stream_s_time_runs_from_its_last_use"),
        (lives_are_forgotten, "test_an_end_that_was_set_is_not_put_off"),
        (forks_take_all, "test_a_fork_has_what_was_there_and_goes_its_own_way"),
        (forks_take_all, "test_a_fork_in_the_middle_of_an_append"),
        (sources_are_dropped, "test_what_others_are_forked_from_is_kept_for_them"),
        (pages_skip_a_record, "test_a_stream_comes_back_as_it_was"),
        (nobody_is_woken, "test_who_watches_a_stream_hears_of_it"),
        (nothing_is_bounded, "test_what_streams_hold_is_bounded"),
        (nothing_is_bounded, "test_forks_are_bounded_in_depth"),
    ],
    ids=lambda case: getattr(case, "__name__", case),
)
async def test_a_mistake_is_caught(mutate: Callable[[MemoryStorage], None], test: str) -> None:
    assert await is_caught(test, mutate)
