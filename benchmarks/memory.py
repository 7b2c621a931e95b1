"""What a process holds in memory, and the command that the benchmarks of memory are."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.results import missed, print_table, write_results
from headwater.api.sockets import raise_file_limit


def resident(pid: int) -> int:
    """Bytes, from the kernel's own account."""
    status = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("Private_Dirty"))


def main(measure: Callable[[], list[dict[str, object]]], about: str | None) -> int:
    """Measures, prints and keeps the results; returns the exit code, 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="append the results as JSON lines")
    asked = parser.parse_args()
    if sys.platform != "linux":
        print("skipped: a process's memory is read from Linux's /proc")
        return 0
    raise_file_limit()
    results = measure()
    print_table(results)
    write_results(asked.out, results)
    return missed(results)
