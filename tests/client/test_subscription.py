"""Following a run over connections that break: against real sockets, with sleeping and chance injected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.client import (
    ClientError,
    CursorAhead,
    CursorTrimmed,
    FileCursorStore,
    FollowStatus,
    HeadwaterClient,
    MaxRetriesExceeded,
    Message,
    NetworkError,
    NotFound,
    ParseError,
    RetryPolicy,
    RunRequest,
    ServerError,
    Subscription,
    TimedOut,
    Timing,
)
from headwater.domain import event as ev
from headwater.errors import CursorTrimmedError, ErrorCode, NotFoundError
from tests.kit.run_log import (
    OPENING,
    RUN,
    SSE_HEAD,
    ManualLoop,
    Naps,
    after,
    json_answer,
    log_of,
    open_with,
    problem,
    raw_answer,
    run_manually,
    whole,
)
from tests.kit.upstream import (
    EndWithoutTerminator,
    HalfClose,
    Pause,
    Raw,
    Received,
    Reset,
    ScriptedUpstream,
    Send,
    Stall,
    Status,
    Step,
)

LOG = log_of("Hello", " wörld", " 🌊🏄", "\n", "end")


@asynccontextmanager
async def client_of(
    upstream: ScriptedUpstream, naps: Naps, *, policy: RetryPolicy | None = None, random: float = 1.0
) -> AsyncIterator[HeadwaterClient]:
    timing = Timing(sleep=naps)
    # What is left for a way without streaming is told in spec/cases/pages.json.
    async with HeadwaterClient(
        upstream.origin, follow_retry=policy, timing=timing, fallback=False, random=lambda: random
    ) as client:
        yield client


async def collect(*scripts: Sequence[Step] | Callable[[Received], Iterable[Step]], start: int = 0) -> list[ev.Record]:
    async with ScriptedUpstream(*scripts) as upstream, client_of(upstream, Naps()) as client:
        return [record async for record in client.follow(RUN, start)]


async def failing(*scripts: Sequence[Step], naps: Naps | None = None, policy: RetryPolicy | None = None) -> ClientError:
    async with ScriptedUpstream(*scripts) as upstream, client_of(upstream, naps or Naps(), policy=policy) as client:
        with pytest.raises(ClientError) as caught:
            async for _ in client.follow(RUN):
                pass
    return caught.value


async def test_one_connection_gives_all_records() -> None:
    assert await collect(whole(LOG)) == LOG


async def test_a_cursor_begins_in_the_middle() -> None:
    assert await collect(lambda received: whole(LOG, after(received)), start=3) == LOG[3:]


async def test_text_may_be_split_anywhere_between_reads() -> None:
    assert await collect(whole(LOG, pieces=1)) == LOG


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until the connection ends"])
@pytest.mark.parametrize("end", [EndWithoutTerminator(), Reset()], ids=["closed", "reset"])
async def test_cut_at_every_byte_and_resumed(chunked: bool, end: Step) -> None:
    """Fault 1: whatever byte of the answer the connection breaks behind, the result is 1..N exactly once."""
    answer = raw_answer(LOG, chunked=chunked)
    cut = connections = 0

    def script(received: Received) -> Iterable[Step]:
        nonlocal connections
        connections += 1
        return [Raw(answer[:cut]), end] if connections == 1 else whole(LOG, after(received))

    async with ScriptedUpstream(script) as upstream, client_of(upstream, Naps()) as client:
        for cut in range(len(answer) + 1):
            connections = 0
            assert [record async for record in client.follow(RUN)] == LOG, f"cut behind byte {cut}"
            assert connections <= 2


@given(st.lists(st.integers(0, 900), max_size=12), st.booleans(), st.integers(1, 50))
async def test_cut_any_number_of_times(cuts: list[int], chunked: bool, chunk_bytes: int) -> None:
    """I2 over many connections, each cut somewhere."""

    def script(received: Received) -> Iterable[Step]:
        cursor = after(received)
        if received.number > len(cuts):
            return whole(LOG, cursor)
        answer = raw_answer(LOG, cursor, chunked=chunked, chunk_bytes=chunk_bytes)
        return [Raw(answer[: cuts[received.number - 1]]), EndWithoutTerminator()]

    policy = RetryPolicy(tries_max=len(cuts) + 1)
    async with ScriptedUpstream(script) as upstream, client_of(upstream, Naps(), policy=policy) as client:
        assert [record async for record in client.follow(RUN)] == LOG


async def test_records_that_come_again_are_dropped() -> None:
    def replays_everything(received: Received) -> Iterable[Step]:
        return [*open_with(*LOG[:3]), EndWithoutTerminator()] if received.number == 1 else whole(LOG)

    assert await collect(replays_everything) == LOG


async def test_a_gap_is_never_passed_on() -> None:
    async with ScriptedUpstream(open_with(*LOG[:2], *LOG[3:]), whole(LOG, 2)) as upstream:
        seen: list[FollowStatus] = []
        async with client_of(upstream, Naps()) as client:
            assert [record async for record in client.follow(RUN, on_status=seen.append)] == LOG
        assert [after(received) for received in upstream.requests] == [0, 2]
    waiting = [status for status in seen if status.state == "waiting"]
    assert [type(status.error) for status in waiting] == [ParseError]


async def test_a_record_that_can_not_be_read_is_asked_for_again() -> None:
    broken = [*open_with(*LOG[:2]), Send(b'id: 3\ndata: {"seq":3,"t":1,"type":"chunk","data":{"content":7}}\n\n')]
    assert await collect(broken, whole(LOG, 2)) == LOG


async def test_an_end_without_a_final_record_is_not_an_end() -> None:
    assert await collect(open_with(*LOG[:4]), whole(LOG, 4)) == LOG


async def test_a_closed_tail_ends_at_once() -> None:
    assert await collect([Status(204, {})], start=len(LOG)) == []


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(404, "NOT_FOUND", NotFound), (409, "CURSOR_AHEAD", CursorAhead), (410, "CURSOR_TRIMMED", CursorTrimmed)],
)
async def test_a_refused_cursor_is_a_typed_error_at_once(status: int, code: str, kind: type[ServerError]) -> None:
    naps = Naps()
    error = await failing(problem(status, code), naps=naps)
    assert type(error) is kind
    assert error.code == code
    assert error.kind is ErrorCode.SERVER
    assert naps.delays_s == []


async def test_the_errors_of_the_server_are_caught_by_their_names_there() -> None:
    assert isinstance(await failing(problem(404, "NOT_FOUND")), NotFoundError)
    assert isinstance(await failing(problem(410, "CURSOR_TRIMMED")), CursorTrimmedError)


async def test_gives_up_after_three_tries_without_progress() -> None:
    naps = Naps()
    error = await failing([EndWithoutTerminator()], naps=naps)
    assert isinstance(error, MaxRetriesExceeded)
    assert isinstance(error.last, NetworkError)
    assert error.__cause__ is error.last
    assert naps.delays_s == [1, 2, 4]


async def test_the_fourth_wait_and_all_others_are_eight_seconds() -> None:
    naps = Naps()
    await failing([EndWithoutTerminator()], naps=naps, policy=RetryPolicy(tries_max=6))
    assert naps.delays_s == [1, 2, 4, 8, 8, 8]


async def test_the_jitter_is_full() -> None:
    naps = Naps()
    async with ScriptedUpstream([EndWithoutTerminator()]) as upstream, client_of(upstream, naps, random=0.25) as client:
        with pytest.raises(MaxRetriesExceeded):
            await anext(client.follow(RUN))
    assert naps.delays_s == [0.25, 0.5, 1]


async def test_progress_begins_the_count_again() -> None:
    def a_record_every_third_time(received: Received) -> Iterable[Step]:
        cursor = after(received)
        if received.number % 3:
            return [EndWithoutTerminator()]
        return [*open_with(LOG[cursor]), EndWithoutTerminator()]

    naps = Naps()
    async with ScriptedUpstream(a_record_every_third_time) as upstream, client_of(upstream, naps) as client:
        assert [record async for record in client.follow(RUN)] == LOG
        assert len(upstream.requests) == 3 * len(LOG)
    assert naps.delays_s == [1, 2] + [1, 2, 4] * (len(LOG) - 1)


async def test_a_replayed_past_is_no_progress() -> None:
    stuck = [*open_with(*LOG[:2]), EndWithoutTerminator()]
    async with ScriptedUpstream(stuck) as upstream, client_of(upstream, Naps()) as client:
        subscription = client.follow(RUN)
        with pytest.raises(MaxRetriesExceeded):
            async for _ in subscription:
                pass
        assert subscription.cursor == 2
        assert len(upstream.requests) == 4


async def test_the_server_sets_the_base_of_the_waits() -> None:
    asks: list[Step] = [Status(200, SSE_HEAD), Send(b"retry: 3000\n\n"), EndWithoutTerminator()]
    naps = Naps()
    await failing(asks, naps=naps)
    assert naps.delays_s == [3, 6, 8]


async def test_retry_after_is_the_earliest_moment() -> None:
    naps = Naps()
    async with ScriptedUpstream(problem(503, "DRAINING", retryable=True, Retry_After="5"), whole(LOG)) as upstream:
        async with client_of(upstream, naps) as client:
            assert [record async for record in client.follow(RUN)] == LOG
    assert naps.delays_s == [6]


async def test_an_absurd_retry_after_is_told_and_not_waited_for() -> None:
    naps = Naps()
    error = await failing(problem(503, "DRAINING", retryable=True, Retry_After="86400"), naps=naps)
    assert isinstance(error, ServerError)
    assert error.retry_after_s == 86400
    assert naps.delays_s == []


async def test_a_proxys_page_is_tried_again() -> None:
    page = [Status(200, {"Content-Type": "text/html"}, b"<p>Sign in", framing="length")]
    gateway = [Status(502, {"Content-Type": "text/html"}, b"<p>Bad gateway", framing="length")]
    assert await collect(page, gateway, whole(LOG)) == LOG


async def test_an_event_without_end_is_refused_in_bounded_memory() -> None:
    endless: list[Step] = [Status(200, SSE_HEAD), *[Send(b"data: " + b"x" * 65536)] * 200]
    error = await failing(endless, policy=RetryPolicy(tries_max=1))
    assert isinstance(error, MaxRetriesExceeded)
    assert isinstance(error.last, ParseError)


async def test_a_half_closed_connection_is_left() -> None:
    assert await collect([*open_with(*LOG[:2]), HalfClose()], whole(LOG, 2)) == LOG


def test_a_silent_connection_is_dead_and_heartbeats_keep_it_alive() -> None:
    """2.5 heartbeats without a byte are death; a comment is a byte."""
    beat = asyncio.Event()
    seen: list[FollowStatus] = []

    async def scenario(loop: ManualLoop) -> None:
        first = [*open_with(LOG[0]), Pause(beat), Send(b":\n\n"), Stall()]
        async with ScriptedUpstream(first, whole(LOG, 1)) as upstream, client_of(upstream, Naps()) as client:
            subscription = client.follow(RUN, on_status=seen.append)
            assert await anext(subscription) == LOG[0]
            loop.skip(1000)  # what the caller does between two records does not count
            rest = asyncio.ensure_future(anext(subscription))
            await loop.armed(37.5)
            loop.skip(37.25)
            beat.set()
            await loop.armed(37.5)
            loop.skip(37.25)
            await loop.armed(0.25)
            assert len(upstream.requests) == 1
            loop.skip(0.25)
            assert await rest == LOG[1]
            assert [after(received) for received in upstream.requests] == [0, 1]
            await subscription.aclose()

    run_manually(scenario)
    assert [type(status.error) for status in seen if status.state == "waiting"] == [TimedOut]


def test_a_server_that_never_answers_is_dead_too() -> None:
    async def scenario(loop: ManualLoop) -> None:
        async with ScriptedUpstream([Stall()], whole(LOG)) as upstream, client_of(upstream, Naps()) as client:
            subscription = client.follow(RUN)
            first = asyncio.ensure_future(anext(subscription))
            await upstream.request(1)
            loop.skip(37.5)
            assert await first == LOG[0]
            await subscription.aclose()

    run_manually(scenario)


def test_a_connection_that_was_kept_alive_is_progress() -> None:
    """A model may think for long behind a proxy that cuts every connection after a minute."""
    cuts = 7

    async def scenario(loop: ManualLoop) -> None:
        gates = [asyncio.Event() for _ in range(cuts)]

        def script(received: Received) -> Iterable[Step]:
            if received.number > cuts:
                return whole(LOG)
            return [
                Status(200, SSE_HEAD),
                Send(OPENING),
                Pause(gates[received.number - 1]),
                Send(b": beat\n\n"),
                EndWithoutTerminator(),
            ]

        streaming = asyncio.Event()

        def watch(status: FollowStatus) -> None:
            if status.state == "streaming":
                streaming.set()

        async with ScriptedUpstream(script) as upstream, client_of(upstream, Naps()) as client:
            subscription = client.follow(RUN, on_status=watch)
            first = asyncio.ensure_future(anext(subscription))
            for gate in gates:
                await streaming.wait()
                streaming.clear()
                loop.skip(15.0)
                gate.set()
            assert await first == LOG[0]
            await subscription.aclose()

    run_manually(scenario)


async def test_on_status_tells_the_story() -> None:
    seen: list[FollowStatus] = []
    async with ScriptedUpstream([*open_with(*LOG[:3]), EndWithoutTerminator()], whole(LOG, 3)) as upstream:
        async with client_of(upstream, Naps()) as client:
            async for _ in client.follow(RUN, on_status=seen.append):
                pass
    assert [(status.state, status.cursor) for status in seen] == [
        ("connecting", 0),
        ("streaming", 0),
        ("waiting", 3),
        ("connecting", 3),
        ("streaming", 3),
        ("ended", len(LOG)),
    ]
    assert seen[2].delay_s == 1
    assert isinstance(seen[2].error, NetworkError)


async def test_the_fallback_is_told_with_its_reason() -> None:
    seen: list[FollowStatus] = []
    sign_in = [Status(200, {"Content-Type": "text/html"}, b"<h1>Sign in</h1>", framing="length")]
    async with ScriptedUpstream(sign_in, page_of(LOG)) as upstream, HeadwaterClient(upstream.origin) as client:
        assert [record async for record in client.follow(RUN, on_status=seen.append)] == LOG
    assert [(status.state, status.via) for status in seen] == [
        ("connecting", "sse"),
        ("streaming", "sse"),
        ("fallback", "long-poll"),
        ("connecting", "long-poll"),
        ("streaming", "long-poll"),
        ("ended", "long-poll"),
    ]
    assert isinstance(seen[2].error, ParseError)


async def test_progress_is_the_runs_own() -> None:
    half = ev.Status("streaming", "Half of it", 0.5)
    log = [ev.Record(1, 0, half), *[record._replace(seq=record.seq + 1) for record in LOG]]
    told: list[ev.Status] = []
    async with ScriptedUpstream(whole(log)) as upstream, client_of(upstream, Naps()) as client:
        assert [record async for record in client.follow(RUN, on_progress=told.append)] == log
    assert told == [half, LOG[0].event]


async def test_another_process_goes_on_behind_what_was_dealt_with(tmp_path: Path) -> None:
    def rest(received: Received) -> Iterable[Step]:
        return whole(LOG, after(received))

    store = FileCursorStore(tmp_path)
    async with ScriptedUpstream(rest) as upstream:
        async with client_of(upstream, Naps()) as client:
            subscription = await client.resume(RUN, store)
            assert [await anext(subscription) for _ in range(3)] == LOG[:3]
            await subscription.aclose()
        async with client_of(upstream, Naps()) as client:
            # The third may not have been dealt with: nobody asked for the one after it.
            assert [record async for record in await client.resume(RUN, store)] == LOG[2:]
            assert store.load(RUN) == len(LOG)


async def test_a_started_run_is_noted_too(tmp_path: Path) -> None:
    store = FileCursorStore(tmp_path)
    request = RunRequest(model="simulated", messages=[Message("user", "Hi")])
    async with ScriptedUpstream(whole(LOG)) as upstream, client_of(upstream, Naps()) as client:
        assert [record async for record in client.start_and_follow(request, store=store)] == LOG
    assert store.load(RUN) == len(LOG)


def test_a_long_poll_without_news_is_progress_and_goes_on() -> None:
    async def scenario(loop: ManualLoop) -> None:
        news = asyncio.Event()
        quiet, rest = Pause(news), page_of(LOG)
        async with ScriptedUpstream([quiet, *page_of([], closed=False)], rest) as upstream:
            async with HeadwaterClient(upstream.origin, follow_retry=RetryPolicy(tries_max=0)) as client:
                reading = asyncio.ensure_future(collected(client.follow(RUN, via="long-poll")))
                await upstream.request(1)
                loop.skip(15)
                news.set()
                assert await reading == LOG

    run_manually(scenario)


async def collected(subscription: Subscription) -> list[ev.Record]:
    return [record async for record in subscription]


def page_of(records: Sequence[ev.Record], *, closed: bool = True) -> list[Step]:
    joined = b",".join([ev.encode_record(*record) for record in records])
    state = b"true" if closed else b"false"
    return json_answer(b'{"records":[%b],"tail":%d,"closed":%b,"last":0}' % (joined, len(LOG), state))


async def test_a_wait_that_is_cancelled_is_no_end() -> None:
    def silent_at_first(received: Received) -> Iterable[Step]:
        if received.number == 1:
            return [*open_with(*LOG[:1]), Stall()]
        return whole(LOG, after(received))

    async with ScriptedUpstream(silent_at_first) as upstream, client_of(upstream, Naps()) as client:
        subscription = client.follow(RUN)
        assert await anext(subscription) == LOG[0]
        waiting = asyncio.ensure_future(anext(subscription))
        await asyncio.sleep(0)  # paces: the subscription has its turn of the loop and waits
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await upstream.requests[0].closed.wait()
        assert await collected(subscription) == LOG[1:]


async def test_an_error_is_no_end() -> None:
    def whole_at_last(received: Received) -> Iterable[Step]:
        return [EndWithoutTerminator()] if received.number <= 2 else whole(LOG, after(received))

    async with (
        ScriptedUpstream(whole_at_last) as upstream,
        client_of(upstream, Naps(), policy=RetryPolicy(tries_max=1)) as client,
    ):
        subscription = client.follow(RUN)
        with pytest.raises(MaxRetriesExceeded):
            await anext(subscription)
        assert await collected(subscription) == LOG


async def test_leaving_closes_the_connection() -> None:
    async with ScriptedUpstream([*open_with(*LOG[:1]), Stall()]) as upstream, client_of(upstream, Naps()) as client:
        async with client.follow(RUN) as subscription:
            assert await anext(subscription) == LOG[0]
        await upstream.requests[0].closed.wait()
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)


async def test_a_negative_cursor_is_refused_here() -> None:
    async with HeadwaterClient("http://127.0.0.1:9") as client:
        with pytest.raises(ValueError):
            client.follow(RUN, -1)
