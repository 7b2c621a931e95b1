"""Who runs now and who waits: so many slots, a bounded queue, three priorities. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import get_args

from headwater.domain.run import Priority

#: Best first.
PRIORITIES: tuple[Priority, ...] = get_args(Priority)


class RunQueue:
    """At most `slots` runs hold a slot; at most `waiting_max` wait, best priority first, then oldest first."""

    def __init__(self, slots: int, waiting_max: int) -> None:
        if slots < 1 or waiting_max < 0:
            raise ValueError("a queue needs at least one slot")
        self.slots = slots
        self.waiting_max = waiting_max
        self._running: set[str] = set()
        self._waiting: dict[Priority, OrderedDict[str, None]] = {p: OrderedDict() for p in PRIORITIES}

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def has_slot(self) -> bool:
        """Whether one more run would have a slot at once."""
        return self.running < self.slots

    @property
    def is_full(self) -> bool:
        """Whether one more run could neither start nor wait."""
        return self.running >= self.slots and self.waiting >= self.waiting_max

    def enter(self, run: str, priority: Priority) -> int:
        """Takes a run in; returns 0 if it has a slot, else its place in the queue, 1 being next.

        Raises OverflowError if the queue is full, ValueError if the run is here already.
        """
        if run in self._running or any(run in waiting for waiting in self._waiting.values()):
            raise ValueError(f"{run} is in the queue already")
        if self.has_slot:
            self._running.add(run)
            return 0
        if self.waiting >= self.waiting_max:
            raise OverflowError("the queue is full")
        self._waiting[priority][run] = None
        return self.place(run)

    def place(self, run: str) -> int:
        """0 for a run that has a slot, else its place in the queue, 1 being next. Raises KeyError if it is not here."""
        if run in self._running:
            return 0
        ahead = 0
        for waiting in self._waiting.values():
            if run in waiting:
                return ahead + list(waiting).index(run) + 1
            ahead += len(waiting)
        raise KeyError(run)

    def leave(self, run: str) -> str | None:
        """Lets a run go, whether it ran or waited; returns the run that gets the slot it held, if any."""
        for waiting in self._waiting.values():
            if run in waiting:
                del waiting[run]
                return None
        if run not in self._running:
            return None
        self._running.discard(run)
        for waiting in self._waiting.values():
            if waiting:
                chosen, _ = waiting.popitem(last=False)
                self._running.add(chosen)
                return chosen
        return None
