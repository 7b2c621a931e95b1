"""What was said once is said again by the real server: a run from its log, and a recorded stream from its file."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from headwater.domain import event as ev
from tests.kit.client import Answer, call, start_run
from tests.kit.product import Product

pytestmark = pytest.mark.slow

FIXTURE = Path(__file__).parents[1] / "providers" / "fixtures" / "chat_plain.sse"
#: Slow enough to be told from what has no pace.
SCENARIO = {"simulated": {"words": 6, "format": "plain", "delay_ms": 50}}


async def records_of(product: Product, answer: Answer) -> list[ev.Record]:
    """All records of a run that was started, read to its end."""
    assert answer.status == 201, answer.body
    path = f"/api/v1/runs/{answer.json()['id']}/events"
    lines = await call(product.port, "GET", path, None, {"accept": "application/x-ndjson"})
    return [ev.decode_record(line) for line in lines.body.splitlines() if line.strip()]


async def replayed(product: Product, run: str, **replay: Any) -> Answer:
    return await start_run(product.port, model="replay", settings={"extra": {"replay": {"run": run, **replay}}})


def said(records: list[ev.Record]) -> list[ev.Event]:
    return [record.event for record in records if isinstance(record.event, ev.Chunk | ev.Reasoning | ev.ToolCall)]


def text_of(records: list[ev.Record]) -> str:
    return "".join(record.event.content for record in records if isinstance(record.event, ev.Chunk))


def last_word_ms(records: list[ev.Record]) -> int:
    """From the call to the last word."""
    began = next(record.t for record in records if isinstance(record.event, ev.Call))
    return max(record.t for record in records if isinstance(record.event, ev.Chunk)) - began


async def test_a_run_is_played_after_a_kill_and_at_any_speed(tmp_path: Path) -> None:
    async with Product(tmp_path / "data") as product:
        answer = await start_run(product.port, settings={"extra": SCENARIO})
        run = answer.json()["id"]
        first = await records_of(product, answer)
        await product.kill()
        await product.start()
        replay = await replayed(product, run)
        own = await records_of(product, replay)
        at_once = await records_of(product, await replayed(product, run, speed="instant"))
        again = await records_of(product, await replayed(product, replay.json()["id"], speed="instant"))
    before = first[-1].event
    assert isinstance(before, ev.Complete)
    for records in (own, at_once, again):
        final = records[-1].event
        assert isinstance(final, ev.Complete)
        # What is said in one moment becomes one record, so at once there are fewer.
        assert text_of(records) == text_of(first)
        assert final.final_response_sha256 == before.final_response_sha256
        assert final.usage.output_tokens == before.usage.output_tokens
        assert (final.usage.source, final.usage.cost_usd) == ("estimated", 0.0)
        assert all(earlier.t <= later.t for earlier, later in pairwise(records))
    assert said(own) == said(first)
    # A busy machine may make it late, but nothing makes it early; both are cut to whole milliseconds.
    assert last_word_ms(own) >= last_word_ms(first) - 2


async def test_what_can_not_be_played_makes_no_run(tmp_path: Path) -> None:
    async with Product(tmp_path / "data") as product:
        live = (await start_run(product.port, settings={"extra": {"simulated": {"stall_after": 1}}})).json()["id"]
        for run in ("run_" + "0" * 32, "x", live):
            refused = await replayed(product, run)
            assert refused.status == 400
            assert refused.json()["pointer"] == "/settings/extra/replay/run"
        unknown = await replayed(product, live, loop=True)
        assert (unknown.status, unknown.json()["pointer"]) == (400, "/settings/extra/replay")
        assert (await start_run(product.port, model="replay")).status == 400
        listed = (await call(product.port, "GET", "/api/v1/runs")).json()["runs"]
        assert [each["id"] for each in listed] == [live]
        models = (await call(product.port, "GET", "/api/v1/models")).json()["models"]
        assert [each["name"] for each in models] == ["simulated"]


async def test_a_recording_is_decoded_as_from_the_network_and_a_cut_one_is_truncated(tmp_path: Path) -> None:
    cut = tmp_path / "cut.sse"
    body = FIXTURE.read_bytes()
    cut.write_bytes(body[: body.index(b'"finish_reason":"stop"')])
    rows = [
        {"name": "whole", "provider": "replay", "file": str(FIXTURE), "speed": "instant"},
        {"name": "cut", "provider": "replay", "file": str(cut), "ms_per_event": 1},
    ]
    async with Product(tmp_path / "data", config={"models": rows}) as product:
        whole, part = await asyncio.gather(
            *[records_of(product, await start_run(product.port, model=name)) for name in ("whole", "cut")]
        )
    assert said(whole) == said(part) == [ev.Chunk("Grüße", 0), ev.Chunk(" 👋🏽\n", 0)]
    end, error = whole[-1].event, part[-1].event
    assert isinstance(end, ev.Complete)
    assert (end.usage.input_tokens, end.usage.output_tokens, end.usage.source) == (9, 2, "provider")
    assert isinstance(error, ev.Error)
    assert (error.code, error.partial_bytes) == ("TRUNCATED", len("Grüße 👋🏽\n".encode()))
