"""One connection's stream, on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest

from headwater.client import (
    Cancelled,
    ClientError,
    NDJSONStreamReader,
    NetworkError,
    ParseError,
    RunFailed,
    SSEStreamReader,
    TimedOut,
)
from headwater.domain import event as ev
from headwater.wire.sse import Frame, encode_event
from tests.kit.run_log import OPENING, SSE_HEAD, ManualLoop, log_of, open_with, run_manually, sse, whole
from tests.kit.upstream import EndWithoutTerminator, HugeLine, ScriptedUpstream, Send, Stall, Status, Step

LOG = log_of("naïve ", "🌊🏄", " end")
FAILED = log_of("so far", final=ev.Error("SERVER", "The model fell over.", True))
STOPPED = log_of("so far", final=ev.Cancelled("user", 6))


@asynccontextmanager
async def reader_of(script: Sequence[Step], **options: Any) -> AsyncIterator[SSEStreamReader]:
    async with ScriptedUpstream(script) as upstream, httpx2.AsyncClient(trust_env=False) as http:
        async with http.stream("GET", upstream.origin + "/events") as response:
            yield SSEStreamReader(response, **options)


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_a_response_of_either_library_breaks_by_our_errors(library: Any) -> None:
    for script, ends in ((whole(LOG), "complete"), ([*open_with(*LOG[:2]), EndWithoutTerminator()], "error")):
        async with ScriptedUpstream(script) as upstream, library.AsyncClient(trust_env=False) as http:
            async with http.stream("GET", upstream.origin + "/events") as response:
                reader = SSEStreamReader(response)
                told = Told(reader)
                if ends == "complete":
                    await reader.read_to_completion()
                else:
                    with pytest.raises(NetworkError):
                        await reader.read_to_completion()
                assert told.calls[-1][0] == ends
                with pytest.raises(RuntimeError):
                    await SSEStreamReader(response).read_to_completion()


class Told:
    """Listeners that keep what they were told, in order."""

    def __init__(self, reader: SSEStreamReader | None = None) -> None:
        self.calls: list[tuple[str, Any]] = []
        if reader is not None:
            reader.on("data", lambda record: self.calls.append(("data", record.seq)))
            reader.on("error", lambda error: self.calls.append(("error", type(error))))
            reader.on("complete", lambda event: self.calls.append(("complete", type(event))))

    async def data(self, record: ev.Record) -> None:
        self.calls.append(("async data", record.seq))


async def test_reads_the_records_and_counts() -> None:
    async with reader_of(whole(LOG)) as reader:
        assert not reader.is_streaming
        got = []
        async for record in reader.read_events():
            got.append(record)
            assert reader.events_received == len(got)
            assert reader.is_streaming == (record is not got[-1] or record.seq < len(LOG))
        assert got == LOG
        assert not reader.is_streaming
        assert reader.bytes_received == len(OPENING + sse(LOG))
        assert reader.retry_ms == 1000
        assert reader.last_event_id == str(len(LOG))
        assert reader.form is not None
        assert reader.form.name == "envelope"


async def test_text_is_exact_however_it_is_cut() -> None:
    async with reader_of(whole(LOG, pieces=1)) as reader:
        assert [record async for record in reader.read_events()] == LOG


@pytest.mark.parametrize(("log", "end"), [(LOG, ("complete", ev.Complete)), (STOPPED, ("complete", ev.Cancelled))])
async def test_listeners_are_told_in_order_and_the_end_last(log: list[ev.Record], end: tuple[str, type]) -> None:
    async with reader_of(whole(log)) as reader:
        told = Told(reader)
        final = await reader.read_to_completion()
    assert final == log[-1].event
    assert told.calls == [*[("data", record.seq) for record in log], end]


async def test_a_failed_run_is_told_and_raised() -> None:
    async with reader_of(whole(FAILED)) as reader:
        told = Told(reader)
        with pytest.raises(RunFailed) as caught:
            await reader.read_to_completion()
    assert caught.value.event == FAILED[-1].event
    assert (caught.value.code, caught.value.retryable, caught.value.message) == ("SERVER", True, "The model fell over.")
    assert told.calls[-1] == ("error", RunFailed)
    assert "complete" not in dict(told.calls)


async def test_a_failed_run_is_a_record_like_others_for_read_events() -> None:
    async with reader_of(whole(FAILED)) as reader:
        assert [record async for record in reader.read_events()] == FAILED


async def test_callbacks_may_be_async_and_few() -> None:
    told = Told()
    async with reader_of(whole(LOG)) as reader:
        await reader.read_to_completion({"data": told.data})
    assert told.calls == [("async data", record.seq) for record in LOG]


async def test_a_listener_can_be_taken_away() -> None:
    seqs: list[int] = []
    async with reader_of(whole(LOG)) as reader:

        def once(record: ev.Record) -> None:
            seqs.append(record.seq)
            off()

        off = reader.on("data", once)
        await reader.read_to_completion()
        off()
    assert seqs == [1]


async def test_an_unknown_kind_of_listener_is_refused() -> None:
    async with reader_of(whole(LOG)) as reader:
        with pytest.raises(ValueError):
            reader.on("finish", print)  # type: ignore[call-overload]  # what is wrong is the subject


@pytest.mark.parametrize("end", [[], [EndWithoutTerminator()]], ids=["clean", "cut"])
async def test_an_end_before_the_final_record_is_an_error(end: list[Step]) -> None:
    async with reader_of([*open_with(*LOG[:2]), *end]) as reader:
        told = Told(reader)
        with pytest.raises(NetworkError):
            await reader.read_to_completion()
    assert told.calls == [("data", 1), ("data", 2), ("error", NetworkError)]


async def test_cancel_wakes_whoever_waits() -> None:
    async with reader_of([*open_with(*LOG[:1]), Stall()]) as reader:
        told = Told(reader)
        with pytest.raises(Cancelled):
            async for _ in reader.read_events():
                asyncio.get_running_loop().call_soon(asyncio.ensure_future, reader.cancel())
        assert not reader.is_streaming
    assert told.calls == [("data", 1), ("error", Cancelled)]


async def test_cancel_between_two_events_of_one_read() -> None:
    async with reader_of(whole(LOG)) as reader:
        with pytest.raises(Cancelled):
            async for record in reader.read_events():
                assert record.seq == 1
                await reader.cancel()


async def test_cancel_before_reading_closes_the_connection() -> None:
    async with ScriptedUpstream([*open_with(*LOG[:1]), Stall()]) as upstream, httpx2.AsyncClient() as http:
        async with http.stream("GET", upstream.origin) as response:
            reader = SSEStreamReader(response)
            await reader.cancel()
            await upstream.requests[0].closed.wait()
            with pytest.raises(ClientError):
                await reader.read_to_completion()


async def test_a_stream_is_read_once() -> None:
    async with reader_of(whole(LOG)) as reader:
        await reader.read_to_completion()
        with pytest.raises(RuntimeError):
            await anext(reader.read_events())


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/html"}, {}, {**SSE_HEAD, "Content-Encoding": "gzip"}],
    ids=["html", "untyped", "compressed"],
)
async def test_what_is_not_a_plain_event_stream_is_refused_unread(headers: dict[str, str]) -> None:
    async with reader_of([Status(200, headers), Send(OPENING + sse(LOG))]) as reader:
        with pytest.raises(ParseError):
            await reader.read_to_completion()
        assert reader.bytes_received == 0


async def test_an_event_over_the_limit_is_refused_and_what_came_before_is_given() -> None:
    async with reader_of([*open_with(*LOG[:2]), HugeLine(100_000_000)], event_bytes_max=100_000) as reader:
        told = Told(reader)
        with pytest.raises(ParseError):
            await reader.read_to_completion()
        assert reader.bytes_received < 1_000_000
    assert told.calls == [("data", 1), ("data", 2), ("error", ParseError)]


async def test_an_event_of_any_size_below_the_limit_is_read() -> None:
    log = log_of("x" * 3_000_000)
    async with reader_of(whole(log)) as reader:
        assert [record async for record in reader.read_events()] == log


async def test_types_and_fields_of_a_later_version_are_passed_over() -> None:
    data = b'{"seq":1,"t":0,"type":"hologram","data":{"depth":3}}'
    more = b'{"seq":2,"t":0,"type":"chunk","data":{"content":"x","index":0,"mood":"fine"},"trace":"y"}'
    blocks = encode_event(data, id="1") + encode_event(more, id="2")
    async with reader_of([Status(200, SSE_HEAD), Send(blocks + sse(LOG[2:]))]) as reader:
        events = [record.event async for record in reader.read_events()]
    assert events[:2] == [ev.Unknown("hologram", {"depth": 3}), ev.Chunk("x", 0)]


async def test_lines_are_read_like_events() -> None:
    head = {**SSE_HEAD, "Content-Type": "application/x-ndjson"}
    lines = b"\n".join([ev.encode_record(*record) for record in LOG]) + b"\n"
    async with ScriptedUpstream([Status(200, head), Send(b"\n" + lines, 1)]) as upstream, httpx2.AsyncClient() as http:
        async with http.stream("GET", upstream.origin) as response:
            reader = NDJSONStreamReader(response)
            assert [record async for record in reader.read_events()] == LOG
            assert reader.bytes_received == len(lines) + 1
            assert reader.retry_ms is None


@pytest.mark.parametrize(("end", "whole_"), [([], True), ([EndWithoutTerminator()], False)])
async def test_whether_the_body_came_whole_is_known(end: list[Step], whole_: bool) -> None:
    async with reader_of([*open_with(*LOG[:2]), *end]) as reader:
        with pytest.raises(NetworkError):
            await reader.read_to_completion()
        assert reader.whole == whole_


def test_silence_is_told_from_life_by_any_byte() -> None:
    async def scenario(loop: ManualLoop) -> None:
        async with reader_of([*open_with(LOG[0]), Stall()], silence_s=37.5) as reader:
            reading = asyncio.ensure_future(reader.read_to_completion())
            await loop.armed(37.5)
            while reader.events_received == 0:
                await loop.armed(37.5)
            assert reader.last_byte_at == loop.time()
            loop.skip(37.5)
            with pytest.raises(TimedOut):
                await reading

    run_manually(scenario)


async def test_frames_of_any_server_are_read_with_their_comments_in_place() -> None:
    body = b":first\ndata: a\n\n: second\n:third\nevent: b\nid: 7\ndata: c\n\n:last\n"
    meant = ["first", Frame(b"a"), " second", "third", Frame(b"c", "b", "7"), "last"]
    for pieces in (None, 1):
        async with reader_of([Status(200, SSE_HEAD), Send(body, pieces)], comments=True) as reader:
            assert [item async for item in reader.read_frames()] == meant
            assert reader.last_event_id == "7"
        async with reader_of([Status(200, SSE_HEAD), Send(body, pieces)]) as reader:
            assert [item async for item in reader.read_frames()] == [item for item in meant if isinstance(item, Frame)]


async def test_frames_are_cancelled_like_events() -> None:
    async with reader_of([Status(200, SSE_HEAD), Send(b"data: a\n\ndata: b\n\n"), Stall()]) as reader:
        with pytest.raises(Cancelled):
            async for _ in reader.read_frames():
                await reader.cancel()
        with pytest.raises(RuntimeError):
            await anext(reader.read_frames())
