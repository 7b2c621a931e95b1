"""Waiting in virtual time, and other things that a schedule has to have the same each time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from headwater.runs.supervisor import Tasks

T = TypeVar("T")


async def pause(seconds: float) -> None:
    """Lets virtual time pass."""
    await asyncio.sleep(seconds)  # paces: virtual time, the schedule's own


class _OrderedSet(dict[Any, None]):
    """A set that is walked in the order of arrival: a set of tasks is walked by address, which no seed repeats."""

    def add(self, item: Any) -> None:
        self[item] = None

    def discard(self, item: Any) -> None:
        self.pop(item, None)


class OrderedTasks(Tasks):
    """The server's own task keeper; it walks its tasks in the order of arrival and keeps what they raised."""

    def __init__(self) -> None:
        super().__init__()
        #: what should have been handled inside
        self.failures: list[BaseException] = []
        self._tasks = _OrderedSet()  # type: ignore[assignment]

    def _done(self, task: asyncio.Task[None]) -> None:
        super()._done(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)


class Group:
    """Tasks of the world outside the server: clients, orders, chaos."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        return task

    def forget(self, task: asyncio.Task[Any]) -> None:
        """Its end is of no interest any more."""
        del self._tasks[task]

    async def finish(self, within_s: float) -> list[asyncio.Task[Any]]:
        """Waits for all, those that come meanwhile too; cancels and returns the ones that take longer."""
        loop = asyncio.get_running_loop()
        due = loop.time() + within_s
        while (pending := [task for task in self._tasks if not task.done()]) and loop.time() < due:
            await asyncio.wait(pending, timeout=due - loop.time())
        for task in pending:
            task.cancel()
        for task in self._tasks:
            try:
                await task
            except asyncio.CancelledError:
                if task not in pending:
                    raise
        return pending
