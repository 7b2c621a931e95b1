"""What a server's metrics say of its commits."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.cli.measuring.commits import Commits, commits, of_metrics
from headwater.client import HeadwaterClient, Message, RunRequest
from headwater.metrics import Metrics
from headwater.telemetry import Committed
from tests.kit.product import Product, free_port


def test_a_mean_is_of_the_time_between() -> None:
    assert Commits(30.0, 0.5).mean_ms_since(Commits(10.0, 0.1)) == 20.0
    assert Commits(10.0, 0.1).mean_ms_since(Commits(10.0, 0.1)) is None


def test_our_own_metrics_are_understood() -> None:
    metrics = Metrics(live=lambda: 0, waiting=lambda: 0)
    metrics.committed(Committed(records=1, bytes=1, seconds=0.25))
    metrics.committed(Committed(records=1, bytes=1, seconds=0.5))
    assert of_metrics(metrics.text().decode()) == Commits(2.0, 0.75)


@pytest.mark.parametrize("text", ["", "<html>no</html>", "headwater_commit_seconds_sum 1.0\n", "a{ 1\n"])
def test_something_else_is_nothing(text: str) -> None:
    assert of_metrics(text) is None


async def test_a_server_is_asked(tmp_path: Path) -> None:
    async with Product(tmp_path / "data") as product, HeadwaterClient(product.url) as client:
        before = await commits(product.url)
        async for _ in client.start_and_follow(RunRequest("simulated", messages=[Message("user", "Hello")])):
            pass
        after = await commits(product.url)
    assert before is not None
    assert after is not None
    assert after.number > before.number
    assert await commits(f"http://127.0.0.1:{free_port()}") is None
