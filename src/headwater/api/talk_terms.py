"""What the chat and the conversation keep to: who answers, and how much may be said. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from headwater.providers import simulated
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
    #: of a user's day, held for an answer that is under way
    output_tokens_reserved: int = 1_000


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
