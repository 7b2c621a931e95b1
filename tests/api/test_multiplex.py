"""Several runs over one connection: the records of each exactly once, whatever becomes of the connection."""

import asyncio
import json
import socket
from typing import Any

import httpx
import pytest

from headwater.api.multiplex import MULTIPLEX
from headwater.delivery.multiplex import RUNS_MAX
from headwater.domain import event as ev
from headwater.domain.run import LOCAL_OWNER, Owner, Run, RunRequest, new_run_id
from headwater.errors import LogTrimmed
from headwater.wire.sse import Frame, SSEDecoder
from tests.api import test_problem
from tests.api.composed import RunningApi
from tests.api.test_events import WORDS, ended_run

NOWHERE = "run_" + "0" * 32


async def read(api: RunningApi, *places: str, query: str = "", **headers: str) -> httpx.Response:
    asked = "&".join(f"run={place}" for place in places)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.client.get(f"/api/v1/events?{asked}{query}", headers=sent)


async def live_run(api: RunningApi, *payloads: bytes) -> str:
    """A run whose log the test writes."""
    run = Run(new_run_id(), LOCAL_OWNER, RunRequest("prompted"), 0, epoch=1)
    await api.storage.runs.create(run)
    await api.storage.log.claim(run.id, 1)
    if payloads:
        await api.storage.log.append(run.id, 0, payloads, 1)
    return run.id


async def stored(api: RunningApi, run: str) -> list[dict[str, Any]]:
    return [{"run": run, **json.loads(payload)} for payload in (await api.storage.log.read(run, 0)).payloads]


def check(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem in an answer, with this code."""
    problem = test_problem.check(response.status_code, dict(response.headers), response.content)
    assert (response.status_code, problem["code"]) == (status, code)
    return problem


def told(body: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]], str]:
    """The records, the ends, and the last event id of what came of a body."""
    decoder = SSEDecoder()
    all_told = [json.loads(frame.data) for frame in decoder.feed(body)]
    records = [each for each in all_told if "seq" in each]
    return records, [each for each in all_told if "end" in each], decoder.last_event_id or ""


async def three(api: RunningApi) -> list[str]:
    """Ended runs of different lengths, with letters of several bytes."""
    said: list[list[ev.Event]] = [WORDS, [ev.Chunk("ä 🌊", 0), ev.Chunk("id: 7\n\ndata: x", 0)], []]
    return [await ended_run(api, *events) for events in said]


async def test_every_record_of_every_run_with_its_name(api: RunningApi) -> None:
    runs = await three(api)
    response = await read(api, *runs)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["headwater-protocol"] == "1"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "x-run-id" not in response.headers
    assert response.text.startswith(": ok\n\nretry: ")
    records, ends, last = told(response.content)
    for run in runs:
        assert [record for record in records if record["run"] == run] == await stored(api, run)
    assert [(end["run"], end["end"]) for end in ends] == [
        (run, {"reason": "closed", "tail": tail}) for run, tail in zip(runs, (5, 3, 1), strict=True)
    ]
    assert last == "5.3.1"


async def test_cut_anywhere_it_goes_on_exactly_there(api: RunningApi) -> None:
    """At each byte; EventSource sends the same address with the last id that came with a whole block."""
    runs = await three(api)
    whole = (await read(api, *runs)).content
    records = told(whole)[0]
    rests: dict[str, list[dict[str, Any]]] = {}
    for cut in range(len(whole)):
        before, _, last = told(whole[:cut])
        if last not in rests:
            again = await read(api, *runs, **({"last_event_id": last} if last else {}))
            assert again.status_code == (204 if last == "5.3.1" else 200)
            rests[last] = told(again.content)[0]
        assert sorted([*before, *rests[last]], key=order) == sorted(records, key=order), f"cut at byte {cut}"
    assert len(rests) == len(records) + 1


def order(record: dict[str, Any]) -> tuple[str, int]:
    return record["run"], record["seq"]


async def test_each_run_is_read_from_its_own_place(api: RunningApi) -> None:
    runs = await three(api)
    records, ends, _ = told((await read(api, f"{runs[0]}:3", f"{runs[1]}:3", f"{runs[2]}")).content)
    assert [order(record) for record in records] == [(runs[0], 4), (runs[0], 5), (runs[2], 1)]
    assert {end["run"] for end in ends} == set(runs), "also of the one of which nothing was left"


async def test_a_header_wins_over_the_places(api: RunningApi) -> None:
    runs = await three(api)
    response = await read(api, f"{runs[0]}:1", f"{runs[1]}:3", last_event_id="4.1")
    assert [order(record) for record in told(response.content)[0]] == [(runs[0], 5), (runs[1], 2), (runs[1], 3)]


async def test_nothing_left_of_any_of_them(api: RunningApi) -> None:
    runs = await three(api)
    response = await read(api, f"{runs[0]}:5", f"{runs[1]}:3")
    assert (response.status_code, response.content) == (204, b"")


async def test_only_some_types(api: RunningApi) -> None:
    runs = await three(api)
    records, _, last = told((await read(api, *runs, query="&types=complete")).content)
    assert [record["type"] for record in records] == ["complete"] * 3
    records, _, last = told((await read(api, *runs, query="&types=log")).content)
    assert ([record["type"] for record in records], last) == (["log"], "5.3.1")


async def test_live_runs_side_by_side(api: RunningApi) -> None:
    runs = [await live_run(api) for _ in range(RUNS_MAX)]
    asked = "&".join(f"run={run}" for run in runs)
    decoder = SSEDecoder()
    seen: list[bytes] = []
    async with api.client.stream("GET", f"/api/v1/events?{asked}") as response:
        body = response.aiter_bytes()
        await anext(body)
        events: list[ev.Event] = [ev.Chunk("a", 0), ev.Cancelled("user", 1)]
        for seq, event in enumerate(events, 1):
            for run in reversed(runs):
                await api.storage.log.append(run, seq - 1, [ev.encode_record(seq, seq, event)], 1, seq == 2)
        async for data in body:
            seen += [frame.data for frame in decoder.feed(data)]
    records = [json.loads(text) for text in seen]
    order_seen = [order(each) for each in records if "seq" in each]
    assert order_seen == [(run, seq) for seq in (1, 2) for run in reversed(runs)]
    assert sum("end" in each for each in records) == RUNS_MAX
    assert decoder.last_event_id == ".".join(["2"] * RUNS_MAX)


async def test_a_deleted_run_is_told_of_and_the_others_go_on(api: RunningApi) -> None:
    gone, stays = await live_run(api), await live_run(api)
    decoder = SSEDecoder()
    async with api.client.stream("GET", f"/api/v1/events?run={gone}&run={stays}") as response:
        body = response.aiter_bytes()
        await anext(body)
        await api.storage.log.delete(gone)
        frames = decoder.feed(await anext(body))
        assert [json.loads(frame.data) for frame in frames] == [{"run": gone, "end": {"reason": "deleted"}}]
        await api.storage.log.append(stays, 0, [ev.encode_record(1, 1, ev.Cancelled("user", 0))], 1, True)
        rest = [json.loads(frame.data) async for data in body for frame in decoder.feed(data)]
    assert [each["run"] for each in rest] == [stays, stays]


async def test_a_slow_reader_of_long_records_gets_all_of_each_run(api: RunningApi) -> None:
    """The connection is full nearly all the time, in the middle of records: none is broken into, none is left out."""
    count = 6
    texts = ["x" * (ev.RECORD_BYTES_MAX - 200), "short", "y" * 100_000]
    payloads = [ev.encode_record(seq, seq, ev.Chunk(texts[seq % 3], 0)) for seq in range(1, count)]
    runs = [await live_run(api, *payloads) for _ in range(4)]
    connecting = socket.socket()
    connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connecting.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connecting, ("127.0.0.1", api.port))
    reader, writer = await asyncio.open_connection(sock=connecting, limit=8192)
    asked = "&".join(f"run={run}" for run in runs)
    # HTTP/1.0 has no chunks: the body is what comes.
    writer.write(f"GET /api/v1/events?{asked} HTTP/1.0\r\nhost: localhost\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    last = ev.encode_record(count, count, ev.Cancelled("user", 0))
    decoder = SSEDecoder()
    seen: list[Frame] = []
    while data := await reader.read(4096):
        if not seen and (seen := decoder.feed(data)):
            for run in runs:
                await api.storage.log.append(run, count - 1, [last], 1, True)
        else:
            seen += decoder.feed(data)
    writer.close()
    told_all = [json.loads(frame.data) for frame in seen]
    for run in runs:
        assert [each for each in told_all if each["run"] == run and "seq" in each] == await stored(api, run)
    assert decoder.last_event_id == ".".join([str(count)] * len(runs))


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_run_that_is_not_there_or_not_the_callers(api: RunningApi) -> None:
    run = await ended_run(api, *WORDS)
    foreign = Run(new_run_id(), Owner("other", "user"), RunRequest("prompted"), 0, epoch=1)
    await api.storage.runs.create(foreign)
    for missing in (NOWHERE, foreign.id, "run_1", ""):
        response = await read(api, run, missing)
        problem = check(response, 404, "NOT_FOUND")
        assert problem["run"] == missing
    assert len(check(await read(api, "x" * 5000), 404, "NOT_FOUND")["run"]) == 100


async def test_what_can_not_be_asked(api: RunningApi) -> None:
    run = await ended_run(api)
    many = [await ended_run(api) for _ in range(RUNS_MAX + 1)]
    refused: list[tuple[list[str], dict[str, str]]] = [
        ([], {}),
        (many, {}),
        ([run, run], {}),
        ([f"{run}:1", run], {}),
        ([f"{run}:x"], {}),
        ([f"{run}:"], {}),
        ([run], {"last_event_id": "1.1"}),
        ([run, many[0]], {"last_event_id": "1"}),
        ([run], {"last_event_id": "x"}),
    ]
    for places, headers in refused:
        response = await read(api, *places, **headers)
        assert check(response, 400, "BAD_REQUEST")["parameter"] in ("run", "Last-Event-ID")
    check(await read(api, run, query="&after=1"), 400, "BAD_REQUEST")
    check(await read(api, run, accept="application/json"), 406, "NOT_ACCEPTABLE")
    assert (await read(api, *many[:RUNS_MAX])).status_code == 200


async def test_a_cursor_that_can_not_be_gone_on_from(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    run, other = await ended_run(api, *WORDS), await ended_run(api)
    problem = check(await read(api, other, f"{run}:9"), 409, "CURSOR_AHEAD")
    assert (problem["run"], problem["tail"]) == (run, 5)

    def trimmed(*_: Any, **__: Any) -> Any:
        raise LogTrimmed(first=4)

    monkeypatch.setattr(api.storage.log, "peek", trimmed)
    problem = check(await read(api, f"{run}:1"), 410, "CURSOR_TRIMMED")
    assert (problem["run"], problem["snapshot"]) == (run, f"/api/v1/runs/{run}")


def test_it_says_what_it_takes() -> None:
    (asked, _) = MULTIPLEX.operations["GET"].query
    assert (asked.schema["minItems"], asked.schema["maxItems"]) == (1, RUNS_MAX)


async def test_a_client_changes_its_runs_by_asking_again_with_other_ones(api: RunningApi) -> None:
    """Each run that stays goes on from its own cursor, a new one begins, and one that is left out is not missed."""
    kept, left, added = [await live_run(api) for _ in range(3)]
    tails = dict.fromkeys((kept, left, added), 0)

    async def grow(run: str) -> None:
        tails[run] += 1
        await api.storage.log.append(run, tails[run] - 1, [ev.encode_record(tails[run], 0, ev.Chunk("x", 0))], 1)

    async def read(*runs: str, cursors: dict[str, int], until: dict[str, int]) -> list[dict[str, Any]]:
        asked = "&".join(f"run={run}:{cursors[run]}" for run in runs)
        found: list[dict[str, Any]] = []
        decoder = SSEDecoder()
        async with api.client.stream("GET", f"/api/v1/events?{asked}") as response:
            async for data in response.aiter_raw():
                found += [json.loads(frame.data) for frame in decoder.feed(data)]
                for record in found:
                    cursors[record["run"]] = max(cursors[record["run"]], record["seq"])
                if all(cursors[run] >= seq for run, seq in until.items()):
                    return found
        raise AssertionError("the stream ended")

    cursors = dict.fromkeys(tails, 0)
    for run in (kept, left, added):
        await grow(run)
    first = await read(kept, left, cursors=cursors, until={kept: 1, left: 1})
    for run in (kept, left, added):
        await grow(run)
    second = await read(added, kept, cursors=cursors, until={kept: 2, added: 2})
    third = await read(left, cursors=cursors, until={left: 2})
    assert sorted(order(each) for each in [*first, *second, *third]) == sorted(
        (run, s) for run in tails for s in (1, 2)
    )
