"""How the delivery benchmarks show and keep their results."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path


def print_table(results: Sequence[dict[str, object]]) -> None:
    columns = list(results[0])
    rows = [columns, *[["" if row[c] is None else str(row[c]) for c in columns] for row in results]]
    widths = [max(len(row[at]) for row in rows) for at in range(len(columns))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def write_results(path: Path | None, results: Sequence[dict[str, object]]) -> None:
    """Appends the results as JSON lines, each with the machine it was measured on."""
    if path is None:
        return
    machine = {"python": sys.version.split()[0], "machine": platform.machine(), "system": platform.system()}
    with path.open("a") as out:
        for result in results:
            out.write(json.dumps({**result, **machine}) + "\n")


def missed(results: Sequence[dict[str, object]]) -> int:
    """The exit code: 1 where a result misses its target. The least counts, which is what the code costs."""
    for result in results:
        least, target = result["least"], result["target"]
        if isinstance(target, (int, float)) and isinstance(least, (int, float)) and least > target:
            print(f"missed: {result['figure']}: {least}, target {target}")
            return 1
    return 0
