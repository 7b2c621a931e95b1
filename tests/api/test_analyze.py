"""An analysis by an address alone: started once, joined by all who ask for the same, whole or as a stream."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from headwater.domain.event import Chunk
from headwater.providers.contract import Finish
from tests.api.analyzing import STREAM, TASK, WHOLE, analysis_of, answer_text, frames_of, places_of, problem_in, say_all
from tests.api.composed import RunningApi, running_api


async def live_runs(api: RunningApi) -> list[str]:
    listed = (await api.client.get("/api/v1/runs?state=queued,running")).json()["runs"]
    return [run["id"] for run in listed]


async def begun(api: RunningApi, calls: int) -> None:
    """Returns once the model has been called so often."""
    while len(api.prompter.calls) < calls:
        # the call comes from the server's own task, which has its turn meanwhile
        await api.client.get("/healthz")


async def reading(api: RunningApi, readers: int) -> None:
    """Returns once so many read: connections, and all that wait for one run's end as one."""
    while api.hub.readers < readers:
        await api.client.get("/healthz")


# ── the stream ──────────────────────────────────────────────────────────────────────────────────────


async def test_the_stream_is_the_runs_and_its_ids_name_it(api: RunningApi) -> None:
    await say_all(api)
    response = await api.client.get(STREAM)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    frames = frames_of(response.content)
    run, seqs = places_of(frames)
    assert (await api.client.get("/api/v1/runs")).json()["runs"][0]["metadata"] == {"title": f"Analysis of {TASK}"}
    assert seqs == list(range(1, len(seqs) + 1))
    assert response.headers["x-run-id"] == run
    records = [json.loads(frame.data) for frame in frames]
    assert [record for record in records if record["type"] == "complete"] == records[-1:]
    assert records[-1]["data"]["result"] == (await analysis_of(api, run))["result"]
    assert {"context", "call", "chunk", "field"} <= {record["type"] for record in records}


async def test_a_reconnect_goes_on_in_the_same_run_and_ends(api: RunningApi) -> None:
    await say_all(api)
    run, seqs = places_of(frames_of((await api.client.get(STREAM)).content))
    for cut in seqs[:-1]:
        again = await api.client.get(STREAM, headers={"last-event-id": f"{run}:{cut}"})
        assert places_of(frames_of(again.content)) == (run, seqs[cut:])
    over = await api.client.get(STREAM, headers={"last-event-id": f"{run}:{seqs[-1]}"})
    assert (over.status_code, over.content) == (204, b"")
    assert len(api.prompter.calls) == 1


@pytest.mark.parametrize(
    ("last", "status", "code"),
    [
        (f"run_{'0' * 32}:1", 404, "NOT_FOUND"),
        *((text, 400, "BAD_REQUEST") for text in ("1", "nonsense", f"run_{'0' * 32}", f"run_{'0' * 32}:x", ":")),
    ],
)
async def test_an_id_that_is_none_of_ours_starts_nothing(api: RunningApi, last: str, status: int, code: str) -> None:
    problem = problem_in(await api.client.get(STREAM, headers={"last-event-id": last}), status, code)
    assert problem.get("parameter") == (None if status == 404 else "Last-Event-ID")
    assert api.prompter.calls == []


async def test_an_id_of_another_kind_of_run_is_none(api: RunningApi) -> None:
    run = await api.finished()
    problem_in(await api.client.get(STREAM, headers={"last-event-id": f"{run}:1"}), 404, "NOT_FOUND")
    ahead = f"{await api.start()}:x"
    problem_in(await api.client.get(STREAM, headers={"last-event-id": ahead}), 400, "BAD_REQUEST")


async def test_what_is_asked_in_the_query_reaches_the_model(api: RunningApi) -> None:
    await say_all(api)
    query = "?temperature=0.25&seed=7&include_answer=true&prompt=Explain%20it."
    assert (await api.client.get(STREAM + query)).status_code == 200
    (call,) = api.prompter.calls
    assert (call.settings.temperature, call.settings.seed) == (0.25, 7)
    assert str(call.messages[0].content).startswith("Explain it.")
    assert "Test 1, output" in str(call.messages[1].content)
    # it takes no schema, so it is told in words; and what it can not do at all is refused
    assert call.settings.json_schema is None
    problem_in(await api.client.get(f"{STREAM}?reasoning_effort=low"), 422, "UNSUPPORTED")


@pytest.mark.parametrize(
    "query",
    [
        *["temperature=x", "temperature=3", "temperature=nan", "temperature=1e999", "seed=-1", "prompt="],
        *["include_answer=1", "simulated=no", "unknown=1", "reasoning_effort=huge"],
    ],
)
async def test_what_can_not_be_asked(api: RunningApi, query: str) -> None:
    problem = problem_in(await api.client.get(f"{STREAM}?{query}"), 400, "BAD_REQUEST")
    assert problem["parameter"] == query.partition("=")[0]
    assert api.prompter.calls == []


async def test_puzzles_and_models_that_are_none(api: RunningApi) -> None:
    problem_in(await api.client.get("/api/stream/analyze/00000000/prompted"), 404, "NOT_FOUND")
    problem_in(await api.client.post("/api/analyze/..%2F..%2Fetc/prompted"), 404, "NOT_FOUND")
    unknown = await api.client.get(f"/api/stream/analyze/{TASK}/no/such/model")
    assert unknown.status_code in (400, 404)
    assert "no/such/model" in unknown.json()["detail"]


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
async def test_pages_of_other_sites_start_nothing(api: RunningApi, headers: dict[str, str]) -> None:
    problem_in(await api.client.get(STREAM, headers=headers), 403, "FORBIDDEN")
    assert api.prompter.calls == []


# ── joining ─────────────────────────────────────────────────────────────────────────────────────────


async def test_any_number_at_once_are_one_run(api: RunningApi) -> None:
    asking = [asyncio.create_task(api.client.get(STREAM)) for _ in range(8)]
    asking.append(asyncio.create_task(api.client.post(WHOLE)))
    await reading(api, 9)
    api.prompter.say(Chunk(await answer_text(), 0), Finish("stop"))
    responses = await asyncio.gather(*asking)
    assert len({response.headers["x-run-id"] for response in responses}) == 1
    assert len(api.prompter.calls) == 1
    streams = {tuple(frame.data for frame in frames_of(response.content)) for response in responses[:8]}
    assert len(streams) == 1


async def test_one_that_goes_on_is_joined_from_its_first_record(api: RunningApi) -> None:
    first = asyncio.create_task(api.client.get(STREAM))
    await reading(api, 1)
    second = asyncio.create_task(api.client.get(STREAM))
    await reading(api, 2)
    third = asyncio.create_task(api.client.post(WHOLE, json={}))
    await reading(api, 3)
    others = asyncio.create_task(api.client.get(f"{STREAM}?seed=1"))
    await begun(api, 2)
    assert len(await live_runs(api)) == 2
    for _ in range(2):
        api.prompter.say(Chunk(await answer_text(), 0), Finish("stop"))
    run = (await first).headers["x-run-id"]
    assert (await second).headers["x-run-id"] == (await third).headers["x-run-id"] == run
    assert places_of(frames_of((await second).content))[1][0] == 1
    assert (await others).headers["x-run-id"] != run


async def test_one_that_was_started_as_a_run_is_joined_too(api: RunningApi) -> None:
    # as the two operations ask it of a model that takes no schema
    body: dict[str, Any] = {"workflow": "analysis", "input": {"task_id": TASK, "structured": False}}
    run = await api.start(messages=[], **body)
    joining = asyncio.create_task(api.client.get(STREAM))
    await reading(api, 1)
    api.prompter.say(Chunk(await answer_text(), 0), Finish("stop"))
    assert (await joining).headers["x-run-id"] == run


async def test_after_its_end_the_same_is_begun_anew(api: RunningApi) -> None:
    await say_all(api)
    runs = [(await api.client.get(STREAM)).headers["x-run-id"] for _ in range(4)]
    runs += [(await api.client.post(WHOLE)).headers["x-run-id"] for _ in range(2)]
    assert len(set(runs)) == len(api.prompter.calls) == 6


async def test_deleted_ones_do_not_stand_in_the_way(api: RunningApi) -> None:
    await say_all(api)
    for _ in range(3):
        run = (await api.client.post(WHOLE)).headers["x-run-id"]
        assert (await api.client.delete(f"/api/v1/runs/{run}")).status_code == 204
    assert (await api.client.get(STREAM)).status_code == 200
    assert len(api.prompter.calls) == 4


async def test_one_that_was_stopped_is_told_as_it_is_and_begun_anew(api: RunningApi) -> None:
    whole = asyncio.create_task(api.client.post(WHOLE))
    await reading(api, 1)
    (run,) = await live_runs(api)
    await api.client.post(f"/api/v1/runs/{run}/cancel")
    answered = await whole
    assert (answered.status_code, answered.json()["state"], answered.json()["partial"]) == (200, "cancelled", True)
    await say_all(api)
    assert (await api.client.get(STREAM)).headers["x-run-id"] != run


# ── whole ───────────────────────────────────────────────────────────────────────────────────────────


async def test_both_end_in_the_same_stored_result(api: RunningApi) -> None:
    await say_all(api)
    streamed = await api.client.get(STREAM)
    whole = (await api.client.post(WHOLE)).json()
    of_stream = await analysis_of(api, streamed.headers["x-run-id"])
    assert of_stream["result"] == whole["result"]
    assert {name for name in whole if whole[name] != of_stream[name]} <= {
        *("run", "created_at", "ended_at", "duration_ms")
    }


async def test_a_body_may_be_left_out_and_has_its_form(api: RunningApi) -> None:
    await say_all(api)
    assert (await api.client.post(WHOLE)).status_code == 200
    assert (await api.client.post(WHOLE, json={"prompt": "Why?" * 4000})).status_code == 200
    for body, pointer in [
        ({"prompt": "x" * 20_001}, "/prompt"),
        ({"prompt": ""}, "/prompt"),
        ({"temperature": 3}, "/temperature"),
        ({"seed": -1}, "/seed"),
        ({"unknown": 1}, "/unknown"),
        ({"simulated": "no"}, "/simulated"),
    ]:
        assert problem_in(await api.client.post(WHOLE, json=body), 400, "BAD_REQUEST")["pointer"] == pointer
    problem_in(
        await api.client.post(WHOLE, content=b"{", headers={"content-type": "application/json"}), 400, "BAD_REQUEST"
    )


# ── the flag ────────────────────────────────────────────────────────────────────────────────────────


async def test_where_streams_are_switched_off_only_whole_answers_are_given() -> None:
    async with running_api(sse_streaming=False) as api:
        problem = problem_in(await api.client.get(STREAM), 403, "DISABLED")
        assert problem["flag"] == "sse_streaming"
        assert api.prompter.calls == []
        await say_all(api)
        whole = await api.client.post(WHOLE)
        assert whole.json()["result"]["correct"] is True
        # what has begun may be read to its end
        run = whole.headers["x-run-id"]
        assert (await api.client.get(STREAM, headers={"last-event-id": f"{run}:1"})).status_code == 200
