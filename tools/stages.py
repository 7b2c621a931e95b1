"""Run targets of the Makefile as stages, and say how long each took.

    MAKE=make python tools/stages.py environment lint wheel types+pytest

Stages with a plus between them run at the same time. A failed stage does not hide what the later ones would say,
except that nothing runs without an environment. The last stage is the test run: whoever reads the output by machine
wants its closing line last, so the times are printed once it has ended and its closing line again below them. Exits
with 1 when any stage failed. Standard library only, because it runs before there is an environment.
"""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

CLOSING_LINE = re.compile(r"\b(passed|failed|errors?|skipped|no tests ran)\b.* in \d+(\.\d+)?s")


@dataclass(frozen=True)
class Outcome:
    """What one stage came to; `closing` is the last line of it that looks like a test runner's summary."""

    stage: str
    status: int
    seconds: float
    closing: str


def run(stage: str, *, shown: bool = True) -> tuple[Outcome, str]:
    """Run one target, passing its output on line by line, or giving it back."""
    kept: list[str] = []
    color = ["COLOR=yes"] if sys.stdout.isatty() else []
    command = [os.environ.get("MAKE", "make"), "--no-print-directory", *color, stage]
    start = time.monotonic()
    closing = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if shown:
                print(line, end="", flush=True)
            else:
                kept.append(line)
            if CLOSING_LINE.search(line):
                closing = line.rstrip("\n")
    return Outcome(stage, process.returncode, time.monotonic() - start, closing), "".join(kept)


def run_together(stages: list[str]) -> list[Outcome]:
    """Run targets side by side. The last one's output comes as it runs; the others' behind it, as if they followed."""
    *quiet, loud = stages
    with ThreadPoolExecutor(len(stages)) as pool:
        waiting = [pool.submit(run, stage, shown=False) for stage in quiet]
        print(f"--- {loud}", flush=True)
        outcomes = [run(loud)[0]]
        for stage, each in zip(quiet, waiting, strict=True):
            outcome, output = each.result()
            print(f"--- {stage}\n{output}", end="", flush=True)
            outcomes.insert(-1, outcome)
    return outcomes


def report(outcomes: list[Outcome], seconds: float) -> None:
    """Print the table of times, and the test run's closing line as the very last one."""
    print()
    for outcome in outcomes:
        verdict = "ok" if outcome.status == 0 else "FAILED"
        print(f"{outcome.stage:<12} {outcome.seconds:8.1f} s  {verdict}")
    print(f"{'total':<12} {seconds:8.1f} s")
    if outcomes[-1].closing:
        print(outcomes[-1].closing)
    sys.stdout.flush()


def main(stages: list[str]) -> int:
    outcomes: list[Outcome] = []
    start = time.monotonic()
    try:
        for stage in stages:
            outcomes += run_together(stage.split("+"))
            if stage == "environment" and outcomes[-1].status:
                break
    except KeyboardInterrupt:
        return 130
    report(outcomes, time.monotonic() - start)
    return int(any(outcome.status for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
