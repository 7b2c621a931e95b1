"""How long one model call may put out nothing. Each call is watched for itself, however many run side by side.

Only the time in which somebody waits for the provider counts: while the workflow or the disk keeps the call
waiting, it is not the provider who is silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

from headwater.clock import Clock
from headwater.providers.contract import Item, Silence
from headwater.runs.meter import OUTPUT

Phase = Literal["first_token", "idle"]


class SilenceWatch:
    """Watches one call, from `waits` to `over`, and calls `broken(phase, limit_s)` when a limit is reached.

    One timer that looks at the clock when it fires, not one set anew for every token.
    """

    def __init__(self, limits: Silence, clock: Clock, broken: Callable[[Phase, float], object]) -> None:
        self._clock = clock
        self._broken = broken
        self._phase: Phase = "first_token"
        self._limit_s = limits.first_token_s
        self._idle_s = limits.idle_s
        #: waited for since the newest output, without the wait that is under way
        self._waited_s = 0.0
        #: since when the provider is being waited for, if it is
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: whoever waits for the provider, or did last
        self.waiter: asyncio.Task[object] | None = None

    def waits(self) -> None:
        """The provider is asked for what comes next."""
        self._since = self._clock.monotonic()
        self.waiter = asyncio.current_task()
        if self._timer is None and self._limit_s is not None:
            self._arm(self._limit_s - self._waited_s)

    def took(self, items: Sequence[Item]) -> None:
        """The provider has sent something. Only output of the model breaks its silence."""
        for item in items:
            # a loop and not `any`, which would cost every token as much again as all else here
            if type(item) in OUTPUT:
                self._waited_s = 0.0
                if self._phase == "first_token":
                    self._phase, self._limit_s = "idle", self._idle_s
                    self._disarm()
                break
        else:
            if self._since is not None:
                self._waited_s += self._clock.monotonic() - self._since
        self._since = None

    def over(self) -> None:
        """The call has ended, or its connection has; `waits` goes on with what is left of it on another one."""
        self._since, self._waited_s = None, 0.0
        self._disarm()

    def _look(self) -> None:
        self._timer = None
        if self._since is None or self._limit_s is None:
            return
        left_s = self._limit_s - self._waited_s - (self._clock.monotonic() - self._since)
        if left_s > 0:
            self._arm(left_s)
        else:
            self._broken(self._phase, self._limit_s)

    def _arm(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._look)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
