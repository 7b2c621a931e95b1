"""What every face of another API does when its caller leaves, and when the model fails before it said anything."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from headwater.errors import ErrorCode, ProviderError
from tests.api.composed import RunningApi


async def readers(api: RunningApi, count: int) -> None:
    """Returns once so many read."""
    async with asyncio.timeout(30):
        while api.hub.readers != count:  # noqa: ASYNC110  # the hub has no event for who comes and goes
            await asyncio.sleep(0.001)  # paces: the server has its turns of the loop that they share


async def check_who_leaves_stops_the_run(api: RunningApi, path: str, body: dict[str, Any]) -> None:
    """Raises AssertionError unless the run of a caller that asked for it is cancelled when he leaves."""
    asking = asyncio.create_task(api.client.post(path, json=body, headers={"headwater-on-disconnect": "cancel"}))
    await readers(api, 1)
    (run,) = (await api.client.get("/api/v1/runs")).json()["runs"]
    asking.cancel()
    # Who looks at the run before that is noticed is a reader too, and would keep it.
    await readers(api, 0)
    *_, last = await api.ended(run["id"])
    assert json.loads(last)["data"]["by"] == "disconnect"


async def failed_at_once(api: RunningApi, path: str, body: dict[str, Any]) -> httpx.Response:
    """The answer where the model is called and refuses: it has the status of that, and its run has failed."""

    def fail(*_: object, **__: object) -> Any:
        raise ProviderError(ErrorCode.RATE_LIMIT, "Slow down.", provider="p", retry_after_ms=3000)

    api.prompter.stream = fail  # type: ignore[method-assign]  # the call fails before there is a stream
    response = await api.client.post(path, json=body)
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    run = response.headers["x-run-id"]
    assert (await api.client.get(f"/api/v1/runs/{run}")).json()["state"] == "failed"
    return response
