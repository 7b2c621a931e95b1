"""Tokens where nobody counted them: one for every four bytes of UTF-8 text, rounded up.

A rule of thumb, for a glance and for a limit, not for a bill; what rests on it is marked `estimated`. Exact counts
would need each model's own tokenizer. What was put out is counted with its reasoning, its refusals and the arguments
of its tools. The pages keep to the same rule while an answer grows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from headwater.domain.message import Message, TextPart, ToolResultPart, Usage

BYTES_PER_TOKEN: Final = 4


def tokens(size_bytes: int) -> int:
    return -(-size_bytes // BYTES_PER_TOKEN)


def utf8_bytes(text: str) -> int:
    """How long a text is as UTF-8; half a surrogate pair counts as one byte."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def input_bytes(messages: Iterable[Message]) -> int:
    """The text of messages: parts, tool calls and tool results. Images are not counted."""
    return sum(map(_message_bytes, messages))


def usage(asked_bytes: int, said_bytes: int, reasoning_bytes: int = 0) -> Usage:
    """An estimate. `said_bytes` is of all output, that of reasoning included."""
    return Usage(
        input_tokens=tokens(asked_bytes),
        output_tokens=tokens(said_bytes),
        reasoning_tokens=min(tokens(reasoning_bytes), tokens(said_bytes)),
        source="estimated",
    )


def completed(reported: Usage | None, guess: Usage) -> Usage | None:
    """What is to be said of the usage of a call that came to `guess`; None where its provider has said it all.

    Some say at the beginning what was asked, and only at the end what was said; until then their report is an estimate.
    """
    if reported is None:
        return guess
    if reported.source == "provider" or reported.output_tokens >= guess.output_tokens:
        return None
    return msgspec.structs.replace(
        reported, output_tokens=guess.output_tokens, reasoning_tokens=guess.reasoning_tokens, cost_usd=None
    )


def _message_bytes(message: Message) -> int:
    size = sum(utf8_bytes(call.arguments) for call in message.tool_calls) + utf8_bytes(message.reasoning or "")
    if isinstance(message.content, str):
        return size + utf8_bytes(message.content)
    for part in message.content:
        if isinstance(part, TextPart):
            size += utf8_bytes(part.text)
        elif isinstance(part, ToolResultPart):
            size += utf8_bytes(part.content)
    return size
