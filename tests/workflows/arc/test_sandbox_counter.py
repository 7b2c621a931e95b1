"""What the process that reads programs answers, and that it has given up all that it could have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import headwater
from headwater.workflows.arc import sandbox_counter, sandbox_worker
from headwater.workflows.arc.sandbox_counter import READY, answer

ROOT = Path(headwater.__file__).parents[1]


def asked(source: str) -> dict[str, str]:
    line = answer(json.dumps([source, "T"]).encode())
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    told: dict[str, str] = json.loads(line)
    return told


def test_a_program_comes_back_counted() -> None:
    assert asked("for é in x:\n    pass\n") == {"text": "for é in x:\n    T;pass\n"}


def test_what_can_not_be_counted_is_told_why() -> None:
    assert asked("for x in") == {"why": "invalid syntax (line 1)"}


def served(lines: str, before: str = "pass") -> subprocess.CompletedProcess[bytes]:
    program = (
        f"import sys; sys.path.append({str(ROOT)!r}); {before}; from {sandbox_counter.__name__} import main; main()"
    )
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], input=lines.encode(), capture_output=True, timeout=20, check=False
    )


def test_it_serves_until_nobody_asks_any_more() -> None:
    done = served('["x = 1", "T"]\n["lambda: \\"\\\\d\\"", "T"]\n')
    assert (done.returncode, done.stderr) == (0, b"")
    ready, *answers = done.stdout.splitlines(keepends=True)
    assert ready == READY
    assert [json.loads(each) for each in answers] == [{"text": "x = 1"}, {"text": 'lambda:  T and ("\\d")'}]


@pytest.mark.parametrize(
    "source",
    [
        "s = f'{sum(a for a in b)}\\n'",
        "s = f'\\té{[a for a in b]!r:>{len([0 for a in b])}}' '\\x00'",
        "é = [ﬁ for ﬁ in ö]",
        "s = '\\N{BULLET}'; t = [a for a in s]",
        "x = 1 +",
        "é = € = 1",
    ],
)
def test_it_has_all_that_it_reads_a_program_by_before_it_gives_up_its_rights(source: str) -> None:
    hooked = (
        "import os; from headwater.workflows.arc import sandbox_worker as worker; confine = worker.confine; "
        "looks = lambda event, _: event == 'import' and os._exit(3); "
        "worker.confine = lambda: (confine(), sys.addaudithook(looks))"
    )
    done = served(json.dumps([source, "T"]) + "\n", hooked)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.splitlines()[1]) == asked(source)


def test_it_reads_nothing_where_it_can_not_be_confined() -> None:
    done = served('["x = 1", "T"]\n', "import resource; resource.setrlimit = lambda *_: open('/nowhere')")
    assert (done.returncode, done.stdout) == (sandbox_worker.EXIT_UNCONFINED, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="what a process is allowed is looked up in /proc")
def test_it_may_do_nothing() -> None:
    looks = "print(open('/proc/self/status').read(), open('/proc/self/limits').read())"
    told = served("", f"import atexit; atexit.register(lambda: {looks})").stdout.decode()
    assert "NoNewPrivs:\t1" in told
    assert "CapEff:\t0000000000000000" in told
    assert "CapPrm:\t0000000000000000" in told
    assert "Max file size             0 " in told
