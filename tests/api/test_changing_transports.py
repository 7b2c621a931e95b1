"""A reader may change between all ways of reading at any seq, and has every record once and in order (T3)."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headwater.domain import event as ev
from headwater.wire.sse import SSEDecoder
from tests.api.composed import RunningApi
from tests.api.test_events import ended_run
from tests.api.test_multiplex import live_run
from tests.kit.websocket import socket_to

Records = list[dict[str, Any]]
#: Reads a run after a seq, so many records, and leaves; fewer where the log ends first.
Way = Callable[[RunningApi, str, int, int], Awaitable[Records]]

EVENTS: list[ev.Event] = [
    ev.Chunk("a", 0),
    ev.Reasoning("ä 🌊", 0),
    ev.Chunk("id: 7\n\ndata: x", 0),
    ev.Log("info", "\u2028"),
    ev.Chunk("b" * 40_000, 0),
    ev.Chunk("c", 0),
]


async def _lines(api: RunningApi, path: str, accept: str, take: Callable[[bytes], bool]) -> None:
    async with api.client.stream("GET", path, headers={"accept": accept}) as response:
        assert response.status_code in (200, 204)
        async for data in response.aiter_raw():
            if take(data):
                return


async def by_sse(api: RunningApi, run: str, after: int, count: int) -> Records:
    return await _by_event_stream(api, f"/api/v1/runs/{run}/events?after={after}", count)


async def by_multiplex(api: RunningApi, run: str, after: int, count: int) -> Records:
    records = await _by_event_stream(api, f"/api/v1/events?run={run}:{after}", count)
    for record in records:
        assert record.pop("run") == run
    return records


async def _by_event_stream(api: RunningApi, path: str, count: int) -> Records:
    decoder, found = SSEDecoder(), Records()

    def take(data: bytes) -> bool:
        found.extend(told for frame in decoder.feed(data) if "seq" in (told := json.loads(frame.data)))
        return len(found) >= count

    await _lines(api, path, "text/event-stream", take)
    return found[:count]


async def by_ndjson(api: RunningApi, run: str, after: int, count: int) -> Records:
    found, rest = Records(), b""

    def take(data: bytes) -> bool:
        nonlocal rest
        *lines, rest = (rest + data).split(b"\n")
        found.extend(json.loads(line) for line in lines if line)
        return len(found) >= count

    await _lines(api, f"/api/v1/runs/{run}/events?after={after}", "application/x-ndjson", take)
    return found[:count]


async def by_page(api: RunningApi, run: str, after: int, count: int) -> Records:
    """One page a record, each waited for: the longest way there is."""
    found = Records()
    while len(found) < count:
        query = f"?after={after + len(found)}&limit=1&wait_ms=10000"
        answer = await api.client.get(f"/api/v1/runs/{run}/events{query}", headers={"accept": "application/json"})
        page = answer.json()
        found += page["records"]
        if page["closed"] and page["last"] == page["tail"]:
            break
    return found


async def by_websocket(api: RunningApi, run: str, after: int, count: int) -> Records:
    async with socket_to(api.port) as socket:
        await socket.done("subscribe", run=run, after=after)
        await socket.until(lambda: len(socket.records.get(run, [])) >= count or run in socket.ends)
        return socket.records.get(run, [])[:count]


WAYS: dict[str, Way] = {
    "sse": by_sse,
    "several over sse": by_multiplex,
    "ndjson": by_ndjson,
    "pages": by_page,
    "websocket": by_websocket,
}


async def stored(api: RunningApi, run: str) -> Records:
    return [json.loads(payload) for payload in (await api.storage.log.read(run, 0)).payloads]


@pytest.mark.parametrize("second", WAYS)
@pytest.mark.parametrize("first", WAYS)
async def test_from_each_to_each_at_every_seq(api: RunningApi, first: str, second: str) -> None:
    run = await ended_run(api, *EVENTS)
    whole = await stored(api, run)
    for seq in range(len(whole) + 1):
        before = await WAYS[first](api, run, 0, seq) if seq else []
        assert len(before) == seq
        after = await WAYS[second](api, run, seq, len(whole))
        assert [*before, *after] == whole, f"changed at {seq}"


@pytest.mark.parametrize("seed", range(8))
async def test_any_walk_while_the_run_goes_on(api: RunningApi, seed: int) -> None:
    """Each leg is by another way, and of another length; the log grows meanwhile."""
    random_ = random.Random(seed)
    run, tail = await live_run(api), 40

    async def write() -> None:
        for seq in range(1, tail + 1):
            event = random_.choice(EVENTS) if seq < tail else ev.Cancelled("user", 0)
            await api.storage.log.append(run, seq - 1, [ev.encode_record(seq, seq, event)], 1, seq == tail)
            for _ in range(random_.randrange(30)):
                await asyncio.sleep(0)  # paces: lets readers in between the records, or does not

    async def read() -> Records:
        walk = random.Random(seed + 1000)
        found = Records()
        while len(found) < tail:
            found += await walk.choice(list(WAYS.values()))(api, run, len(found), walk.randrange(1, 9))
        return found

    _, *readers = await asyncio.gather(write(), *(read() for _ in range(2)))
    whole = await stored(api, run)
    assert readers == [whole, whole]
