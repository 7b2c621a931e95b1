"""Run targets of the Makefile as stages, and say how long each took.

    MAKE=make python tools/stages.py environment lint types wheel pytest

A failed stage does not hide what the later ones would say, except that nothing runs without an environment. The last
stage is the test run: whoever reads the output by machine wants its closing line last, so the times are printed once
it has ended and its closing line again below them. Exits with 1 when any stage failed. Standard library only, because
it runs before there is an environment.
"""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass

CLOSING_LINE = re.compile(r"\b(passed|failed|errors?|skipped|no tests ran)\b.* in \d+(\.\d+)?s")


@dataclass(frozen=True)
class Outcome:
    """What one stage came to; `closing` is the last line of it that looks like a test runner's summary."""

    stage: str
    status: int
    seconds: float
    closing: str


def run(stage: str) -> Outcome:
    """Run one target, passing its output on line by line."""
    print(f"--- {stage}", flush=True)
    color = ["COLOR=yes"] if sys.stdout.isatty() else []
    command = [os.environ.get("MAKE", "make"), "--no-print-directory", *color, stage]
    start = time.monotonic()
    closing = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if CLOSING_LINE.search(line):
                closing = line.rstrip("\n")
    return Outcome(stage, process.returncode, time.monotonic() - start, closing)


def report(outcomes: list[Outcome]) -> None:
    """Print the table of times, and the test run's closing line as the very last one."""
    print()
    for outcome in outcomes:
        verdict = "ok" if outcome.status == 0 else "FAILED"
        print(f"{outcome.stage:<12} {outcome.seconds:8.1f} s  {verdict}")
    print(f"{'total':<12} {sum(outcome.seconds for outcome in outcomes):8.1f} s")
    if outcomes[-1].closing:
        print(outcomes[-1].closing)
    sys.stdout.flush()


def main(stages: list[str]) -> int:
    outcomes: list[Outcome] = []
    try:
        for stage in stages:
            outcomes.append(run(stage))
            if stage == "environment" and outcomes[-1].status:
                break
    except KeyboardInterrupt:
        return 130
    report(outcomes)
    return int(any(outcome.status for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
