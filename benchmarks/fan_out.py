"""What one more reader costs for one token, sockets left out: from the log's wake-up to the sink's `write`.

    python -m benchmarks.fan_out [--out results.jsonl]

Every token is a commit of its own, the dearest case: readers are woken for each. Beside ours, in the same run, the
usual way: an `asyncio.Queue` and a task for each reader. CPU µs per reader and token, median and least of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from benchmarks.results import missed, print_table, write_results
from headwater.clock import SystemClock
from headwater.delivery.hub import Hub
from headwater.delivery.sse import SSE
from headwater.delivery.view import View
from headwater.domain.event import Chunk, encode_record
from headwater.storage.memory import MemoryStorage
from headwater.telemetry import SilentObserver

TARGET_US: Final = 0.3
ROUNDS: Final = 5
RUN: Final = "run_" + "0" * 32
#: readers, tokens a commit
CASES: Final = ((1, 1), (100, 1), (1000, 1), (1000, 3))


class NoPresence:
    def reader_joined(self, run: str) -> None: ...

    def reader_left(self, run: str) -> None: ...


class CountingSink:
    """As little as a sink can do."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0

    def write(self, data: bytes) -> bool:
        self.bytes += len(data)
        return True

    def finish(self) -> None: ...

    def abort(self) -> None: ...


def spawn(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work, name=name)


def payload(seq: int) -> bytes:
    return encode_record(seq, seq, Chunk("token ", 0))


async def ours(readers: int, tokens: int, batch: int) -> float:
    """CPU seconds."""
    log = MemoryStorage().log
    await log.claim(RUN, 1)
    hub = Hub(log, clock=SystemClock(), spawn=spawn, observer=SilentObserver(), presence=NoPresence())
    sinks = [CountingSink() for _ in range(readers)]
    start = await hub.start(RUN, 0, View(SSE))
    for sink in sinks:
        hub.join(RUN, start, sink).begin()
    payloads = [payload(seq) for seq in range(1, tokens + 1)]
    began = time.process_time()
    for at in range(0, tokens, batch):
        await log.append(RUN, at, payloads[at : at + batch], 1)
    seconds = time.process_time() - began
    assert all(sink.bytes == sinks[0].bytes > tokens for sink in sinks)
    hub.drain()
    return seconds


async def no_readers(readers: int, tokens: int, batch: int) -> float:
    """The log alone, which the others' figures have in them too."""
    log = MemoryStorage().log
    await log.claim(RUN, 1)
    payloads = [payload(seq) for seq in range(1, tokens + 1)]
    began = time.process_time()
    for at in range(0, tokens, batch):
        await log.append(RUN, at, payloads[at : at + batch], 1)
    return time.process_time() - began


async def queues(readers: int, tokens: int, batch: int) -> float:
    """A queue and a task for each reader, fed after each commit with bytes that were made once."""
    log = MemoryStorage().log
    await log.claim(RUN, 1)
    all_queues: list[asyncio.Queue[bytes]] = [asyncio.Queue() for _ in range(readers)]
    sinks = [CountingSink() for _ in range(readers)]

    async def read(queue: asyncio.Queue[bytes], sink: CountingSink) -> None:
        while data := await queue.get():
            sink.write(data)

    tasks = [asyncio.create_task(read(*pair)) for pair in zip(all_queues, sinks, strict=True)]
    payloads = [payload(seq) for seq in range(1, tokens + 1)]
    began = time.process_time()
    for at in range(0, tokens, batch):
        await log.append(RUN, at, payloads[at : at + batch], 1)
        data = b"".join([SSE.record(at + n, one) for n, one in enumerate(payloads[at : at + batch], 1)])
        for queue in all_queues:
            queue.put_nowait(data)
        await asyncio.sleep(0)
    for queue in all_queues:
        queue.put_nowait(b"")
    await asyncio.gather(*tasks)
    return time.process_time() - began


Way = Callable[[int, int, int], Coroutine[Any, Any, float]]


def measure() -> list[dict[str, object]]:
    results: list[dict[str, object]] = []
    ways: dict[str, Way] = {"headwater": ours, "a queue each": queues, "no readers": no_readers}
    for readers, batch in CASES:
        tokens = max(300, 30_000 // readers) // batch * batch
        rounds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                seconds = asyncio.run(way(readers, tokens, batch))
                rounds[name].append(seconds / (readers * tokens) * 1e6)
        for name, times in rounds.items():
            results.append(
                {
                    "figure": "fan-out, CPU µs per reader and token",
                    "way": name,
                    "readers": readers,
                    "tokens_a_commit": batch,
                    "median": round(statistics.median(times), 3),
                    "least": round(min(times), 3),
                    "target": TARGET_US if name == "headwater" and readers >= 1000 else None,
                }
            )
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="append the results as JSON lines")
    asked = parser.parse_args()
    results = measure()
    print_table(results)
    write_results(asked.out, results)
    return missed(results)


if __name__ == "__main__":
    sys.exit(main())
