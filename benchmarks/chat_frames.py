"""What it costs to show a token in another API's format: from the log's record to the chunk of Chat Completions.

    python -m benchmarks.chat_frames [--seconds 1.0] [--out results.jsonl]

Prints CPU µs per record, the median and the least of several rounds. Beside ours, in the same run: our own SSE form of
the same record, and what it costs to decode the record and encode the chunk as objects.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.results import missed, print_table, write_results
from headwater.delivery.formats.openai_chat import OpenAIChatStream, identity
from headwater.delivery.sse import SSE
from headwater.delivery.view import View
from headwater.domain.event import Chunk, Reasoning, encode_record
from headwater.storage.contract import Page

TARGET_US: Final = 2.0
ROUNDS: Final = 7
RECORDS: Final = 1000
WORDS: Final = ("The", " run", " outlives", " its", " connection", ",", " token", " by", " token", ".")


def payloads(kind: type[Chunk | Reasoning]) -> list[bytes]:
    return [encode_record(seq, seq * 5, kind(WORDS[seq % len(WORDS)], 0)) for seq in range(1, RECORDS + 1)]


def stages() -> Iterator[tuple[str, float | None, Callable[[], None]]]:
    """What is measured: its name, its target, and one round of it."""
    face = OpenAIChatStream(identity("run_" + "0" * 32, 1_795_000_000_000, "mock-model"))
    chunks, reasoning = payloads(Chunk), payloads(Reasoning)
    pages = [Page(at, chunks[at : at + 50], RECORDS, False) for at in range(0, RECORDS, 50)]

    def frames(encode: Callable[[int, bytes], bytes], records: list[bytes]) -> Callable[[], None]:
        def run() -> None:
            for seq, payload in enumerate(records, 1):
                encode(seq, payload)

        return run

    def blocks() -> None:
        view = View(face)
        for page in pages:
            view.render(page)

    def objects(_: int, payload: bytes) -> bytes:
        content = json.loads(payload)["data"]["content"]
        choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
        chunk = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 1, "choices": [choice]}
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    yield "ours: a text record to its chunk", TARGET_US, frames(face.record, chunks)
    yield "ours: a reasoning record to its chunk", TARGET_US, frames(face.record, reasoning)
    yield "ours: blocks of 50 records", TARGET_US, blocks
    yield "reference: the record as our own SSE block", None, frames(SSE.record, chunks)
    yield "reference: by json.loads and json.dumps", None, frames(objects, chunks)


def measure(seconds: float) -> list[dict[str, object]]:
    """Every stage, in rounds: a disturbance of the machine then meets one round of each, not all of one."""
    found = list(stages())
    rounds: dict[str, list[float]] = {figure: [] for figure, _, _ in found}
    for figure, _, run in found * ROUNDS:
        times, begun = 0, time.process_time()
        while (spent := time.process_time() - begun) < seconds / ROUNDS:
            run()
            times += 1
        rounds[figure].append(spent / times / RECORDS * 1e6)
    return [
        {
            "figure": figure,
            "unit": "µs per record",
            "median": round(statistics.median(rounds[figure]), 3),
            "least": round(min(rounds[figure]), 3),
            "target": target,
        }
        for figure, target, _ in found
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU per record shown as a chunk of Chat Completions.")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU time for each figure")
    parser.add_argument("--out", type=Path, help="append the raw figures to this file, a line of JSON each")
    options = parser.parse_args()
    results = measure(options.seconds)
    print_table(results)
    write_results(options.out, results)
    return missed(results)


if __name__ == "__main__":
    sys.exit(main())
