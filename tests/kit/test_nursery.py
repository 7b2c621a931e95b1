"""No copy outlives whoever asked for it, and nobody's leaving ends another's."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.kit.nursery import Child, Nursery

pytestmark = [pytest.mark.linux, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]


def over(pid: int) -> None:
    """Returns once there is no such process."""
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.01)  # paces: asks the system again


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    with closing(Nursery()) as nursery:
        yield nursery


def wanted(data: Path) -> dict[str, Any]:
    return {
        "arguments": ["serve", "--port", "0", "--data", str(data)],
        "environ": dict(os.environ),
        "log": data.with_suffix(".log"),
    }


async def started(nursery: Nursery, data: Path) -> Child:
    asked = wanted(data)
    return await nursery.start(asked.pop("arguments"), **asked)


async def test_the_first_ones_may_start_at_the_same_time(nursery: Nursery, tmp_path: Path) -> None:
    children = await asyncio.gather(*(started(nursery, tmp_path / str(number)) for number in range(3)))
    assert len({child.pid for child in children}) == 3
    for child in children:
        child.send_signal(signal.SIGKILL)
        assert await child.wait() == -signal.SIGKILL


async def test_a_server_ends_with_the_loop_that_started_it_and_no_other_does(nursery: Nursery, tmp_path: Path) -> None:
    kept = await started(nursery, tmp_path / "kept")
    left = await asyncio.to_thread(asyncio.run, started(nursery, tmp_path / "left"))
    await asyncio.to_thread(over, left.pid)
    assert kept.returncode is None
    kept.send_signal(signal.SIGKILL)
    assert await kept.wait() == -signal.SIGKILL


def ask(asking: socket.socket) -> socket.socket:
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(asking, [b"\n"], [theirs.fileno()])
    return ours


def test_all_end_with_the_test_run(tmp_path: Path) -> None:
    asking, asked = socket.socketpair()
    with asked:
        command = [sys.executable, "-m", "tests.kit.nursery"]
        nursery = subprocess.Popen(command, stdin=asked.fileno(), stdout=subprocess.PIPE, cwd=ROOT)
    with nursery, asking:
        ask(asking).close()  # somebody who wants nothing any more
        with ask(asking) as connection, connection.makefile("rb") as told:
            request = {**wanted(tmp_path / "data"), "log": str(tmp_path / "log"), "cwd": str(tmp_path)}
            connection.sendall(json.dumps(request).encode() + b"\n")
            pid = int(told.readline())
            assert Path(f"/proc/{pid}").exists()
            asking.close()
            assert nursery.wait(timeout=30) == 0
        assert not Path(f"/proc/{pid}").exists()
