"""Time and chance, behind one door, so that a simulation can turn the hands.

Timers themselves are the event loop's (`loop.call_at`): a virtual loop moves them together with
`Clock.monotonic`. Limits and leases use monotonic time only, so a jump of the wall clock moves nothing.
"""

from __future__ import annotations

import random
import time
from typing import Protocol


class Clock(Protocol):
    """Where the server gets time and randomness from."""

    def now_ms(self) -> int:
        """Wall clock, milliseconds since 1970 (UTC). For showing and storing, never for measuring."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        ...

    @property
    def random(self) -> random.Random:
        """For jitter and simulated answers. Ids and keys come from `secrets`, never from here."""
        ...


class SystemClock:
    """The machine's own clock."""

    def __init__(self) -> None:
        self._random = random.Random()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    # Asked for twice a token, so it is the function itself and no call around it.
    monotonic = staticmethod(time.monotonic)

    @property
    def random(self) -> random.Random:
        return self._random
