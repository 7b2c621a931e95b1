"""P16, P13, I7: what each run used and cost, however it ended, and what the server then says of its models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.scene import CALLED_ONCE, Scene, by_prompt, received_for
from tests.kit.client import call
from tests.kit.product import Product, compatible_model, free_port
from tests.kit.script import EndWithoutTerminator, Send, Stall, Status, Step, chat_chunk, chat_stream
from tests.kit.upstream import ScriptedUpstream

pytestmark = pytest.mark.slow

#: A cent for each token that goes in, ten for each that comes out.
PRICE = {"input": 10_000, "output": 100_000}
#: Twelve bytes, so three tokens by the rule of thumb. Those who get it ask with eight.
BEGUN: list[Step] = [Send(chat_chunk("", role="assistant")), Send(chat_chunk("half an answ"))]
SCRIPTS: dict[str, list[Step]] = {
    "whole": chat_stream(["Well", " then"], input_tokens=7),
    "unreported": chat_stream(["Well", " then"], usage=False),
    "cut/half": [*BEGUN, EndWithoutTerminator()],
    "stopped!": [*BEGUN, Stall()],
    "unheard!": [Stall()],
    # servers that report on every chunk: what they said last, though nothing says that it was all
    "cut,told": [
        *BEGUN,
        Send(chat_chunk("er", usage=(19, 4))),
        Send(chat_chunk(".", usage=(20, 5))),
        EndWithoutTerminator(),
    ],
    "stopped?": [Send(chat_chunk("half an answ", usage=(20, 1))), Stall()],
    "refused!": [Status(503, {"Content-Type": "application/json"}), Send(b'{"error":{"message":"Full up."}}')],
}


def usage_of(run: Any) -> dict[str, Any] | None:
    usage: dict[str, Any] | None = run["snapshot"]["usage"]
    return usage


def counted(input_tokens: int, output_tokens: int, cost_usd: float | None, source: str) -> dict[str, Any]:
    return {
        "input_tokens": input_tokens,
        "cached_input_tokens": 0,
        "output_tokens": output_tokens,
        "reasoning_tokens": 0,
        "cost_usd": cost_usd,
        "source": source,
    }


async def until_it_spoke(scene: Scene, run: str) -> None:
    """Waits for the first output."""
    after = 0
    while True:
        path = f"/api/v1/runs/{run}/events?after={after}&wait_ms=10000"
        page = (await call(scene.port, "GET", path, headers={"accept": "application/json"})).json()
        if any(record["type"] == "chunk" for record in page["records"]):
            return
        after = page["last"]


async def test_every_run_says_what_it_used_and_cost(data_dir: Path) -> None:
    async with ScriptedUpstream(by_prompt(SCRIPTS)) as upstream:
        models = [
            compatible_model("priced", upstream.base_url, price=PRICE),
            compatible_model("unpriced", upstream.base_url),
            compatible_model("unreachable", f"http://127.0.0.1:{free_port()}/v1", price=PRICE),
        ]
        async with Product(data_dir, config={"resilience": CALLED_ONCE, "models": models}) as product:
            scene = Scene(product)
            runs = {prompt: await scene.start(prompt, model="priced") for prompt in SCRIPTS}
            elsewhere = await scene.start("whole", model="unpriced")
            simulated = await scene.start("whole", model="simulated")
            await until_it_spoke(scene, runs["stopped!"])
            await until_it_spoke(scene, runs["stopped?"])
            await scene.cancel(runs["stopped!"])
            await scene.cancel(runs["stopped?"])
            await received_for(upstream, "unheard!")
            await scene.cancel(runs["unheard!"])
            unreachable = await scene.start("whole", model="unreachable")
            for run in (*runs.values(), elsewhere, simulated, unreachable):
                await scene.end(run)
            shown = {prompt: usage_of(await scene.show(run)) for prompt, run in runs.items()}
            assert shown == {
                "whole": counted(7, 2, 0.27, "provider"),
                # nine bytes of an answer to ten of a question
                "unreported": counted(3, 3, 0.33, "estimated"),
                "cut/half": counted(2, 3, 0.32, "estimated"),
                "stopped!": counted(2, 3, 0.32, "estimated"),
                # it has the whole question, and may have thought about it
                "unheard!": counted(2, 0, 0.02, "estimated"),
                "cut,told": counted(20, 5, 0.7, "estimated"),
                "stopped?": counted(20, 3, 0.5, "estimated"),
                "refused!": counted(0, 0, 0.0, "estimated"),
            }
            nothing = counted(0, 0, 0.0, "estimated")
            assert usage_of(await scene.show(unreachable)) == nothing, "it has no question to be paid for"
            assert usage_of(await scene.show(elsewhere)) == counted(7, 2, None, "provider")
            free = usage_of(await scene.show(simulated))
            assert free is not None
            assert (free["cost_usd"], free["source"]) == (0.0, "estimated")
            await check_what_is_told(scene)


async def check_what_is_told(scene: Scene) -> None:
    """After those runs: how the models have been, what they cost, and what is listed of them."""
    listed = (await call(scene.port, "GET", "/api/v1/models")).json()["models"]
    cache = {"cached_input": None, "cache_write": None, "cache_write_1h": None}
    assert {row["name"]: row["price"] for row in listed} == {
        "simulated": {"input": 0.0, "output": 0.0, **cache},
        "priced": {"input": 10_000, "output": 100_000, **cache},
        "unpriced": None,
        "unreachable": {"input": 10_000, "output": 100_000, **cache},
    }
    providers = (await call(scene.port, "GET", "/api/v1/providers")).json()["providers"]
    health = {model["name"]: model for provider in providers for model in provider["models"]}
    # who was cancelled says nothing about the model
    priced = health["priced"]
    assert (priced["calls"], priced["failures"], priced["success_rate"]) == (5, 3, 0.4)
    assert priced["last_error"]["code"] in ("TRUNCATED", "OVERLOADED")
    assert priced["first_token_ms"] is not None
    assert priced["breaker"] == {"state": "closed", "rests_ms": 0}
    assert (health["unpriced"]["calls"], health["unpriced"]["success_rate"]) == (1, 1.0)
    metrics = (await call(scene.port, "GET", "/metrics")).body.decode()
    of = 'model="priced",provider="openai_chat"'
    assert f"headwater_cost_usd_total{{{of}}} 2.46" in metrics
    assert f'headwater_tokens_total{{kind="output",{of}}} 19.0' in metrics
