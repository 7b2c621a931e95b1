"""What the fields of a structured answer cost: CPU of the server for each token, from the model's socket to a reader's.

    python -m benchmarks.structured [--rounds 3] [--streams 8] [--tokens 400] [--out results.jsonl]

The same JSON, a token at a time, as a plain text run and as one with a JSON schema, each with a reader that takes
every record. The server is the real one in a process of its own; the model and the readers are in this one, and what
they cost is not counted. Linux only: CPU is read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.partial_json import answer
from benchmarks.results import missed, print_table, write_results
from tests.kit.client import Http, start_run
from tests.kit.product import Product, compatible_model
from tests.kit.script import chat_stream
from tests.kit.upstream import ScriptedUpstream

TOKEN_CHARS: Final = 4
#: Far enough apart that each token is a read and a write of its own.
EVERY_S: Final = 0.005
MODEL: Final = "scripted"
SCHEMA: Final = {"type": "object", "required": ["tests"]}
SETTINGS: Final[Mapping[str, dict[str, Any]]] = {"plain text": {}, "structured": {"json_schema": SCHEMA}}
#: A structured run's CPU over that of a plain one.
TARGET_TIMES: Final = 3.0


def tokens_of(number: int) -> list[str]:
    text = answer(number * TOKEN_CHARS + 3000)[: number * TOKEN_CHARS]
    return [text[at : at + TOKEN_CHARS] for at in range(0, len(text), TOKEN_CHARS)]


def cpu_s(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def read(port: int, run: str) -> dict[str, int]:
    """Reads a run to its end. How many records of each type came."""
    http = Http(port)
    await http.send("GET", f"/api/v1/runs/{run}/events", {"accept": "application/x-ndjson"})
    body = b"".join([piece async for piece in http.body()])
    types = [json.loads(line)["type"] for line in body.splitlines() if line]
    return {each: types.count(each) for each in dict.fromkeys(types)}


async def one_round(product: Product, settings: dict[str, Any], streams: int, tokens: int) -> tuple[float, float]:
    """µs of CPU for each token, and records for each token."""
    before = cpu_s(product.pid)
    starts = [start_run(product.port, "Go", model=MODEL, settings=settings) for _ in range(streams)]
    runs = [str(started.json()["id"]) for started in await asyncio.gather(*starts)]
    seen = await asyncio.gather(*(read(product.port, run) for run in runs))
    spent = cpu_s(product.pid) - before
    wanted = "field" if settings else "chunk"
    assert all(each["complete"] == 1 and each[wanted] > tokens // 4 for each in seen), seen
    return spent / streams / tokens * 1e6, sum(sum(each.values()) for each in seen) / streams / tokens


async def measure(rounds: int, streams: int, tokens: int) -> dict[str, list[tuple[float, float]]]:
    script = chat_stream(tokens_of(tokens), delay_s=EVERY_S)
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in SETTINGS}
    with tempfile.TemporaryDirectory() as directory:
        async with ScriptedUpstream(script) as upstream:
            config = {"models": [compatible_model(MODEL, upstream.base_url)]}
            async with Product(Path(directory) / "data", config=config) as product:
                for number in range(rounds + 1):
                    for name, settings in SETTINGS.items():
                        result = await one_round(product, settings, streams, tokens)
                        if number:
                            # the first one warms up
                            measured[name].append(result)
    return measured


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU per token of a structured answer, beside plain text.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--out", type=Path, help="append the raw figures to this file, a line of JSON each")
    options = parser.parse_args()
    measured = asyncio.run(measure(options.rounds, options.streams, options.tokens))
    rows: list[dict[str, object]] = []
    for name, results in measured.items():
        costs = [cost for cost, _ in results]
        row: dict[str, object] = {"figure": f"{name}: CPU per token", "unit": "µs", "target": None}
        row |= {"median": round(statistics.median(costs), 1), "least": round(min(costs), 1)}
        rows.append(row | {"records per token": round(results[0][1], 2)})
    plain, structured = ([cost for cost, _ in measured[name]] for name in SETTINGS)
    times = [ours / theirs for ours, theirs in zip(structured, plain, strict=True)]
    row = {"figure": "structured over plain", "unit": "×", "target": TARGET_TIMES, "records per token": None}
    rows.append(row | {"median": round(statistics.median(times), 2), "least": round(min(times), 2)})
    print_table(rows)
    write_results(options.out, rows)
    return missed(rows[-1:])


if __name__ == "__main__":
    sys.exit(main())
