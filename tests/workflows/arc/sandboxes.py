"""Programs for a sandbox, and its processes as the system sees them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import psutil

from headwater.workflows.arc.sandbox import Outcome, Sandbox

GRID: Final = [[1, 2], [3, 4]]


def body(lines: str) -> str:
    """A program whose function has these lines."""
    return "def transform(grid):\n" + "".join(f"    {line}\n" for line in lines.splitlines())


def workers() -> list[psutil.Process]:
    """The processes of sandboxes."""
    found = []
    for each in psutil.Process().children():
        # one may go while it is looked at
        with suppress(psutil.NoSuchProcess):
            if each.status() != psutil.STATUS_ZOMBIE and each.name() == "monty":
                found.append(each)
    return found


async def the_worker() -> psutil.Process:
    async with asyncio.timeout(10):
        while not (found := workers()):  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.01)  # paces: another process is on its way, which tells nobody
    return found[0]


async def gone(process: psutil.Process) -> None:
    async with asyncio.timeout(10):
        with suppress(psutil.NoSuchProcess):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.01)  # paces: the kernel ends another process, which tells nobody


async def only(sandbox: Sandbox, source: str) -> Outcome:
    (outcome,) = await sandbox.run(source, [GRID])
    return outcome
