"""What is held is counted, and what is let go of is not."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from tests.kit.resources import Resources


async def test_tasks_descriptors_and_sockets_are_counted(tmp_path: Path) -> None:
    kept = [1, 2]
    resources = Resources({"kept": lambda: len(kept)})
    before = resources.snapshot()
    never = asyncio.Event()
    waiting = asyncio.create_task(never.wait())
    with socket.socket(), (tmp_path / "file").open("w"):
        kept.append(3)
        during = resources.snapshot()
    assert {name: during[name] - before[name] for name in before} == {"tasks": 1, "fds": 2, "sockets": 1, "kept": 1}
    never.set()
    await waiting
    kept.pop()
    assert resources.snapshot() == before
