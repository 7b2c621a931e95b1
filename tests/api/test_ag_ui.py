"""`/api/ag-ui` over a socket, with a model that says what the test tells it to."""

from __future__ import annotations

import json
from typing import Any

import httpx

from headwater.api.ag_ui import PATH
from headwater.domain.event import Chunk
from tests.api.composed import RunningApi
from tests.api.leaving import readers
from tests.api.test_ag_ui_request import BODY
from tests.api.test_problem import check

ASKED: dict[str, Any] = {**BODY, "forwardedProps": {"model": "prompted"}}


def events(response: httpx.Response) -> list[Any]:
    lines = [line for line in response.text.split("\n") if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def test_a_run_from_start_to_end(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hi", 0))
    api.prompter.finish()
    response = await api.client.post(PATH, json=ASKED)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
    run = response.headers["x-run-id"]
    first, *_, last = events(response)
    assert first == {
        "type": "RUN_STARTED",
        "threadId": "t1",
        "runId": "r1",
        "protocolVersion": "1.0",
        "metadata": {"run": run},
    }
    assert (last["type"], last["threadId"], last["runId"]) == ("RUN_FINISHED", "t1", "r1")
    shown = (await api.client.get(f"/api/v1/runs/{run}")).json()
    assert (shown["state"], shown["snapshot"]["text"]) == ("completed", "Hi")


async def test_a_repeat_with_the_same_key_is_the_same_run(api: RunningApi) -> None:
    api.prompter.finish()
    key = {"idempotency-key": "k"}
    first, second = [await api.client.post(PATH, json=ASKED, headers=key) for _ in range(2)]
    assert first.headers["x-run-id"] == second.headers["x-run-id"]
    assert second.headers["idempotency-replayed"] == "true"
    assert first.content == second.content


async def test_who_leaves_stops_the_run(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hi", 0))
    leaving = {"model": "prompted", "on_disconnect": "cancel"}
    async with api.client.stream("POST", PATH, json={**ASKED, "forwardedProps": leaving}) as response:
        run = response.headers["x-run-id"]
    # Who looks at the run before it is noticed is a reader too, and would keep it.
    await readers(api, 0)
    *_, last = await api.ended(run)
    assert json.loads(last)["data"]["by"] == "disconnect"


async def test_what_is_refused_is_a_problem(api: RunningApi) -> None:
    response = await api.client.post(PATH, json={**ASKED, "forwardedProps": {}})
    problem = check(response.status_code, dict(response.headers), response.content)
    assert (problem["status"], problem["pointer"]) == (400, "/forwardedProps/model")
