"""The stages of `make test`: all are run, all are timed, and the test run's closing line comes last."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import stages

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def make(tmp_path: Path) -> Path:
    """A stand-in for make: each target says its name; `red` fails, `pytest` closes as pytest does."""
    script = tmp_path / "make"
    script.write_text(
        """#!/bin/sh
        for stage; do :; done
        echo "ran $stage"
        case $stage in
          pytest) echo "=== 3 passed in 0.10s ==="; echo "make[1]: leaving";;
          red-pytest) echo "=== 1 failed, 2 passed in 0.10s ==="; echo "make[1]: *** Error 1" >&2; exit 2;;
          meeting-*) touch "$MEET/$stage"; until [ "$(ls "$MEET" | wc -l)" = 2 ]; do sleep 0.01; done;;
          red|environment) exit 2;;
        esac
        """
    )
    script.chmod(0o700)
    return script


def run(make: Path, *names: str) -> tuple[int, list[str]]:
    command = [sys.executable, str(ROOT / "tools" / "stages.py"), *names]
    meet = make.with_name("meet")
    meet.mkdir()
    environment = {**os.environ, "MAKE": str(make), "MEET": str(meet)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_the_closing_line_of_the_last_stage_is_the_last_line(make: Path) -> None:
    status, lines = run(make, "lint", "pytest")
    assert status == 0
    assert lines[-1] == "=== 3 passed in 0.10s ==="
    assert [line.split()[0] for line in lines[-4:-1]] == ["lint", "pytest", "total"]
    assert all(line.split()[2] == "s" and float(line.split()[1]) >= 0 for line in lines[-4:-1])


def test_a_failed_stage_does_not_hide_the_next(make: Path) -> None:
    status, lines = run(make, "red", "pytest")
    assert status == 1
    assert "ran pytest" in lines
    assert [line.split()[-1] for line in lines[-4:-2]] == ["FAILED", "ok"]


def test_failed_tests_are_the_last_line_too(make: Path) -> None:
    status, lines = run(make, "lint", "red-pytest")
    assert status == 1
    assert lines[-1] == "=== 1 failed, 2 passed in 0.10s ==="


def test_stages_that_run_together_meet_and_are_told_one_after_the_other(make: Path) -> None:
    status, lines = run(make, "meeting-a+meeting-b", "red+pytest")
    assert status == 1
    assert lines[:4] == ["--- meeting-b", "ran meeting-b", "--- meeting-a", "ran meeting-a"]
    assert lines[4:8] == ["--- pytest", "ran pytest", "=== 3 passed in 0.10s ===", "make[1]: leaving"]
    assert lines[8:10] == ["--- red", "ran red"]
    assert [line.split()[::3][:2] for line in lines[-6:-2]] == [
        ["meeting-a", "ok"],
        ["meeting-b", "ok"],
        ["red", "FAILED"],
        ["pytest", "ok"],
    ]
    assert lines[-1] == "=== 3 passed in 0.10s ==="


def test_nothing_runs_without_an_environment(make: Path) -> None:
    status, lines = run(make, "environment", "pytest")
    assert status == 1
    assert "ran pytest" not in lines


@pytest.mark.parametrize(
    "line",
    [
        "=========== 1 failed, 105 passed in 3.94s ===========",
        "=========== 1202 passed, 3 skipped in 812.10s (0:13:32) ===========",
        "=========== no tests ran in 0.01s ===========",
        "=========== 2 errors in 0.01s ===========",
    ],
)
def test_what_pytest_closes_with_is_known(line: str) -> None:
    assert stages.CLOSING_LINE.search(line)
