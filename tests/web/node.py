"""Node for tests: the wheel's own, with the packages that web/ names installed."""

from __future__ import annotations

import fcntl
import subprocess
from functools import cache
from pathlib import Path

from tests.recordings import PROJECT_ROOT
from tools.pages import NODE, Project

WEB = PROJECT_ROOT / "web"
CLIENT = WEB / "client"


@cache
def installed() -> Path:
    """`web/node_modules`, installed when it is not what the lock file says; one test process does it for all."""
    kept = PROJECT_ROOT / ".cache"
    kept.mkdir(exist_ok=True)
    with (kept / "node_modules.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Project(PROJECT_ROOT).install()
    return WEB / "node_modules"


def run_node(
    *arguments: str | Path, cwd: Path = CLIENT, stdin: str = "", limit_s: float = 100.0
) -> subprocess.CompletedProcess[str]:
    """A Node program with these arguments, run to its end; what it says is in the answer, whatever its exit code."""
    return subprocess.run(
        [NODE, *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
        env={"NO_COLOR": "1"},
    )
