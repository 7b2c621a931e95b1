"""A real model goes on, after a kill of the server, with what it had said (`on_crash: "continue"`)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import pytest

from headwater.client import HeadwaterClient, Message, RunRequest
from headwater.client.backoff import RetryPolicy
from headwater.domain.event import Attempt, Chunk, Complete, Record
from headwater.domain.message import Settings
from headwater.domain.run import Limits
from headwater.domain.snapshot import fold
from tests.kit.product import Product

pytestmark = [pytest.mark.slow]

#: Of one answer, before the server is killed.
PIECES_BEFORE: Final = 12
REQUEST: Final = RunRequest(
    model="smollm2",
    messages=[Message("user", "Tell me about the snow on the upper fields.")],
    settings=Settings(max_tokens=60, temperature=0.0, extra={"local": {"ignore_eos": True}}),
    limits=Limits(connect_s=100),
    on_crash="continue",
)


async def test_the_answer_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    records: list[Record] = []

    in_mid_answer = asyncio.Event()

    async def kill_in_mid_answer(product: Product) -> None:
        await in_mid_answer.wait()
        await product.kill()
        await product.start()

    async with Product(tmp_path / "data", arguments=["--local"]) as product:
        killing = asyncio.create_task(kill_in_mid_answer(product))
        patient = RetryPolicy(tries_max=1000, base_s=0.05, cap_s=0.2)
        async with HeadwaterClient(product.url, follow_retry=patient) as client:
            async with client.start_and_follow(REQUEST) as subscription:
                async for record in subscription:
                    records.append(record)
                    if sum(isinstance(each.event, Chunk) for each in records) >= PIECES_BEFORE:
                        in_mid_answer.set()
        await killing
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    (again,) = [record for record in records if isinstance(record.event, Attempt)]
    assert isinstance(again.event, Attempt)
    assert (again.event.reason, again.event.supersedes_from) == ("INTERRUPTED", None)
    complete = records[-1].event
    assert isinstance(complete, Complete)
    before = "".join(record.event.content for record in records[: again.seq] if isinstance(record.event, Chunk))
    after = "".join(record.event.content for record in records[again.seq :] if isinstance(record.event, Chunk))
    assert before
    assert after
    assert complete.final_response == before + after == fold(records).text
    # it was shown what it had said, and did not begin anew
    assert not after.lstrip().startswith(before.strip()[:20])
