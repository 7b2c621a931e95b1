"""What is asked for, in each of the ways. What comes of it is in spec/cases/pages.json."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from headwater.client.errors import ParseError, TimedOut
from headwater.client.http import Http, make_http
from headwater.client.reader import NDJSONStreamReader, SSEStreamReader, StreamReader
from headwater.client.source import PAGE_RECORDS_MAX, HttpSource, Via, reader_of, run_path
from tests.kit.run_log import RUN, ManualLoop, json_answer, run_json, run_manually, whole
from tests.kit.upstream import ScriptedUpstream, Stall, Step

EMPTY_PAGE = json.dumps({"records": [], "tail": 3, "closed": True, "last": 3}).encode()


@asynccontextmanager
async def source(*scripts: Sequence[Step]) -> AsyncIterator[tuple[HttpSource, ScriptedUpstream]]:
    async with ScriptedUpstream(*scripts) as upstream:
        http = Http(make_http(upstream.origin, {"X-Org": "o"}, None))
        try:
            yield HttpSource(http, 37.5, b'{"model":"m"}', {"Idempotency-Key": "k"}), upstream
        finally:
            await http.close()


@pytest.mark.parametrize(
    ("via", "media", "reader"),
    [("sse", "text/event-stream", SSEStreamReader), ("ndjson", "application/x-ndjson", NDJSONStreamReader)],
)
async def test_a_stream_is_asked_for_behind_the_cursor(via: Via, media: str, reader: type[StreamReader]) -> None:
    async with source(whole([])) as (asked, upstream):
        response = await asked.open(RUN, 41, via)
        await response.aclose()
        received = upstream.requests[0]
        assert (received.method, received.path) == ("GET", f"/api/v1/runs/{RUN}/events?after=41")
        assert received.headers["accept"] == media
        assert type(reader_of(via, response, 1.0)) is reader


async def test_a_start_is_one_request_in_both_of_its_forms() -> None:
    async with source(whole([]), json_answer(run_json(), 201)) as (asked, upstream):
        await (await asked.open(None, 0, "sse")).aclose()
        assert await asked.start() == RUN
        stream, plain = upstream.requests
        assert {received.headers["idempotency-key"] for received in upstream.requests} == {"k"}
        assert stream.body == plain.body == b'{"model":"m"}'
        assert (stream.headers["accept"], plain.headers["accept"]) == ("text/event-stream", "application/json")


async def test_a_page_waits_no_longer_than_a_server_lets_anybody() -> None:
    async with source(json_answer(EMPTY_PAGE)) as (asked, upstream):
        page = await asked.page(RUN, 3, 900_000)
        assert (page.records, page.tail, page.closed) == ((), 3, True)
        assert upstream.requests[0].path.endswith(f"/events?after=3&limit={PAGE_RECORDS_MAX}&wait_ms=60000")


async def test_a_page_that_is_none_is_refused() -> None:
    async with source(json_answer(b'{"records": 3}')) as (asked, _):
        with pytest.raises(ParseError):
            await asked.page(RUN, 0, 0)


def test_a_page_that_does_not_come_is_a_dead_connection() -> None:
    async def scenario(loop: ManualLoop) -> None:
        async with source([Stall()]) as (asked, upstream):
            asking = asyncio.ensure_future(asked.page(RUN, 0, 15_000))
            await upstream.request(1)
            loop.skip(37.5)
            with pytest.raises(TimedOut):
                await asking

    run_manually(scenario)


def test_an_id_is_quoted() -> None:
    assert run_path("../x?y#z") == "/api/v1/runs/..%2Fx%3Fy%23z"
