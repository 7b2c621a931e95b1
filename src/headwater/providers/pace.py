"""How fast something recorded is played: at its own pace, faster, slower, or at once."""

from __future__ import annotations

import asyncio
from typing import Literal

Speed = float | Literal["instant"]

SPEED_MIN, SPEED_MAX = 0.01, 1000.0


def is_speed(value: object) -> bool:
    """Whether this is a factor within the bounds, or the word for no pace at all."""
    if isinstance(value, bool):
        return False
    return value == "instant" or (isinstance(value, int | float) and SPEED_MIN <= value <= SPEED_MAX)


class Pace:
    """A beginning, now, and a speed. Waits count from the beginning, so that being late once delays nothing after it.

    Must be made in a running loop.
    """

    def __init__(self, speed: Speed) -> None:
        self._speed = speed
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    async def until(self, at_ms: float) -> None:
        """Returns when what was recorded `at_ms` after the recording's beginning is due.

        At least once round the loop: what plays without a pace holds up nobody.
        """
        left_s = 0.0
        if not isinstance(self._speed, str):
            left_s = self._began + at_ms / 1000 / self._speed - self._loop.time()
        await asyncio.sleep(max(0.0, left_s))
