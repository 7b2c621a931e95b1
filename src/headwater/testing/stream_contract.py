"""What every `StreamStore` must pass; part of `headwater.testing.storage`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from headwater.domain.run import LOCAL_OWNER, Owner
from headwater.domain.stream import (
    Append,
    Appended,
    ForkPoint,
    Producer,
    Stream,
    StreamConfig,
    StreamLimits,
    StreamName,
)
from headwater.errors import (
    BadRequestError,
    ConflictError,
    HeadwaterError,
    NotFoundError,
    ProducerFencedError,
    ProducerGapError,
    StorageFullError,
    StreamClosedError,
    StreamGoneError,
    TooLargeError,
)
from headwater.storage.contract import Storage
from headwater.testing.log_contract import refuses

Refused = TypeVar("Refused", bound=HeadwaterError)

TEXT = "text/plain"
PLAIN = StreamConfig(TEXT)
#: What the engines of this kit's tests are to be given.
SMALL = StreamLimits(streams_max=8, stream_bytes_max=1000, bytes_max=1500, producers_max=3, fork_depth_max=3)


def named(name: str = "s", owner: Owner = LOCAL_OWNER) -> StreamName:
    return StreamName(owner, name)


def text(payload: bytes, producer: Producer | None = None, **more: Any) -> Append:
    """An append to a stream of text."""
    return Append(payload, TEXT, producer, **more)


async def refusal(kind: type[Refused], refused: Awaitable[object]) -> Refused:
    """What it is refused with."""
    try:
        await refused
    except kind as error:
        return error
    raise AssertionError(f"did not raise {kind.__name__}")


async def a_stream(
    storage: Storage, name: str = "s", config: StreamConfig = PLAIN, payload: bytes = b"", now_ms: int = 1000
) -> Stream:
    """A new stream, with a record if there is a payload."""
    stream, made = await storage.streams.create(named(name), config, payload, now_ms)
    assert made
    return stream


async def add(storage: Storage, append: Append, name: str = "s", now_ms: int = 1000) -> Appended:
    """Appends to a stream."""
    return await storage.streams.append(named(name), append, now_ms)


async def whole(storage: Storage, name: str = "s", now_ms: int = 1000) -> bytes:
    """All that is in a stream, read in small pages."""
    found: list[bytes] = []
    while True:
        page = await storage.streams.read(named(name), len(found), now_ms, bytes_max=5)
        found += page.payloads
        if page.up_to_date:
            return b"".join(found)
        assert page.payloads


class StreamContract:
    """Tests of `StreamStore`; each gets an open, empty engine with the limits `SMALL` as `storage`."""

    async def reopen(self, storage: Storage) -> Storage:
        """Closes the engine and opens another one on the same medium."""
        raise NotImplementedError

    async def test_a_stream_comes_back_as_it_was(self, storage: Storage) -> None:
        made = await a_stream(storage, payload=b"one")
        assert (made.tail, made.closed, made.content_type) == (1, False, TEXT)
        for payload in (b"two", b"three"):
            await add(storage, text(payload))
        closed = await add(storage, text(b"four", close=True))
        assert (closed.stream.tail, closed.stream.closed) == (4, True)
        for _ in range(2):
            assert await storage.streams.state(named(), 1000) == closed.stream
            assert await whole(storage) == b"onetwothreefour"
            page = await storage.streams.read(named(), 2, 1000)
            assert (page.payloads, page.last, page.at_end) == ([b"three", b"four"], 4, True)
            storage = await self.reopen(storage)
        await storage.close()

    async def test_a_stream_that_is_not_there_is_not_found(self, storage: Storage) -> None:
        await a_stream(storage)
        for name in (named("none"), named("s", Owner("another", "owner"))):
            with refuses(NotFoundError):
                await storage.streams.state(name, 0)
            with refuses(NotFoundError):
                await storage.streams.read(name, 0, 0)
            with refuses(NotFoundError):
                await storage.streams.append(name, text(b"x"), 0)
            with refuses(NotFoundError):
                await storage.streams.delete(name, 0)

    async def test_of_racing_creators_one_creates(self, storage: Storage) -> None:
        made = await asyncio.gather(
            *(storage.streams.create(named(), PLAIN, b"%d" % number, 1000) for number in range(10))
        )
        assert sorted(each for _, each in made) == [False] * 9 + [True]
        assert len({stream.id for stream, _ in made}) == 1
        for other in (StreamConfig("text/html"), StreamConfig(TEXT, ttl_s=3), StreamConfig(TEXT, closed=True)):
            with refuses(ConflictError):
                await storage.streams.create(named(), other, b"", 1000)

    async def test_racing_appends_are_all_there_in_one_order(self, storage: Storage) -> None:
        await a_stream(storage)
        done = await asyncio.gather(*(add(storage, text(b"%d;" % number)) for number in range(30)))
        by_seq = {each.stream.tail: b"%d;" % number for number, each in enumerate(done)}
        assert await whole(storage) == b"".join(by_seq[seq] for seq in range(1, 31))

    async def test_nothing_follows_the_end(self, storage: Storage) -> None:
        await a_stream(storage, payload=b"x")
        closing = Append(None, close=True)
        assert (await add(storage, closing)).stream.closed
        assert (await add(storage, closing)).duplicate
        assert (await refusal(StreamClosedError, add(storage, text(b"y")))).tail == 1
        assert await whole(storage) == b"x"

    async def test_an_append_has_the_stream_s_type(self, storage: Storage) -> None:
        await a_stream(storage, config=StreamConfig("Text/Plain; charset=utf-8"))
        await add(storage, text(b"x"))
        with refuses(ConflictError):
            await add(storage, Append(b"{}", "application/json"))
        await add(storage, Append(None, "application/json", close=True))

    async def test_writers_agree_by_their_order(self, storage: Storage) -> None:
        await a_stream(storage)
        for seq in ("09", "1", "10", "2"):
            await add(storage, text(b"x", writer_seq=seq))
        for seq in ("2", "10", ""):
            with refuses(ConflictError):
                await add(storage, text(b"y", writer_seq=seq))
        await add(storage, text(b"x"))
        assert await whole(storage) == b"xxxxx"

    async def test_a_producer_s_repeat_adds_nothing(self, storage: Storage) -> None:
        await a_stream(storage)
        for seq in (0, 1, 1, 0, 2, 2):
            done = await add(storage, text(b"%d" % seq, Producer("p", 0, seq)))
            assert done.producer is not None
        assert await whole(storage) == b"012"
        storage = await self.reopen(storage)
        done = await add(storage, text(b"1", Producer("p", 0, 1)))
        assert (done.duplicate, done.producer) == (True, Producer("p", 0, 2))
        gap = await refusal(ProducerGapError, add(storage, text(b"x", Producer("p", 0, 4))))
        assert (gap.expected, gap.received) == (3, 4)
        with refuses(BadRequestError):
            await add(storage, text(b"x", Producer("p", 1, 1)))
        await add(storage, text(b"3", Producer("p", 1, 0)))
        fenced = await refusal(ProducerFencedError, add(storage, text(b"x", Producer("p", 0, 3))))
        assert fenced.epoch == 1
        assert await whole(storage) == b"0123"
        await storage.close()

    async def test_a_refused_append_leaves_no_trace_of_its_producer(self, storage: Storage) -> None:
        await a_stream(storage)
        with refuses(TooLargeError):
            await add(storage, text(b"x" * 1001, Producer("p", 0, 0)))
        await add(storage, text(b"x", Producer("p", 0, 0)))
        assert await whole(storage) == b"x"

    async def test_a_repeat_is_known_after_the_end(self, storage: Storage) -> None:
        await a_stream(storage)
        last = text(b"x", Producer("p", 0, 0), close=True)
        assert not (await add(storage, last)).duplicate
        again = await add(storage, last)
        assert (again.duplicate, again.stream.closed) == (True, True)
        with refuses(StreamClosedError):
            await add(storage, text(b"x", Producer("p", 0, 1)))

    async def test_a_fork_has_what_was_there_and_goes_its_own_way(self, storage: Storage) -> None:
        for letter in (b"a", b"b", b"c"):
            await (add(storage, text(letter)) if letter != b"a" else a_stream(storage, payload=letter))
        await a_stream(storage, "two", StreamConfig(fork=ForkPoint("s", 2)))
        await add(storage, text(b"X"), "two")
        await a_stream(storage, "three", StreamConfig(fork=ForkPoint("two")), b"Y")
        await a_stream(storage, "four", StreamConfig(fork=ForkPoint("two", 1)))
        await add(storage, text(b"d"))
        storage = await self.reopen(storage)
        names = ("s", "two", "three", "four")
        assert [await whole(storage, name) for name in names] == [b"abcd", b"abX", b"abXY", b"a"]
        page = await storage.streams.read(named("three"), 1, 1000)
        assert (page.payloads, page.stream.tail) == ([b"b", b"X", b"Y"], 4)
        await storage.close()

    async def test_a_fork_in_the_middle_of_an_append(self, storage: Storage) -> None:
        await a_stream(storage, payload=b"hello")
        await a_stream(storage, "two", StreamConfig(fork=ForkPoint("s", 0, 3)), b"p")
        assert await whole(storage, "two") == b"help"
        for point in (ForkPoint("s", 2), ForkPoint("s", 0, 6), ForkPoint("s", 1, 1)):
            with refuses(BadRequestError):
                await storage.streams.create(named("no"), StreamConfig(fork=point), b"", 1000)
        json = StreamConfig("application/json")
        await a_stream(storage, "json", json, b'{"a":1},[2],"3,"')
        await a_stream(storage, "part", StreamConfig(fork=ForkPoint("json", 0, 2)))
        assert await whole(storage, "part") == b'{"a":1},[2]'
        with refuses(ConflictError):
            await storage.streams.create(named("no"), json._replace(fork=ForkPoint("s")), b"", 1000)

    async def test_what_others_are_forked_from_is_kept_for_them(self, storage: Storage) -> None:
        await a_stream(storage, payload=b"a")
        await a_stream(storage, "two", StreamConfig(fork=ForkPoint("s")), b"b")
        await a_stream(storage, "three", StreamConfig(fork=ForkPoint("two")), b"c")
        await storage.streams.delete(named("s"), 1000)
        await storage.streams.delete(named("two"), 1000)
        for name in ("s", "two"):
            with refuses(StreamGoneError):
                await storage.streams.state(named(name), 1000)
            with refuses(ConflictError):
                await storage.streams.create(named(name), PLAIN, b"", 1000)
            with refuses(ConflictError):
                await storage.streams.create(named("no"), StreamConfig(fork=ForkPoint(name)), b"", 1000)
        storage = await self.reopen(storage)
        assert await whole(storage, "three") == b"abc"
        await storage.streams.delete(named("three"), 1000)
        for name in ("s", "two", "three"):
            await a_stream(storage, name)
        await storage.close()

    async def test_forks_are_bounded_in_depth(self, storage: Storage) -> None:
        await a_stream(storage, "0")
        for depth in range(3):
            await a_stream(storage, str(depth + 1), StreamConfig(fork=ForkPoint(str(depth))))
        with refuses(BadRequestError):
            await storage.streams.create(named("4"), StreamConfig(fork=ForkPoint("3")), b"", 1000)

    async def test_what_streams_hold_is_bounded(self, storage: Storage) -> None:
        await a_stream(storage, "a", payload=b"x" * 1000)
        with refuses(TooLargeError):
            await add(storage, text(b"y"), "a")
        await a_stream(storage, "b", payload=b"x" * 500)
        with refuses(StorageFullError):
            await add(storage, text(b"y"), "b")
        await storage.streams.delete(named("a"), 1000)
        await add(storage, text(b"y"), "b")
        for number in range(7):
            await a_stream(storage, str(number))
        with refuses(StorageFullError):
            await storage.streams.create(named("more"), PLAIN, b"", 1000)
        for number in range(3):
            await add(storage, text(b"z", Producer(str(number), 0, 0)), "b")
        with refuses(TooLargeError):
            await add(storage, text(b"z", Producer("more", 0, 0)), "b")

    async def test_a_stream_s_time_runs_from_its_last_use(self, storage: Storage) -> None:
        brief = StreamConfig(TEXT, ttl_s=10)
        stream = await a_stream(storage, config=brief, now_ms=0)
        assert stream.alive_until_ms == 10_000
        await add(storage, text(b"x"), now_ms=9000)
        assert await whole(storage, now_ms=18_999) == b"x"
        await storage.streams.touch(named(), 18_999)
        storage = await self.reopen(storage)
        assert await whole(storage, now_ms=28_998) == b"x"
        with refuses(NotFoundError):
            await storage.streams.state(named(), 28_999)
        again = await a_stream(storage, config=PLAIN, now_ms=28_999)
        assert (again.tail, again.id != stream.id) == (0, True)
        await storage.close()

    async def test_an_end_that_was_set_is_not_put_off(self, storage: Storage) -> None:
        await a_stream(storage, config=StreamConfig(TEXT, expires_at_ms=5000))
        await a_stream(storage, "two", StreamConfig(TEXT, fork=ForkPoint("s")))
        await add(storage, text(b"x"), now_ms=4999)
        await storage.streams.touch(named(), 4999)
        with refuses(StreamGoneError):
            await storage.streams.state(named(), 5000)
        with refuses(NotFoundError):
            await storage.streams.state(named("two"), 5000)
        await storage.streams.sweep(5000)
        for name in ("s", "two"):
            with refuses(NotFoundError):
                await storage.streams.state(named(name), 5000)

    async def test_who_watches_a_stream_hears_of_it(self, storage: Storage) -> None:
        heard: list[str] = []
        stop = storage.streams.watch(named(), lambda: heard.append("s"))
        await a_stream(storage)
        await add(storage, text(b"x"))
        await a_stream(storage, "other")
        await storage.streams.delete(named(), 1000)
        assert heard == ["s"] * 3
        stop()
        await a_stream(storage)
        assert heard == ["s"] * 3
