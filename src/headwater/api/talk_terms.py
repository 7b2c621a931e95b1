"""What the chat and the conversation keep to: who answers, how much may be said, how much of what was said is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from headwater.domain.message import Message
from headwater.providers import estimate, simulated
from headwater.providers.contract import ModelInfo

_OPENAI: Final = frozenset({"openai", "openai_responses"})
_GEMINI: Final = frozenset({"gemini", "gemini_array", "vertex", "vertex_express"})


class ChatTerms(NamedTuple):
    """Of `/chat`."""

    #: who answers, and who in their place; empty is `usual_models`
    models: Sequence[str] = ()
    message_chars_max: int = 32_000
    #: of earlier messages, and of a whole request
    context_tokens_max: int = 8_000
    input_tokens_max: int = 16_000


class ConversationTerms(NamedTuple):
    """Of `/api/conversation`."""

    models: Sequence[str] = ()
    message_chars_max: int = 4_000
    #: of one answer
    total_s: float = 120.0
    chunks_max: int = 4_000
    context_tokens_max: int = 4_000


def usual_models(models: Iterable[ModelInfo]) -> list[str]:
    """The first model that is called at OpenAI and the first at Gemini, of those that have keys; else `simulated`."""
    usable = [model for model in models if model.missing_key is None]
    first = [next((model.name for model in usable if model.provider in names), None) for names in (_OPENAI, _GEMINI)]
    return [name for name in first if name is not None] or [simulated.NAME]


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
