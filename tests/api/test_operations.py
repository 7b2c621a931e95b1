"""Alive, ready, figures: for whoever runs the server."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from headwater.errors import ErrorCode, UnavailableError
from tests.api.composed import RunningApi, running_api
from tests.api.test_problem import check


async def test_alive_and_ready(api: RunningApi) -> None:
    for path, status in (("/livez", "alive"), ("/readyz", "ready")):
        response = await api.client.get(path)
        assert (response.status_code, response.json()) == (200, {"status": status})


@pytest.mark.parametrize(
    ("reason", "code"),
    [("The server is starting.", ErrorCode.DRAINING), ("The storage has failed.", ErrorCode.STORAGE)],
)
async def test_why_a_server_is_not_ready(reason: str, code: ErrorCode) -> None:
    async with running_api(ready=lambda: UnavailableError(reason, code=code)) as api:
        response = await api.client.get("/readyz")
        problem = check(response.status_code, dict(response.headers), response.content)
        assert (response.status_code, problem["detail"], problem["code"]) == (503, reason, code)
        assert "retry-after" in response.headers
        # alive all the same: restarting it would not help
        assert (await api.client.get("/livez")).status_code == 200


async def test_figures_are_prometheus_text(api: RunningApi) -> None:
    await api.start()
    response = await api.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert families["headwater_runs_live"].samples[0].value == 1


async def test_the_description_is_that_of_the_server(api: RunningApi) -> None:
    response = await api.client.get("/openapi.json")
    described = json.loads(response.content)
    assert described["openapi"].startswith("3.1")
    assert set(described["paths"]) >= {"/api/v1/runs", "/livez", "/openapi.json"}
