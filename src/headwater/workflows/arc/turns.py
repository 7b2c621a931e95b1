"""Who comes next where there are few places and many who wait: each in turn, however much one of them wants."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Turns:
    """`places` are had at a time. Whoever waits with several things waits for one of each other's between two of them.

    To be used on one event loop.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        #: whoever comes next first, with what each waits for in the order in which it came
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, of: Hashable) -> AsyncIterator[None]:
        """A place, as long as the block lasts; `of` is whose turn it is."""
        await self._come(of)
        try:
            yield
        finally:
            self._next()

    async def _come(self, of: Hashable) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(of, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(of, turn)
            else:
                # it came in the same moment
                self._next()
            raise

    def _next(self) -> None:
        while self._waiting:
            of = next(iter(self._waiting))
            theirs = self._waiting.pop(of)
            turn = theirs.popleft()
            if theirs:
                # behind everybody else
                self._waiting[of] = theirs
            # one that was cancelled may not have heard of it yet
            if not turn.cancelled():
                turn.set_result(None)
                return
        self._free += 1

    def _forget(self, of: Hashable, turn: asyncio.Future[None]) -> None:
        theirs = self._waiting.get(of)
        if theirs is not None and turn in theirs:
            theirs.remove(turn)
            if not theirs:
                del self._waiting[of]
