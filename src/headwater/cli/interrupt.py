"""Ctrl-C where it does no harm: while something is waited for, never while a record is being shown."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TypeVar

R = TypeVar("R")

#: A signal that comes just before the main thread begins to wait does not end the wait, and Python acts on it only
#: behind it. What is let in waits no longer than this at a time.
HEARD_WITHIN_S = 0.25


class Interrupts:
    """While entered, the first Ctrl-C is a `KeyboardInterrupt` out of `let_in` only: the one that waits when it comes,
    else the next. Any further one is raised wherever the program is, for the person wants to leave.

    Only the main thread hears signals; in another one nothing is changed.
    """

    def __init__(self) -> None:
        self._waiting = False
        self._pressed = 0
        self._told = False
        self._main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Interrupts:
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def let_in(self, wait: Callable[[], R]) -> R:
        """What `wait` returns. Raises `KeyboardInterrupt`; whether `wait` had its result by then is not known."""
        self._waiting = True
        try:
            if self._pressed and not self._told:
                self._raise()
            return wait()
        finally:
            self._waiting = False

    def _press(self, number: int, frame: FrameType | None) -> None:
        self._pressed += 1
        if self._waiting or self._pressed > 1:
            self._raise()

    def _raise(self) -> None:
        self._told = True
        raise KeyboardInterrupt
