"""I1 at the server's edge: no byte of a record, nor of a run's id, is sent before the sync that covers it.

The shim records the whole server: what it writes and syncs in its data directory, and what it sends to sockets. For a
run that is alone every record is looked for, `(seq, t, type)`; for runs side by side each piece of text, which names
its run.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.acceptance.scene import prompt_of
from tests.kit.client import Reader, start_run
from tests.kit.history import History
from tests.kit.product import Product, compatible_model
from tests.kit.upstream import DONE, Pause, Received, ScriptedUpstream, Send, Step, chat_chunk
from tests.power.trace import Kind, Operation, build_shim, read_trace, traced, unsynced_sends

TOKENS = 60
RUNS = 8
RECORD = re.compile(rb'"seq":\d+,"t":\d+,"type":"\w+"|run_[0-9a-f]{32}')
TEXT = re.compile(rb"<\w+:\d+>|run_[0-9a-f]{32}")

pytestmark = [pytest.mark.linux, pytest.mark.heavy, pytest.mark.slow]


def script(received: Received) -> Iterator[Step]:
    """Pieces of text that say whose they are, twice: the end of a database page may cut one in two."""
    prompt = prompt_of(received)
    for number in range(TOKENS):
        yield Send(chat_chunk(f"<{prompt}:{number}>" * 2))
        yield Pause(seconds=0.002)
    yield Send(chat_chunk(finish="stop"))
    yield Send(DONE)


async def follow_one(product: Product, prompt: str) -> int:
    """A run read to its end; the number of its records."""
    started = await start_run(product.port, prompt, model="scripted")
    assert started.status == 201, started.body
    reader = Reader(started.json()["id"], History())
    assert await reader.read(product.port) == "end"
    assert reader.ended
    return len(reader.payloads)


def sent(operations: list[Operation], marker: re.Pattern[bytes]) -> set[bytes]:
    return {found for each in operations if each.kind == Kind.SEND for found in marker.findall(each.data)}


async def serve_traced(
    directory: Path, durability: Literal["power", "process"]
) -> tuple[list[Operation], int, list[Operation]]:
    """What the server did for one run, with the number of its records; then that and what it did for several."""
    trace, data = directory / "trace", directory / "disk" / "data"
    data.parent.mkdir()
    trace.touch()
    async with ScriptedUpstream(script) as upstream:
        config = {"log": {"durability": durability}, "models": [compatible_model("scripted", upstream.base_url)]}
        environ = traced(build_shim(directory), trace, data, sockets=True)
        async with Product(data, config=config, environ=environ) as product:
            records = await follow_one(product, "alone")
            alone = list(read_trace(trace))
            await asyncio.gather(*(follow_one(product, f"r{number}") for number in range(RUNS)))
            assert await product.terminate() == 0
    return alone, records, list(read_trace(trace))


async def test_nothing_is_sent_before_the_sync_that_covers_it(tmp_path: Path) -> None:
    alone, records, everything = await serve_traced(tmp_path, "power")
    assert len(sent(alone, RECORD)) == records + 1, "every record and the run's id were seen to leave"
    assert unsynced_sends(alone, RECORD) == {}
    texts = {f"<r{run}:{number}>".encode() for run in range(RUNS) for number in range(TOKENS)}
    assert sent(everything, TEXT) >= texts
    assert unsynced_sends(everything, TEXT) == {}


async def test_the_test_finds_what_is_sent_unsynced(tmp_path: Path) -> None:
    """`durability = "process"` does not sync its commits: everything it sends has to be found."""
    alone, records, everything = await serve_traced(tmp_path, "process")
    wrong = unsynced_sends(alone, RECORD)
    assert set(wrong) == sent(alone, RECORD)
    assert len(wrong) == records + 1
    assert set(wrong.values()) == {"written but not synced"}
    assert len(unsynced_sends(everything, TEXT)) > RUNS * TOKENS // 2
