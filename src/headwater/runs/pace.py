"""Who goes when: what begins and what ends takes turns, so that a burst of either does not hold up what streams.

A run costs as much of the event loop's time at its beginning, and again at its end, as ten of its tokens. Where two
hundred begin within half a second they would take all of it, and every answer that is being read would come in jerks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from headwater.clock import Clock

#: The pause after a turn in seconds: event loops count time in milliseconds.
STEP_S: Final = 0.001


class Pace:
    """Turns, in the order in which they were asked for. Who comes alone goes at once.

    After each turn there is a pause of `STEP_S`. Where its end comes late, the loop was busy for so long; as long again
    is then left to the rest. So whoever takes turns here has a share of the loop's time however much there is to do,
    and what takes none, the tokens, goes first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._is_yielding = False
        self._is_open = False

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    async def turn(self) -> None:
        """Returns when it is the caller's turn."""
        if self._is_open:
            return
        if self._timer is None:
            self._pause(STEP_S)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def open(self) -> None:
        """From now on nobody waits: the server is about to stop."""
        self._is_open = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            self._let_go()

    def _pause(self, seconds: float) -> None:
        self._due = self._clock.monotonic() + seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self._over)

    def _over(self) -> None:
        late_s = self._clock.monotonic() - self._due
        if self._waiting and late_s > STEP_S / 2 and not self._is_yielding:
            self._is_yielding = True
            self._pause(late_s)
            return
        self._is_yielding = False
        self._timer = None
        while self._waiting:
            if self._let_go():
                self._pause(STEP_S)
                return

    def _let_go(self) -> bool:
        """The first of those who wait; False where it has gone away meanwhile."""
        waiter = self._waiting.popleft()
        if waiter.done():
            return False
        waiter.set_result(None)
        return True
