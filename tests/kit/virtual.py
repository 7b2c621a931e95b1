"""An event loop whose time is its own: when nothing is ready, it jumps to the next timer.

Everything that runs on it runs as fast as it can compute and sees exact, repeatable times. It has no
sockets to wait for and no threads; a program that waits for nothing at all is reported as a deadlock.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: Any moment; far from 0 so that code that takes 0 for "unset" is found out.
EPOCH_MS = 1_750_000_000_000


class Deadlock(AssertionError):
    """Nothing is ready and no timer is set: whoever still waits will wait for ever."""


class _Selector(selectors.SelectSelector):
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("nothing is ready, and nothing ever will be")
        self.loop.advance(timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 1000 s and moves only from timer to timer."""

    def __init__(self) -> None:
        self._now = 1000.0
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += max(0.0, seconds)


class VirtualClock:
    """The `Clock` of a virtual loop; `jump` moves the wall clock alone, as an operator might."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: int = 0) -> None:
        self._loop = loop
        self._random = random.Random(seed)
        self._offset_ms = EPOCH_MS

    def now_ms(self) -> int:
        return self._offset_ms + int(self._loop.time() * 1000)

    def monotonic(self) -> float:
        return self._loop.time()

    def jump(self, seconds: float) -> None:
        self._offset_ms += int(seconds * 1000)

    @property
    def random(self) -> random.Random:
        return self._random


def run_virtual(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` on a fresh virtual loop; raises `Deadlock` where it would hang."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
