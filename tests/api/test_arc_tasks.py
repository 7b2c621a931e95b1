"""Puzzles over HTTP: pages that are bounded, and one by its id."""

import json

import msgspec
import pytest

from headwater.api.arc_tasks import TaskList, TaskResource
from headwater.workflows.arc import tasks
from tests.api.analyzing import problem_in
from tests.api.composed import RunningApi


async def page(api: RunningApi, query: str = "") -> TaskList:
    response = await api.client.get(f"/api/arc/tasks{query}")
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.content, type=TaskList)


async def test_pages_follow_each_other(api: RunningApi) -> None:
    first = await page(api, "?limit=3&set=arc1-evaluation")
    second = await page(api, f"?limit=2&set=arc1-evaluation&cursor={first.next}")
    both = await page(api, "?limit=5&set=arc1-evaluation")
    assert [task.id for task in (*first.tasks, *second.tasks)] == [task.id for task in both.tasks]
    assert all("arc1-evaluation" in task.sets for task in both.tasks)
    assert len((await page(api)).tasks) == tasks.LIMIT


async def test_the_last_page_has_no_next(api: RunningApi) -> None:
    found = await page(api, "?query=007BBFB7")
    assert ([task.id for task in found.tasks], found.next) == (["007bbfb7"], None)
    assert (await page(api, "?query=ffffffff")).tasks == []


async def test_a_list_shows_enough_for_a_picture(api: RunningApi) -> None:
    (listed,) = (await page(api, "?query=007bbfb7")).tasks
    task = await tasks.find("007bbfb7")
    assert (listed.set, listed.train_pairs, listed.tests) == (task.set, 5, 1)
    assert (listed.first.input, listed.first.output) == task.train[0]


async def test_one_by_its_id(api: RunningApi) -> None:
    response = await api.client.get("/api/arc/tasks/007bbfb7")
    shown = msgspec.json.decode(response.content, type=TaskResource)
    task = await tasks.find("007bbfb7")
    assert json.loads(response.content)["train"] == [pair._asdict() for pair in task.train]
    assert [(pair.input, pair.output) for pair in shown.test] == list(task.test)
    problem_in(await api.client.get("/api/arc/tasks/00000000"), 404, "NOT_FOUND")
    problem_in(await api.client.get("/api/arc/tasks/007BBFB7"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "set=arc3", "query=", "query=xyz", "query=123456789", "cursor=no"]
)
async def test_what_can_not_be_asked(api: RunningApi, query: str) -> None:
    problem = problem_in(await api.client.get(f"/api/arc/tasks?{query}"), 400, "BAD_REQUEST")
    assert problem["parameter"] == query.partition("=")[0]
