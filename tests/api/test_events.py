"""A run's events in their three forms: the same records from the same cursor, and no cursor that is not one."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.run import LOCAL_OWNER, Run, RunRequest, new_run_id
from headwater.providers.contract import Finish
from headwater.wire.sse import Frame, SSEDecoder
from tests.api.composed import RunningApi
from tests.api.test_problem import check

SSE, NDJSON, PAGE = "text/event-stream", "application/x-ndjson", "application/json"
WORDS: list[ev.Event] = [ev.Chunk("a", 0), ev.Reasoning("b", 0), ev.Chunk("c", 0), ev.Log("info", "d")]


async def ended_run(api: RunningApi, *events: ev.Event) -> str:
    """A run that was stored with these events and its end."""
    run = Run(new_run_id(), LOCAL_OWNER, RunRequest("prompted"), 0, epoch=1)
    await api.storage.runs.create(run)
    await api.storage.log.claim(run.id, 1)
    records = [*events, ev.Complete("stop", Usage())]
    payloads = [ev.encode_record(seq, seq, event) for seq, event in enumerate(records, 1)]
    await api.storage.log.append(run.id, 0, payloads, 1, final=True)
    return run.id


async def read(api: RunningApi, run: str, query: str = "", accept: str = SSE, **headers: str) -> httpx.Response:
    sent = {"accept": accept, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await api.client.get(f"/api/v1/runs/{run}/events{query}", headers=sent)


def frames(response: httpx.Response) -> list[Frame]:
    assert response.status_code == 200, response.text
    decoder = SSEDecoder()
    return [*decoder.feed(response.content), *decoder.end()]


def seqs(response: httpx.Response) -> list[int]:
    """The seqs that came, whatever the form."""
    if response.status_code == 204:
        return []
    kind = response.headers["content-type"].partition(";")[0]
    if kind == SSE:
        found = [(json.loads(frame.data)["seq"], frame.id) for frame in frames(response)]
        assert all(str(seq) == cursor for seq, cursor in found)
        return [seq for seq, _ in found]
    if kind == NDJSON:
        return [json.loads(line)["seq"] for line in response.text.split("\n") if line]
    return [record["seq"] for record in response.json()["records"]]


# ── forms ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("accept", [SSE, NDJSON, PAGE])
async def test_each_form_has_the_same_records(api: RunningApi, accept: str) -> None:
    run = await ended_run(api, *WORDS)
    response = await read(api, run, accept=accept)
    assert response.headers["content-type"].partition(";")[0] == accept
    assert response.headers["x-run-id"] == run
    assert response.headers["headwater-protocol"] == "1"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert seqs(response) == [1, 2, 3, 4, 5]


async def test_sse_is_what_a_browser_gets_without_asking(api: RunningApi) -> None:
    run = await ended_run(api, *WORDS)
    for accept in ("*/*", "text/html,application/xhtml+xml,*/*;q=0.8"):
        assert (await read(api, run, accept=accept)).headers["content-type"].startswith(SSE)


async def test_the_head_of_a_stream(api: RunningApi) -> None:
    run = await ended_run(api, *WORDS)
    headers = (await read(api, run)).headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in headers
    text = (await read(api, run)).text
    assert text.startswith(":")
    assert "retry: " in text[: text.index("id: ")]


async def test_other_forms_are_refused(api: RunningApi) -> None:
    run = await ended_run(api)
    response = await read(api, run, accept="text/csv")
    assert (response.status_code, response.json()["code"]) == (406, "NOT_ACCEPTABLE")


async def test_the_log_is_the_truth_while_the_row_lags(api: RunningApi) -> None:
    """The row is written after the final record; whoever has read that one must not see the run still going."""
    run = await ended_run(api, *WORDS)
    row = await api.storage.runs.get(run)
    assert row is not None
    assert row.state == "queued"
    shown = (await api.client.get(f"/api/v1/runs/{run}")).json()
    listed = (await api.client.get("/api/v1/runs")).json()["runs"][0]
    cancelled = await api.client.post(f"/api/v1/runs/{run}/cancel")
    assert cancelled.status_code == 200
    for each in (shown, listed, cancelled.json()):
        assert (each["state"], each["tail"], each["ended_at"]) == ("completed", 5, "1970-01-01T00:00:00.005Z")


# ── cursors ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("accept", [SSE, NDJSON, PAGE])
@pytest.mark.parametrize("after", range(5))
async def test_reading_goes_on_after_the_cursor(api: RunningApi, accept: str, after: int) -> None:
    run = await ended_run(api, *WORDS)
    rest = list(range(after + 1, 6))
    assert seqs(await read(api, run, f"?after={after}", accept)) == rest
    assert seqs(await read(api, run, "", accept, last_event_id=str(after))) == rest
    # the header wins over both: EventSource repeats its URL on every reconnect
    assert seqs(await read(api, run, "?after=0", accept, last_event_id=str(after))) == rest
    if accept != PAGE:
        assert seqs(await read(api, run, "?from=snapshot", accept, last_event_id=str(after))) == rest


async def test_at_the_end_of_an_ended_run(api: RunningApi) -> None:
    run = await ended_run(api, *WORDS)
    stop = await read(api, run, "?after=5")
    assert (stop.status_code, stop.content) == (204, b"")
    assert stop.headers["headwater-protocol"] == "1"
    ndjson = await read(api, run, "?after=5", NDJSON)
    assert (ndjson.status_code, ndjson.text.strip()) == (200, "")
    page = (await read(api, run, "?after=5&wait_ms=60000", PAGE)).json()
    assert page == {"records": [], "tail": 5, "closed": True, "last": 5}


MALFORMED = ["-1", "+1", "1.0", "1e1", "0x1", "1_0", "abc", "1,2", "NaN", "١", "9" * 40, "41.7", "1 1", "%00", "null"]


@pytest.mark.parametrize("accept", [SSE, NDJSON, PAGE])
@pytest.mark.parametrize("cursor", MALFORMED)
async def test_cursors_that_are_none(api: RunningApi, accept: str, cursor: str) -> None:
    run = await ended_run(api, *WORDS)
    answers = [await read(api, run, f"?after={cursor}", accept)]
    if cursor.isascii() and cursor != "%00":
        answers.append(await read(api, run, "?after=1", accept, last_event_id=cursor))
    for answer in answers:
        assert answer.status_code == 400
        assert check(400, dict(answer.headers), answer.content)["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("accept", [SSE, NDJSON, PAGE])
@pytest.mark.parametrize("cursor", [6, 1000, 999_999_999_999_999])
@pytest.mark.parametrize("live", [False, True])
async def test_cursors_ahead_of_the_tail(api: RunningApi, accept: str, cursor: int, live: bool) -> None:
    run = await api.start() if live else await ended_run(api, *WORDS)
    answer = await read(api, run, f"?after={cursor}", accept)
    assert answer.status_code == 409
    problem = check(409, dict(answer.headers), answer.content)
    assert (problem["code"], problem["tail"]) == ("CURSOR_AHEAD", (await api.storage.log.state(run)).tail)


@pytest.mark.parametrize("accept", [SSE, NDJSON, PAGE])
async def test_cursors_whose_records_are_gone(api: RunningApi, accept: str) -> None:
    run = await ended_run(api, *WORDS)
    await api.storage.log.trim(run, 4)
    for after in (0, 2):
        answer = await read(api, run, f"?after={after}", accept)
        assert answer.status_code == 410
        problem = check(410, dict(answer.headers), answer.content)
        assert (problem["code"], problem["snapshot"]) == ("CURSOR_TRIMMED", f"/api/v1/runs/{run}")
    assert seqs(await read(api, run, "?after=3", accept)) == [4, 5]


# ── filters and snapshots ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("accept", [SSE, NDJSON, PAGE])
async def test_only_the_types_asked_for(api: RunningApi, accept: str) -> None:
    run = await ended_run(api, *WORDS)
    assert seqs(await read(api, run, "?types=chunk", accept)) == [1, 3]
    assert seqs(await read(api, run, "?types=log,complete&after=1", accept)) == [4, 5]


async def test_a_filter_still_moves_the_cursor(api: RunningApi) -> None:
    run = await ended_run(api, *WORDS)
    stream = await read(api, run, "?types=reasoning")
    assert stream.text.rstrip().split("\n")[-1] == "id: 5"
    page = (await read(api, run, "?types=reasoning&limit=3", PAGE)).json()
    assert ([r["type"] for r in page["records"]], page["last"], page["tail"]) == (["reasoning"], 3, 5)


async def test_a_late_joiner_begins_with_a_snapshot(api: RunningApi) -> None:
    run = await ended_run(api, *WORDS)
    first, last = frames(await read(api, run, "?from=snapshot"))
    record = json.loads(first.data)
    assert (record["type"], record["seq"], first.id) == ("snapshot", 4, "4")
    assert record["data"]["snapshot"]["text"] == "ac"
    assert json.loads(last.data)["type"] == "complete"


@pytest.mark.parametrize(
    ("query", "accept"),
    [
        ("?types=", SSE),
        ("?types=chunk,", SSE),
        ("?types=Chunk", SSE),
        ("?types=unknown", PAGE),
        ("?from=beginning", SSE),
        ("?from=", SSE),
        ("?from=snapshot&after=1", SSE),
        ("?from=snapshot", PAGE),
        ("?wait_ms=10", SSE),
        ("?limit=10", NDJSON),
        ("?wait_ms=60001", PAGE),
        ("?wait_ms=-1", PAGE),
        ("?limit=0", PAGE),
        ("?limit=1001", PAGE),
        ("?after=1&after=2", PAGE),
        ("?cursor=1", SSE),
    ],
)
async def test_what_can_not_be_asked(api: RunningApi, query: str, accept: str) -> None:
    run = await ended_run(api, *WORDS)
    answer = await read(api, run, query, accept)
    assert answer.status_code == 400
    assert check(400, dict(answer.headers), answer.content)["code"] == "BAD_REQUEST"


# ── pages and following ─────────────────────────────────────────────────────────────────────────────


async def test_pages_lead_from_one_to_the_next(api: RunningApi) -> None:
    run = await ended_run(api, *WORDS)
    seen: list[int] = []
    last = 0
    while True:
        page = (await read(api, run, f"?after={last}&limit=2", PAGE)).json()
        seen += [record["seq"] for record in page["records"]]
        last = page["last"]
        if page["closed"] and last == page["tail"]:
            break
    assert seen == [1, 2, 3, 4, 5]


async def test_a_long_poll_waits_for_the_next_record(api: RunningApi) -> None:
    run = await api.start()
    tail = 0
    while tail < 3:  # queued, connecting, the call: what comes before the model says anything
        tail = (await read(api, run, f"?after={tail}&wait_ms=20000", PAGE)).json()["last"]
    state = (await read(api, run, f"?after={tail}", PAGE)).json()
    assert (state["records"], state["closed"]) == ([], False)

    async def speak() -> None:
        while not api.storage.log.watcher_count:  # noqa: ASYNC110 - nobody is told of watchers
            await asyncio.sleep(0)  # paces: until the poll waits
        api.prompter.say(ev.Chunk("now", 0))

    answer, _ = await asyncio.gather(read(api, run, f"?after={tail}&wait_ms=20000", PAGE), speak())
    assert [record["type"] for record in answer.json()["records"]][-1] in ("chunk", "status")


async def test_a_long_poll_ends_by_itself(api: RunningApi) -> None:
    run = await api.start()
    tail = (await read(api, run, "?wait_ms=10", PAGE)).json()["tail"]
    while (page := (await read(api, run, f"?after={tail}&wait_ms=50", PAGE)).json())["records"]:
        tail = page["tail"]
    assert page == {"records": [], "tail": tail, "closed": False, "last": tail}


async def test_a_reader_follows_a_live_run_to_its_end(api: RunningApi) -> None:
    run = await api.start()
    path = f"/api/v1/runs/{run}/events"
    seen: list[dict[str, Any]] = []
    async with api.client.stream("GET", path, headers={"accept": NDJSON}) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            if not line:
                continue
            seen.append(json.loads(line))
            if seen[-1]["type"] == "call":
                api.prompter.say(ev.Chunk("one", 0))
            if seen[-1]["type"] == "chunk":
                api.prompter.say(Finish("stop"))
    assert [record["seq"] for record in seen] == list(range(1, len(seen) + 1))
    assert seen[-1]["type"] == "complete"
    assert (await read(api, run, f"?after={len(seen)}")).status_code == 204
