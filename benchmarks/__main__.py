"""Every benchmark, one after another: `python -m benchmarks [NAME …] [--out DIR]`.

Each prints its figures beside a reference of the same run, its target, and whether it was met; raw
results go to `DIR/<name>.jsonl`. The exit code is 1 if any figure misses its target.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

NAMES = (
    *("decode", "append", "chat_frames", "fan_out", "resume", "reader_memory", "stream_memory", "page", "sandbox"),
    *("partial_json", "structured"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(NAMES)}; default: all")
    parser.add_argument("--out", type=Path, help="a directory for raw results, a file of JSON lines each")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
    missed = []
    for name in arguments.names or NAMES:
        print(f"\n=== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        if arguments.out is not None:
            command += ["--out", str(arguments.out / f"{name}.jsonl")]
        if subprocess.run(command, check=False).returncode:
            missed.append(name)
    print(f"\nmissed: {', '.join(missed)}" if missed else "\nall figures met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
