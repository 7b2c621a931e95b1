"""OpenAI's unchanged Python SDK reads a response on after cuts anywhere: each event once, in order, none twice."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.kit.product import Product
from tests.kit.proxy import By, Fault, FaultProxy

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

CUTS = 200
WAYS: list[By] = ["close", "reset", "half-close"]


async def read_on(client: openai.AsyncOpenAI, response: str) -> list[Any]:
    """All events, over as many connections as it takes."""
    seen: list[Any] = []
    while not (seen and seen[-1].type == "response.completed"):
        last: Any = {"starting_after": seen[-1].sequence_number} if seen else {}
        try:
            async with await client.responses.retrieve(response, stream=True, **last) as stream:
                async for event in stream:
                    seen.append(event)
        except (openai.APIConnectionError, httpx.HTTPError):
            continue
    return seen


def simulated(words: int, delay_ms: float) -> dict[str, Any]:
    return {"settings": {"extra": {"simulated": {"words": words, "delay_ms": delay_ms, "format": "plain"}}}}


@pytest.mark.parametrize("delay_ms", [0.0, 5.0], ids=["ended", "live"])
async def test_every_cut_is_resumed_exactly(data_dir: Path, seeded: random.Random, delay_ms: float) -> None:
    def plan(_: int) -> Fault:
        return Fault(seeded.randrange(1, 4000), seeded.choice(WAYS))

    async with Product(data_dir) as product, FaultProxy(product.port, plan) as proxy, asyncio.timeout(100):
        async with openai.AsyncOpenAI(base_url=f"{product.url}/v1", api_key="any", max_retries=0) as client:
            spoiled = client.with_options(base_url=f"http://127.0.0.1:{proxy.port}/v1")
            while proxy.cuts < CUTS:
                asked: Any = {"model": "simulated", "messages": [{"role": "user", "content": "Hello"}]}
                body = {**asked, **simulated(30, delay_ms)}
                run = await client.post("/../api/v1/runs", body=body, cast_to=dict[str, Any])
                response = run["id"].replace("run_", "resp_")
                seen = await read_on(spoiled, response)
                assert seen == await read_on(client, response)
                assert [event.sequence_number for event in seen] == list(range(len(seen)))
                assert "".join(event.delta for event in seen if "delta" in event.type) == seen[-1].response.output_text
