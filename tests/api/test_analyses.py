"""Analyses as they are stored and found again."""

from typing import Any

import pytest

from headwater.domain.event import Chunk
from headwater.providers.contract import Finish
from tests.api.analyzing import ANALYSES, TASK, WHOLE, analysis_of, answer_text, problem_in, say_all
from tests.api.composed import RunningApi

INPUT = {"model": "prompted", "workflow": "analysis", "messages": [], "input": {"task_id": TASK}}


async def listed(api: RunningApi, query: str = "") -> list[dict[str, Any]]:
    response = await api.client.get(f"{ANALYSES}{query}")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["analyses"]
    return found


async def test_a_stored_one_has_all_that_is_known_of_it(api: RunningApi) -> None:
    await say_all(api)
    answered = (await api.client.post(WHOLE, json={"temperature": 0.5})).json()
    stored = await analysis_of(api, answered["run"])
    # it is the same, whether it was read before its run's row was written or after that
    assert stored == answered
    assert stored["answer"] == await answer_text()
    assert (stored["state"], stored["partial"], stored["error"]) == ("completed", False, None)
    assert stored["result"]["correct"] is True
    assert "Training pair 1" in stored["prompt"]["user"]
    assert stored["settings"] == {"temperature": 0.5}
    assert stored["created_at"] <= stored["ended_at"]
    assert stored["duration_ms"] >= 0
    run = (await api.client.get(f"/api/v1/runs/{answered['run']}")).json()
    assert (run["created_at"], run["ended_at"]) == (stored["created_at"], stored["ended_at"])


async def test_they_are_found_by_what_they_are_about(api: RunningApi) -> None:
    runs = []
    for seed, right in [(1, True), (2, False), (3, True)]:
        await say_all(api, right=right)
        runs.append((await api.client.post(WHOLE, json={"seed": seed})).json()["run"])
    assert [each["run"] for each in await listed(api)] == runs[::-1]
    assert [each["run"] for each in await listed(api, "?correct=false")] == [runs[1]]
    assert [each["run"] for each in await listed(api, f"?correct=true&task={TASK}&model=prompted")] == [
        runs[2],
        runs[0],
    ]
    assert await listed(api, "?task=00576224") == []
    assert await listed(api, "?model=simulated") == []
    assert await listed(api, "?state=cancelled") == []
    assert {"prompt", "answer", "reasoning"}.isdisjoint((await listed(api))[0])
    first = (await api.client.get(f"{ANALYSES}?limit=2")).json()
    rest = (await api.client.get(f"{ANALYSES}?limit=2&cursor={first['next']}")).json()
    assert [each["run"] for each in (*first["analyses"], *rest["analyses"])] == runs[::-1]
    assert rest["next"] is None


async def test_one_that_was_stopped_is_a_part(api: RunningApi) -> None:
    run = await api.start(**INPUT)
    api.prompter.say(Chunk('{"patternDescription": "It gro', 0))
    await api.client.post(f"/api/v1/runs/{run}/cancel")
    await api.ended(run)
    stored = await analysis_of(api, run)
    assert (stored["state"], stored["partial"], stored["error"]["code"]) == ("cancelled", True, "CANCELLED")
    assert stored["result"] is None or stored["result"]["correct"] is None


async def test_one_that_goes_on_is_shown_as_far_as_it_goes(api: RunningApi) -> None:
    run = await api.start(**INPUT)
    assert (await analysis_of(api, run))["ended_at"] is None
    assert await listed(api) == []
    api.prompter.say(Chunk(await answer_text(), 0), Finish("stop"))
    await api.ended(run)
    # from here on it is whole, whether its row has been written yet or not
    assert (await analysis_of(api, run))["result"]["correct"] is True


async def test_deleting_the_run_deletes_it(api: RunningApi) -> None:
    await say_all(api)
    run = (await api.client.post(WHOLE)).json()["run"]
    assert (await api.client.delete(f"/api/v1/runs/{run}")).status_code == 204
    problem_in(await api.client.get(f"{ANALYSES}/{run}"), 404, "NOT_FOUND")
    assert await listed(api) == []


async def test_other_runs_are_no_analyses(api: RunningApi) -> None:
    problem_in(await api.client.get(f"{ANALYSES}/{await api.finished()}"), 404, "NOT_FOUND")
    problem_in(await api.client.get(f"{ANALYSES}/run_{'0' * 32}"), 404, "NOT_FOUND")
    problem_in(await api.client.get(f"{ANALYSES}/nothing"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "correct=maybe", "state=queued", "cursor=no", "task=123456789"]
)
async def test_what_can_not_be_asked(api: RunningApi, query: str) -> None:
    problem_in(await api.client.get(f"{ANALYSES}?{query}"), 400, "BAD_REQUEST")
