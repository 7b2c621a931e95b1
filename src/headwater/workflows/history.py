"""How much of what was said before is told to a model again. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.domain.message import Message
from headwater.providers import estimate


def newest_within(messages: Sequence[Message], tokens_max: int) -> list[Message]:
    """The newest of these messages that have at most so many tokens, as estimated; the first is the user's."""
    kept: list[Message] = []
    size = 0
    for message in reversed(messages):
        size += estimate.input_bytes([message])
        if estimate.tokens(size) > tokens_max:
            break
        kept.append(message)
    while kept and kept[-1].role != "user":
        kept.pop()
    kept.reverse()
    return kept
