"""Chat Completions, whole: https://platform.openai.com/docs/api-reference/chat/object.

The same records as a stream gets, kept until the final record becomes the one object. An attempt that supersedes takes
back what came before it, as in any other reading: nothing of that has been shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headwater.delivery.formats.openai_chat import (
    FINISH_REASONS,
    Identity,
    is_citation,
    usage_object,
)
from headwater.delivery.formats.openai_error import refusal
from headwater.delivery.formats.standing_records import Said
from headwater.delivery.formats.whole_answer import StandingAnswer
from headwater.domain import event as ev


class OpenAIChatCompletion(StandingAnswer):
    """The encoding of one whole answer. It shows nothing before the run's end, and takes each record once."""

    transport = "openai_completion"

    __slots__ = ("_identity",)

    def __init__(self, identity: Identity) -> None:
        super().__init__(refusal)
        self._identity = identity

    def answer(self, said: Sequence[Said], end: ev.Complete) -> dict[str, Any]:
        logprobs = _logprobs(said)
        choice = {
            "index": 0,
            "message": _message(said),
            "logprobs": {"content": logprobs, "refusal": None} if logprobs else None,
            "finish_reason": FINISH_REASONS.get(end.finish_reason, "stop"),
        }
        return {
            "id": self._identity.id,
            "object": "chat.completion",
            "created": self._identity.created,
            "model": self._identity.model,
            "choices": [choice],
            "usage": usage_object(end.usage),
        }


def _message(said: Sequence[Said]) -> dict[str, Any]:
    tools = _tool_calls(said)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": _joined(ev.Chunk, said) or None,
        "refusal": _joined(ev.Refusal, said) or None,
    }
    if not (message["content"] or message["refusal"] or tools):
        message["content"] = ""
    if reasoning := _joined(ev.Reasoning, said):
        message["reasoning_content"] = reasoning
    if annotations := [each.value for each in said if isinstance(each, ev.Annotation) and is_citation(each.value)]:
        message["annotations"] = annotations
    if tools:
        message["tool_calls"] = tools
    return message


def _joined(kind: type[ev.Chunk | ev.Reasoning | ev.Refusal], said: Sequence[Said]) -> str:
    return "".join(each.content for each in said if isinstance(each, kind))


def _tool_calls(said: Sequence[Said]) -> list[dict[str, Any]]:
    pieces: dict[str, list[ev.ToolCall]] = {}
    for each in said:
        if isinstance(each, ev.ToolCall):
            pieces.setdefault(each.id, []).append(each)
    return [
        {
            "id": id,
            "type": "function",
            "function": {"name": first.name, "arguments": "".join(piece.arguments for piece in (first, *rest))},
        }
        for id, (first, *rest) in pieces.items()
    ]


def _logprobs(said: Sequence[Said]) -> list[Any]:
    given = [each.logprobs for each in said if isinstance(each, ev.Chunk) and isinstance(each.logprobs, dict)]
    return [token for each in given for token in each.get("content") or []]
