"""What a process holds: tasks, descriptors, sockets, and whatever else a test can count."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path


def descriptors() -> dict[str, int]:
    """Open descriptors of this process, and how many of them are sockets."""
    folder = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")
    fds = sockets = 0
    for name in os.listdir(folder):
        try:
            mode = os.fstat(int(name)).st_mode
        except OSError:
            continue  # the one that listed the folder
        fds += 1
        sockets += stat.S_ISSOCK(mode)
    return {"fds": fds, "sockets": sockets}


class Resources:
    """Counts the running loop's tasks, the process's descriptors, and each of `others` by its name."""

    def __init__(self, others: Mapping[str, Callable[[], int]] | None = None) -> None:
        self._others = dict(others or {})

    def snapshot(self) -> dict[str, int]:
        """To be noted as `Counted`, before and after; in a running loop."""
        tasks = sum(not task.done() for task in asyncio.all_tasks())
        return {"tasks": tasks, **descriptors(), **{name: count() for name, count in self._others.items()}}
