"""The course of a measurement where it does not go well; `tests/cli/test_bench.py` has the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.cli.measuring.load import Load
from headwater.cli.measuring.measurement import client_of, measure_own, measure_running
from headwater.cli.measuring.server import BenchError
from headwater.client import ServerError
from tests.kit.product import Product


async def test_a_measurement_that_fails_leaves_no_runs_behind(tmp_path: Path) -> None:
    config = {"runs": {"slots": 2, "waiting_max": 0}}
    async with Product(tmp_path / "data", config=config) as product, client_of(product.url) as client:
        with pytest.raises(ServerError):
            await measure_running(client, product.url, [Load(3, 1, 20.0, 0.2)])
        assert (await client.list()).runs == ()


async def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="can not be used"):
        await measure_own(tmp_path / "none", [])
