"""What a decoded stream came to, in the form that the tests of the recordings compare with a golden's."""

from collections.abc import Iterator
from typing import Any

from headwater.domain.event import Chunk, Reasoning, Refusal, ToolCall, UsageReport
from headwater.domain.message import Usage
from headwater.providers.contract import Finish
from headwater.testing.dialect import Decoded


def summary_of(decoded: Decoded) -> dict[str, Any]:
    """Text, reasoning and refusal joined, tool calls put together, the last usage, and the provider's own finish."""
    usages = [item.usage for item in decoded.items if isinstance(item, UsageReport)]
    finishes = [item.raw or None for item in decoded.items if isinstance(item, Finish)]
    return {
        "text": _joined(decoded, Chunk),
        "reasoning": _joined(decoded, Reasoning),
        "refusal": _joined(decoded, Refusal),
        "tool_calls": list(_tool_calls(decoded)),
        "finish": finishes[0] if finishes else None,
        "usage": counts(usages[-1]) if usages else None,
    }


def counts(usage: Usage) -> tuple[int, int, int, int]:
    """Input, cached, output and reasoning tokens."""
    return usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens


def assert_tool_calls_end(decoded: Decoded) -> None:
    """Every tool call is done once and last, in a stream that completed; in one that failed it may not be done."""
    pieces: dict[str, list[bool]] = {}
    for item in decoded.items:
        if isinstance(item, ToolCall):
            pieces.setdefault(item.id, []).append(item.done)
    for done in pieces.values():
        assert True not in done[:-1]
        assert done[-1] or not decoded.completed


def _joined(decoded: Decoded, kind: type[Chunk] | type[Reasoning] | type[Refusal]) -> str:
    return "".join(item.content for item in decoded.items if isinstance(item, kind))


def _tool_calls(decoded: Decoded) -> Iterator[tuple[str, str, str]]:
    """Id, name and arguments."""
    pieces = [item for item in decoded.items if isinstance(item, ToolCall)]
    for call_id in dict.fromkeys(piece.id for piece in pieces):
        own = [piece for piece in pieces if piece.id == call_id]
        yield call_id, own[0].name, "".join(piece.arguments for piece in own)
