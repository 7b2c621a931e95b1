"""What it takes to run programs that a model wrote: 100 of them, each on three grids of 30 × 30, isolation included.

    python -m benchmarks.sandbox [--rounds 5] [--out results.jsonl]

Seconds on the wall, the median and the least of several rounds. A round begins without any process: starting and
confining them is part of it. Beside it, in the same run: the same programs by `exec` in this process, without any
isolation, and what a program costs that runs into its time limit and takes its process with it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.results import missed, print_table, write_results
from headwater.workflows.arc.sandbox import Limits, Sandbox
from headwater.workflows.arc.task import Grid

PROGRAMS: Final = 100
TARGET_S: Final = 2.0
ENDLESS: Final = 10
GRIDS: Final[list[Grid]] = [
    [[(row * column + seed) % 10 for column in range(30)] for row in range(30)] for seed in range(3)
]
#: What programs of models do: look at each cell's neighbours, count colours, turn and mirror, fill.
BODIES: Final = (
    "    return [row[::-1] for row in grid[::-1]]",
    "    return [list(column) for column in zip(*grid)]",
    """\
    height, width = len(grid), len(grid[0])
    made = [row[:] for row in grid]
    for y in range(height):
        for x in range(width):
            around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            near = [grid[v][u] for v, u in around if 0 <= v < height and 0 <= u < width]
            if near.count(grid[y][x]) > 1:
                made[y][x] = 0
    return made""",
    """\
    counts = {}
    for row in grid:
        for cell in row:
            counts[cell] = counts.get(cell, 0) + 1
    most = max(counts, key=lambda cell: counts[cell])
    return [[most if cell == 0 else cell for cell in row] for row in grid]""",
    """\
    seen, made = set(), [row[:] for row in grid]
    stack = [(0, 0)]
    while stack:
        y, x = stack.pop()
        if (y, x) in seen or not (0 <= y < len(grid) and 0 <= x < len(grid[0])) or grid[y][x] == 9:
            continue
        seen.add((y, x))
        made[y][x] = 1
        stack += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
    return made""",
)


def program(number: int) -> str:
    return f"# {number}\ndef transform(grid):\n{BODIES[number % len(BODIES)]}\n"


async def isolated() -> None:
    sandbox = Sandbox()
    for number in range(PROGRAMS):
        outcomes = await sandbox.run(program(number), GRIDS)
        assert all(outcome.grid is not None for outcome in outcomes), outcomes
    await sandbox.close()


async def side_by_side() -> None:
    """As two searches at once do it."""
    sandbox = Sandbox()
    numbers = iter(range(PROGRAMS))

    async def search() -> None:
        for number in numbers:
            await sandbox.run(program(number), GRIDS)

    await asyncio.gather(search(), search())
    await sandbox.close()


async def endless() -> None:
    sandbox = Sandbox(Limits(call_s=0.01))
    for _ in range(ENDLESS):
        (outcome,) = await sandbox.run("def transform(grid):\n    while True: pass\n", GRIDS[:1])
        assert "TimeoutError" in outcome.error
    await sandbox.close()


async def bare() -> None:
    for number in range(PROGRAMS):
        names: dict[str, Any] = {}
        exec(program(number), names)  # the programs are those above
        for grid in GRIDS:
            names["transform"]([row[:] for row in grid])


def stages() -> Iterator[tuple[str, float | None, Callable[[], Awaitable[None]]]]:
    """What is measured: its name, its target in seconds, and one round of it."""
    yield f"ours: {PROGRAMS} programs, one after another", TARGET_S, isolated
    yield f"ours: {PROGRAMS} programs, two at a time", None, side_by_side
    yield f"ours: {ENDLESS} programs that never end, at a limit of 10 ms", None, endless
    yield f"reference: {PROGRAMS} programs without isolation", None, bare


async def measure(rounds: int) -> list[dict[str, object]]:
    found = list(stages())
    took: dict[str, list[float]] = {figure: [] for figure, _, _ in found}
    for figure, _, run in found * rounds:
        begun = time.perf_counter()
        await run()
        took[figure].append(time.perf_counter() - begun)
    return [
        {
            "figure": figure,
            "unit": "s",
            "median": round(statistics.median(took[figure]), 3),
            "least": round(min(took[figure]), 3),
            "target": target,
        }
        for figure, target, _ in found
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a file that the results are added to as JSON lines")
    arguments = parser.parse_args()
    results = asyncio.run(measure(arguments.rounds))
    print_table(results)
    write_results(arguments.out, results)
    return missed(results)


if __name__ == "__main__":
    sys.exit(main())
