"""What the lists of analyses, searches and visual solutions share: one query, one form of times."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from headwater.api.analyses import ANALYSES
from headwater.api.puzzle_runs import LIMIT_MAX, shown
from headwater.api.solutions import SOLUTIONS
from headwater.api.visual_solutions import VISUAL_SOLUTIONS
from tests.api.composed import RunningApi

LISTS = {"analyses": ANALYSES, "solutions": SOLUTIONS, "visual-solutions": VISUAL_SOLUTIONS}


class Kept(NamedTuple):
    run: str
    secret: str
    created_at_ms: int
    ended_at_ms: int | None


def test_times_are_those_of_resources_and_nothing_else_is_shown() -> None:
    assert shown(Kept("r", "s", 1_000, 3_500), ["run"]) == {
        "run": "r",
        "created_at": "1970-01-01T00:00:01.000Z",
        "ended_at": "1970-01-01T00:00:03.500Z",
        "duration_ms": 2_500,
    }
    live = shown(Kept("r", "s", 1_000, None), [])
    assert (live["ended_at"], live["duration_ms"]) == (None, None)


@pytest.mark.parametrize("name", LISTS)
def test_all_are_asked_in_one_way(name: str) -> None:
    names = [parameter.name for parameter in LISTS[name].operations["GET"].query]
    judged = "verdict" if name == "solutions" else "correct"
    assert names == ["task", "model", judged, "state", "limit", "cursor"]


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_bounded_and_a_run_of_another_kind_is_not_there(api: RunningApi, name: str) -> None:
    path = f"/api/arc/{name}"
    assert (await api.client.get(path, params={"limit": LIMIT_MAX})).status_code == 200
    assert (await api.client.get(path, params={"limit": LIMIT_MAX + 1})).status_code == 400
    chat = {"model": "simulated", "messages": [{"role": "user", "content": "Hello"}]}
    run = (await api.client.post("/api/v1/runs", json=chat)).json()["id"]
    other = await api.client.get(f"{path}/{run}")
    never = await api.client.get(f"{path}/run_{'0' * 32}")
    assert (other.status_code, never.status_code) == (404, 404)
    assert other.json()["code"] == never.json()["code"] == "NOT_FOUND"
