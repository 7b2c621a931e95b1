"""Runs and readers that are there to be measured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headwater.cli.measuring import load as module
from headwater.cli.measuring.load import FIRST_TOKENS, Load, Streams, Waiting, first_tokens_ms
from headwater.cli.measuring.measurement import client_of
from headwater.client import HeadwaterClient, RunState, ServerError, TimedOut
from tests.kit.client import call
from tests.kit.product import Product


@pytest.fixture
async def product(tmp_path: Path) -> AsyncIterator[Product]:
    """A server of two slots, and no room to wait in."""
    async with Product(tmp_path / "data", config={"runs": {"slots": 2, "waiting_max": 0}}) as product:
        yield product


@pytest.fixture
async def client(product: Product) -> AsyncIterator[HeadwaterClient]:
    async with client_of(product.url) as client:
        yield client


@pytest.mark.parametrize("pace", [200.0, None], ids=["paced", "at once"])
async def test_a_token_counts_once_and_a_record_for_each_reader(client: HeadwaterClient, pace: float | None) -> None:
    started: set[str] = set()
    streams = Streams(client, Load(2, 3, pace, 0.4), started)
    async with streams.begun():
        came = await streams.measured()
    assert came.seconds >= 0.4
    assert came.tokens > 0
    assert min(came.lags_ms) >= 0
    if pace is not None:
        # A token is a record here, and comes to three readers.
        assert len(came.lags_ms) > came.tokens


async def test_what_nobody_reads_any_more_is_stopped(client: HeadwaterClient) -> None:
    started: set[str] = set()
    async with Streams(client, Load(1, 1, 20.0, 0.1), started).begun():
        pass
    (run,) = started
    async with client.follow(run) as subscription:
        async for _ in subscription:
            pass
    assert (await client.get(run)).state is RunState.CANCELLED


async def test_a_refusal_is_told_as_itself(client: HeadwaterClient) -> None:
    with pytest.raises(ServerError) as refused:
        async with Streams(client, Load(3, 1, 20.0, 0.1), set()).begun():
            pass
    assert refused.value.status in (429, 503)


async def test_runs_that_wait_are_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEGIN_LIMIT_S", 0.5)
    config = {"runs": {"slots": 1, "waiting_max": 5}}
    async with Product(tmp_path / "data", config=config) as product, HeadwaterClient(product.url) as client:
        with pytest.raises(TimedOut, match="1 of 2 readers"):
            async with Streams(client, Load(2, 1, 20.0, 0.1), set()).begun():
                pass


async def test_first_tokens_come_from_runs_one_after_another(client: HeadwaterClient) -> None:
    started: set[str] = set()
    taken = await first_tokens_ms(client, started)
    assert 0 < len(taken) == len(started) <= FIRST_TOKENS
    assert min(taken) > 0
    assert {(await client.get(run)).state for run in started} == {RunState.COMPLETED}


async def test_readers_that_wait_are_there_until_they_are_let_go(
    product: Product, client: HeadwaterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WARM", 3)
    monkeypatch.setattr(module, "JOIN_LIMIT_S", 60.0)
    async with Waiting(client, product.url) as waiting:
        (run,) = (await client.list(state=RunState.RUNNING)).runs
        assert await waiting.join(7) == 7
        metrics = (await call(product.port, "GET", "/metrics")).body.decode()
        # Those, and the ones that came before them and are not weighed.
        assert f'headwater_readers{{transport="sse"}} {7 + 3}.0' in metrics
    async with client.follow(run.id) as subscription:
        async for _ in subscription:
            pass
    assert (await client.get(run.id)).state is RunState.CANCELLED
