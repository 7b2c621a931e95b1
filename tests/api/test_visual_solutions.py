"""Runs of the visual solver over HTTP. Whole ones, and their pictures, are in tests/workflows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.acceptance.scene import Scene, until
from tests.kit.client import call, start_run
from tests.kit.product import Product

PATH = "/api/arc/visual-solutions"
#: Never comes to its end by itself.
SLOW = {"extra": {"simulated": {"delay_ms": 60_000}}}
ASKED: dict[str, Any] = {"workflow": "visual_solver", "messages": [], "input": {"task_id": "007bbfb7"}}


async def get(product: Product, path: str) -> Any:
    return (await call(product.port, "GET", path)).json()


async def test_a_run_that_goes_on_is_shown_as_it_is_and_a_cancelled_one_is_kept_as_partial(data_dir: Path) -> None:
    async with Product(data_dir) as product:
        run = (await start_run(product.port, **ASKED, settings=SLOW)).json()["id"]

        async def has_begun() -> bool:
            return (await get(product, f"{PATH}/{run}"))["seen"] is not None

        await until(has_begun, "the first phase")
        shown = await get(product, f"{PATH}/{run}")
        assert (shown["state"], shown["ended_at"], shown["result"]) == ("running", None, None)
        assert (await get(product, PATH))["solutions"] == []

        assert await Scene(product).cancel(run) == 202
        await Scene(product).end(run)

        async def is_kept() -> bool:
            return bool((await get(product, f"{PATH}?state=cancelled&task=007bbfb7"))["solutions"])

        await until(is_kept, "the cancelled run in the list")
        (kept,) = (await get(product, PATH))["solutions"]
        assert (kept["run"], kept["partial"], kept["error"]["code"]) == (run, True, "CANCELLED")

        assert (await call(product.port, "DELETE", f"/api/v1/runs/{run}")).status == 204
        assert (await get(product, PATH))["solutions"] == []
        assert (await call(product.port, "GET", f"{PATH}/{run}")).status == 404


async def test_another_workflows_run_is_none_of_these(data_dir: Path) -> None:
    async with Product(data_dir) as product:
        run = (await start_run(product.port)).json()["id"]
        answer = await call(product.port, "GET", f"{PATH}/{run}")
    assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")
