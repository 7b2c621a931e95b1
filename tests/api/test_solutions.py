"""Searches of the solver, as they are listed and shown."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.domain.document import Document
from headwater.domain.message import Settings
from headwater.domain.run import Owner, RunState
from headwater.workflows.arc.solution import COLLECTION, SolverInput, StoredSolution
from tests.api.composed import RunningApi

LOCAL = Owner("local", "local")
PATH = "/api/arc/solutions"


def stored(run: str, **changes: Any) -> Document:
    solution = StoredSolution(
        run=run,
        state=RunState.FAILED,
        error=None,
        partial=True,
        created_at_ms=1_000,
        ended_at_ms=3_500,
        model="m",
        input=SolverInput("3c9b0459"),
        settings=Settings(),
        usage=None,
        search=None,
        result=None,
    )
    words = {"task": "3c9b0459", "model": "m", "state": "failed"}
    body = msgspec.to_builtins(msgspec.structs.replace(solution, **changes))
    return Document(COLLECTION, run, body, words | {name: str(each) for name, each in changes.items()})


async def listed(api: RunningApi, query: str = "") -> list[str]:
    response = await api.client.get(PATH + query)
    assert response.status_code == 200, response.text
    return [each["run"] for each in response.json()["solutions"]]


async def test_they_are_listed_newest_first_and_found_by_words(api: RunningApi) -> None:
    await api.storage.documents.put(LOCAL, [stored("one")])
    await api.storage.documents.put(LOCAL, [stored("two", model="n")])
    assert await listed(api) == ["two", "one"]
    assert await listed(api, "?model=n") == ["two"]
    assert await listed(api, "?task=3c9b0459&state=failed") == ["two", "one"]
    assert await listed(api, "?task=00000000") == await listed(api, "?verdict=solved") == []


async def test_they_come_in_pages(api: RunningApi) -> None:
    for number in range(3):
        await api.storage.documents.put(LOCAL, [stored(f"run{number}")])
    first = (await api.client.get(PATH + "?limit=2")).json()
    assert [each["run"] for each in first["solutions"]] == ["run2", "run1"]
    second = (await api.client.get(PATH, params={"limit": "2", "cursor": first["next"]})).json()
    assert [each["run"] for each in second["solutions"]] == ["run0"]
    assert second["next"] is None


async def test_times_are_told_as_everywhere(api: RunningApi) -> None:
    await api.storage.documents.put(LOCAL, [stored("one")])
    (solution,) = (await api.client.get(PATH)).json()["solutions"]
    assert (solution["created_at"], solution["ended_at"], solution["duration_ms"]) == (
        "1970-01-01T00:00:01.000Z",
        "1970-01-01T00:00:03.500Z",
        2_500,
    )


async def test_nobody_sees_another_owners(api: RunningApi) -> None:
    await api.storage.documents.put(Owner("local", "other"), [stored("theirs")])
    assert await listed(api) == []


async def test_a_run_of_another_workflow_is_no_search(api: RunningApi) -> None:
    run = await api.finished()
    assert (await api.client.get(f"{PATH}/{run}")).status_code == 404
    assert (await api.client.get(f"{PATH}/run_{'0' * 32}")).status_code == 404


@pytest.mark.parametrize("query", ["?verdict=great", "?state=running", "?limit=0", "?limit=101", "?other=1"])
async def test_other_questions_are_refused(api: RunningApi, query: str) -> None:
    assert (await api.client.get(PATH + query)).status_code == 400
