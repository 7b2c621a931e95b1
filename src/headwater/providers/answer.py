"""An answer on its way: its items, whether the request for it is still without one, and what it is known to cost."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from headwater.domain.message import Usage
from headwater.providers.contract import Item


class Answer:
    """A provider's stream that also knows how far its request has gone.

    `async for` gets the generator itself, so that no token costs a step more.
    """

    __slots__ = ("_has_head", "_items", "interim", "is_unanswered")

    def __init__(self, items: Callable[[Answer], AsyncGenerator[list[Item], None]]) -> None:
        """`items` is given the answer, to say what becomes of its request."""
        #: the request went out whole and nothing has come back: it may be worked on, and paid for
        self.is_unanswered = False
        #: the newest usage that the provider has reported and that is not among the items
        self.interim: Callable[[], Usage | None] = lambda: None
        self._has_head = False
        self._items = items(self)

    def __aiter__(self) -> AsyncIterator[list[Item]]:
        return self._items

    async def __anext__(self) -> list[Item]:
        return await anext(self._items)

    async def aclose(self) -> None:
        await self._items.aclose()

    def stands_for(self, stream: AsyncIterator[list[Item]]) -> None:
        """What holds for this stream holds for the answer, once the stream is closed."""
        if is_unanswered(stream):
            self.was_sent()
        self.interim = functools.partial(interim_usage, stream)

    def was_sent(self) -> None:
        """The whole request has been handed to the network."""
        self.is_unanswered = not self._has_head

    def was_answered(self) -> None:
        """The head of an answer has come, be it a refusal; that may be before all was sent."""
        self._has_head, self.is_unanswered = True, False


def is_unanswered(stream: AsyncIterator[list[Item]] | None) -> bool:
    """Whether the request of a stream went out whole and is without an answer; False where that is not known."""
    return isinstance(stream, Answer) and stream.is_unanswered


def interim_usage(stream: AsyncIterator[list[Item]] | None) -> Usage | None:
    """What a stream's provider has reported last of what it used, where that is not among its items."""
    return stream.interim() if isinstance(stream, Answer) else None
