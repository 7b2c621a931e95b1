"""The read half as its callers see it, over real sockets: answers, refusals, who is there, and the drain."""

from __future__ import annotations

import asyncio
import json

import pytest

from headwater.delivery.hub import RETRY_MS
from headwater.delivery.sse import SSE
from headwater.delivery.subscription import Why
from headwater.delivery.view import View
from headwater.domain import event as ev
from headwater.domain.run import LOCAL_OWNER, Run, RunRequest
from headwater.errors import (
    CursorAheadError,
    CursorTrimmedError,
    ErrorCode,
    LogCorrupt,
    UnavailableError,
)
from headwater.wire.sse import SSEDecoder
from tests.delivery.loops import OnLoop
from tests.delivery.rig import RUN, Rig, final, record, records, seqs
from tests.delivery.sinks import ColdLog, HeldSink

PATH = f"/{RUN}"


async def with_records(rig: Rig, count: int, *, close: bool = False) -> None:
    await rig.begin()
    if count:
        await rig.append(*records(count), after=0)
    if close:
        await rig.append(final(count + 1), after=count, final=True)


def test_replay_then_follow_to_the_end(on_loop: OnLoop) -> None:
    async def scene() -> None:
        rig = Rig()
        async with rig.serving(), rig.reading() as reader:
            await with_records(rig, 3)
            await reader.head()
            assert reader.status == 200
            assert reader.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert reader.headers["cache-control"] == "no-cache, no-transform"
            assert reader.headers["x-accel-buffering"] == "no"
            assert reader.headers["headwater-protocol"] == "1"
            assert reader.headers["x-run-id"] == RUN
            assert "content-encoding" not in reader.headers
            await reader.until(b"id: 3\n")
            assert reader.body.startswith(b": ok\n\nretry: ")
            await rig.append(*records(2, 3))
            await reader.until(b"id: 5\n")
            assert (rig.presence.here, rig.hub.readers) == ({RUN: 1}, 1)
            await rig.append(final(6), final=True)
            assert seqs(await reader.rest()) == [1, 2, 3, 4, 5, 6]
            assert (rig.presence.here, rig.hub.readers, rig.hub._feeds) == ({RUN: 0}, 0, {})
            [left] = rig.presence.left
            assert (left.run, left.transport, left.records, left.why) == (RUN, "sse", 6, "end")

    on_loop(scene())


def test_the_first_bytes_come_at_once_and_say_when_to_come_back(on_loop: OnLoop) -> None:
    async def scene() -> None:
        rig = Rig()
        waits = set()
        async with rig.serving():
            await rig.begin()
            for _ in range(20):
                async with rig.reading() as reader:
                    await reader.head()
                    decoder = SSEDecoder()
                    assert decoder.feed(await reader.until(b"retry: ")) == []
                    assert decoder.comments == 1
                    assert decoder.retry_ms is not None
                    waits.add(decoder.retry_ms)
        assert all(RETRY_MS / 2 <= wait <= RETRY_MS * 1.5 for wait in waits)
        assert len(waits) > 5

    on_loop(scene())


@pytest.mark.parametrize(
    ("target", "headers", "status", "got"),
    [
        (PATH, "", 200, [1, 2, 3, 4, 5, 6]),
        (f"{PATH}?after=4", "", 200, [5, 6]),
        (f"{PATH}?after=4", "Last-Event-ID: 5\r\n", 200, [6]),
        (f"{PATH}?after=6", "", 204, []),
        (f"{PATH}?form=ndjson&after=6", "", 200, []),
        (f"{PATH}?types=cancelled", "", 200, [6]),
        (f"{PATH}?types=status", "", 200, []),
        (f"{PATH}?from=snapshot", "", 200, [5, 6]),
        (f"{PATH}?from=snapshot", "Last-Event-ID: 6\r\n", 204, []),
    ],
)
async def test_an_ended_run_from_every_place(target: str, headers: str, status: int, got: list[int]) -> None:
    rig = Rig()
    async with rig.serving():
        await with_records(rig, 5, close=True)
        async with rig.reading(target, headers) as reader:
            await reader.head()
            assert (reader.status, seqs(await reader.rest())) == (status, got)
            assert ("transfer-encoding" in reader.headers) == (status == 200)


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        (f"{PATH}?after=7", "", 409, "CURSOR_AHEAD"),
        (PATH, "Last-Event-ID: 99\r\n", 409, "CURSOR_AHEAD"),
        (f"{PATH}?after=1", "", 410, "CURSOR_TRIMMED"),
        (f"{PATH}?after=x", "", 400, "BAD_REQUEST"),
        (f"{PATH}?form=ndjson&after=7", "", 409, "CURSOR_AHEAD"),
    ],
)
async def test_a_cursor_that_can_not_be_is_refused_before_the_answer(
    target: str, headers: str, status: int, code: str
) -> None:
    rig = Rig()
    async with rig.serving():
        await with_records(rig, 5, close=True)
        await rig.log.trim(RUN, 3)
        async with rig.reading(target, headers) as reader:
            await reader.head()
            assert (reader.status, await reader.rest()) == (status, code.encode())
        assert (rig.presence.joins, rig.hub.readers) == (0, 0)


def test_a_filter_moves_the_cursor_of_a_live_reader(on_loop: OnLoop) -> None:
    async def scene() -> None:
        rig = Rig()
        async with rig.serving():
            await with_records(rig, 5)
            async with rig.reading(f"{PATH}?types=cancelled") as reader:
                await reader.head()
                await reader.until(b"id: 5\n\n")
                await rig.append(*records(1, 5))
                await reader.until(b"id: 6\n\n")
                await rig.append(final(7), final=True)
                assert seqs(await reader.rest()) == [7]

    on_loop(scene())


def test_a_late_joiner_begins_with_a_snapshot_and_follows(on_loop: OnLoop) -> None:
    async def scene() -> None:
        rig = Rig()
        async with rig.serving():
            await with_records(rig, 50)
            async with rig.reading(f"{PATH}?from=snapshot") as late, rig.reading() as early:
                await late.head()
                await late.until(b"id: 50\n")
                await early.head()
                await early.until(b"id: 50\n")
                await rig.append(record(51, "last"))
                await rig.append(final(52), final=True)
                frames = SSEDecoder().feed(await late.rest())
                got = [ev.decode_record(frame.data) for frame in frames]
                assert [r.seq for r in got] == [50, 51, 52]
                assert isinstance(got[0].event, ev.SnapshotEvent)
                assert got[0].event.snapshot["text"] == "word " * 50
                assert seqs(await early.rest()) == list(range(1, 53))

    on_loop(scene())


@pytest.mark.parametrize("types", ["", "&types=chunk"])
async def test_a_snapshot_that_is_too_long_comes_as_coalesced_chunks(types: str) -> None:
    rig = Rig()
    async with rig.serving():
        await rig.begin()
        words = [f"word{n} " * 20 for n in range(3000)]
        await rig.append(*[record(seq, text) for seq, text in enumerate(words, 1)], after=0)
        async with rig.reading(f"{PATH}?from=snapshot{types}") as reader:
            await reader.head()
            await reader.until(b"id: 3000\n")
            await rig.append(record(3001, "a"), record(3002, "b"))
            await rig.append(final(3003), final=True)
            got = [ev.decode_record(frame.data) for frame in SSEDecoder().feed(await reader.rest())]
            chunks = [r.event.content for r in got if isinstance(r.event, ev.Chunk)]
            assert "".join(chunks) == "".join(words) + "ab"
            assert len(chunks) < 100
            assert chunks[-2:] == ["a", "b"], "what comes live is not coalesced"
            assert [r.seq for r in got] == sorted({r.seq for r in got})


async def test_ndjson_is_a_record_a_line() -> None:
    rig = Rig(heartbeat_s=0.01, stall_s=10)
    async with rig.serving():
        await with_records(rig, 3)
        async with rig.reading(f"{PATH}?form=ndjson") as reader:
            await reader.head()
            assert reader.headers["content-type"] == "application/x-ndjson"
            await reader.until(b"\n\n\n")
            await rig.append(final(4), final=True)
            lines = (await reader.rest()).split(b"\n")
            assert [json.loads(line)["seq"] for line in lines if line] == [1, 2, 3, 4]
            assert rig.presence.left[0].transport == "ndjson"


def test_a_client_that_goes_is_no_reader_any_more(on_loop: OnLoop) -> None:
    async def scene() -> None:
        log = ColdLog(lambda: True)
        rig = Rig(log)
        async with rig.serving():
            await with_records(rig, 1)
            async with rig.reading() as reader:
                await reader.head()
                await reader.until(b"id: 1\n")
                assert rig.hub.readers == 1
            await rig.presence.until_left(1)
            assert rig.presence.here == {RUN: 0}
            assert rig.presence.left[0].why == "client"
            assert (rig.hub._feeds, log.watchers) == ({}, 0)

    on_loop(scene())


def test_a_request_with_a_body_is_read_to_no_end(on_loop: OnLoop) -> None:
    async def scene() -> None:
        rig = Rig()
        async with rig.serving():
            await with_records(rig, 1)
            async with rig.reading(headers="Content-Length: 5\r\n") as reader:
                reader.writer.write(b"hello")
                await reader.head()
                await reader.until(b"id: 1\n")
                await rig.append(final(2), final=True)
                assert seqs(await reader.rest()) == [1, 2]

    on_loop(scene())


def test_one_connection_serves_one_answer_after_another(on_loop: OnLoop) -> None:
    async def scene() -> None:
        rig = Rig()
        async with rig.serving():
            await with_records(rig, 2, close=True)
            async with rig.reading() as reader:
                for _ in range(3):
                    await reader.head()
                    assert seqs(await reader.rest()) == [1, 2, 3]
                    reader.body, reader.complete = b"", False
                    reader.writer.write(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    on_loop(scene())


async def test_a_log_that_breaks_cuts_and_the_next_answer_says_why() -> None:
    log = ColdLog(lambda: False)
    rig = Rig(log)
    async with rig.serving():
        await with_records(rig, 2)
        async with rig.reading() as reader:
            await reader.head()
            await reader.until(b"id: 2\n")
            log.fault = LogCorrupt()
            await rig.append(*records(1, 2))
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await reader.rest()
            assert seqs(reader.body) == [1, 2]
        assert rig.presence.left[0].why == "error"
        async with rig.reading(headers="Last-Event-ID: 2\r\n") as again:
            await again.head()
            assert (again.status, await again.rest()) == (503, b"STORAGE")


async def test_a_deleted_run_ends_the_answer() -> None:
    rig = Rig()
    async with rig.serving():
        await with_records(rig, 2)
        async with rig.reading() as reader:
            await reader.head()
            await reader.until(b"id: 2\n")
            await rig.log.delete(RUN)
            assert seqs(await reader.rest()) == [1, 2]
        assert rig.presence.left[0].why == "deleted"


def test_a_drain_tells_every_reader_to_come_back(on_loop: OnLoop) -> None:
    async def scene() -> None:
        rig = Rig()
        async with rig.serving():
            await with_records(rig, 2)
            async with rig.reading() as sse, rig.reading(f"{PATH}?form=ndjson") as lines:
                for reader in (sse, lines):
                    await reader.head()
                    await reader.until(b'"seq":2')
                rig.hub.drain()
                decoder = SSEDecoder()
                assert [frame.id for frame in decoder.feed(await sse.rest())] == ["1", "2"]
                assert decoder.retry_ms is not None
                assert b"shutting down" in sse.body
                assert (await lines.rest()).count(b"\n") == 2
                assert (sse.complete, lines.complete) == (True, True)
                assert {left.why for left in rig.presence.left} == {"drain"}
                assert rig.hub.readers == 0
            async with rig.reading() as late:
                await late.head()
                assert (late.status, await late.rest()) == (503, b"DRAINING")

    on_loop(scene())


async def test_who_joins_while_the_drain_begins_is_told_too() -> None:
    rig = Rig()
    await with_records(rig, 1)
    start = await rig.hub.start(RUN, 0, View(SSE))
    rig.hub.drain()
    sink = HeldSink()
    reader = rig.hub.join(RUN, start, sink)
    reader.begin()
    assert sink.finished
    assert rig.hub.readers == 0
    with pytest.raises(UnavailableError) as refused:
        await rig.hub.start(RUN, 0, View(SSE))
    assert refused.value.code is ErrorCode.DRAINING


async def test_pages() -> None:
    log = ColdLog(lambda: False)
    rig = Rig(log)
    await with_records(rig, 5, close=True)
    page = await rig.hub.page(RUN, 2, 0, 2)
    assert (page.after, len(page.payloads), page.tail, page.closed) == (2, 2, 6, True)
    with pytest.raises(CursorAheadError):
        await rig.hub.page(RUN, 7, 0, 10)
    await rig.log.trim(RUN, 3)
    with pytest.raises(CursorTrimmedError):
        await rig.hub.page(RUN, 0, 0, 10)
    log.fault = LogCorrupt()
    with pytest.raises(UnavailableError) as refused:
        await rig.hub.page(RUN, 2, 0, 10)
    assert refused.value.code is ErrorCode.STORAGE
    assert (rig.presence.joins, rig.hub.readers) == (0, 0)


async def test_a_poll_counts_as_a_reader_until_its_gap_is_over() -> None:
    rig = Rig(gap_s=0.01)
    await with_records(rig, 1)
    await rig.hub.page(RUN, 0, 1000, 10)
    assert (rig.presence.here, rig.hub.readers) == ({RUN: 1}, 1)
    await rig.presence.until_left(1)
    assert rig.presence.here == {RUN: 0}
    assert (rig.presence.left[0].transport, rig.presence.left[0].records) == ("page", 1)


async def test_snapshots() -> None:
    log = ColdLog(lambda: False)
    rig = Rig(log)
    await with_records(rig, 3)
    run = Run(RUN, LOCAL_OWNER, RunRequest("simulated"), 0)
    assert (await rig.hub.snapshot(run)).text == "word word word "
    log.fault = LogCorrupt()
    with pytest.raises(UnavailableError):
        await rig.hub.snapshot(run)


async def test_a_fold_goes_with_the_last_reader() -> None:
    rig = Rig()
    await with_records(rig, 3)
    reader = rig.hub.join(RUN, await rig.hub.start(RUN, 0, View(SSE), from_snapshot=True), HeldSink())
    reader.begin()
    assert len(rig.hub._snapshots._entries) == 1
    reader.end(Why.CLIENT)
    assert rig.hub._snapshots._entries == {}


async def test_a_run_whose_log_is_still_to_come() -> None:
    rig = Rig()
    async with rig.serving(), rig.reading() as reader:
        await reader.head()
        assert reader.status == 200
        await with_records(rig, 2, close=True)
        assert seqs(await reader.rest()) == [1, 2, 3]


def test_every_cut_of_the_answer_can_be_resumed_exactly(on_loop: OnLoop) -> None:
    """The client drops at every byte (fault 1): what its last whole block says leads to the exact rest (I2)."""

    async def scene() -> None:
        rig = Rig()
        async with rig.serving():
            await with_records(rig, 4, close=True)
            async with rig.reading() as reader:
                await reader.head()
                whole = await reader.rest()
            for cut in range(len(whole) + 1):
                had = seqs(whole[:cut])
                async with rig.reading(headers=f"Last-Event-ID: {had[-1]}\r\n" if had else "") as again:
                    await again.head()
                    rest = seqs(await again.rest())
                assert had + rest == [1, 2, 3, 4, 5]

    on_loop(scene())
