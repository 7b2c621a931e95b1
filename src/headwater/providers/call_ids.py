"""Ids of tool calls. Pure.

Clients and models look a call up by its id in the whole of a conversation, and there are servers that number the calls
of each answer anew, or leave the ids out.
"""

from __future__ import annotations

from headwater.domain.message import GenerationRequest


class CallIds:
    """Gives each call of an answer an id that neither the answer nor the conversation before it has for another.

    They depend on the request and the order of the calls alone, so the same stream always gives the same ids.
    """

    __slots__ = ("_count", "_taken")

    def __init__(self, request: GenerationRequest | None = None) -> None:
        """Without a request there was no conversation before."""
        messages = () if request is None else request.messages
        self._taken = {call.id for message in messages for call in message.tool_calls}
        self._count = 0

    def __len__(self) -> int:
        """How many were given."""
        return self._count

    def unique(self, id: str, place: int) -> str:
        """The id, or one made from it and the call's place among those of the answer."""
        while id in self._taken:
            id = f"{id}_{place}"
        self._taken.add(id)
        self._count += 1
        return id
