"""Chat Completions, whole: https://platform.openai.com/docs/api-reference/chat/object.

The same records as a stream gets, folded as they come; the final record becomes the one object.
"""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.delivery.formats.openai_chat import (
    FINISH_REASONS,
    Identity,
    draining_refusal,
    failure_refusal,
    is_citation,
    usage_object,
)
from headwater.delivery.held import Refusal
from headwater.domain import event as ev

_encode = msgspec.json.Encoder().encode


class _Tool:
    __slots__ = ("arguments", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.arguments: list[str] = []


class OpenAIChatCompletion:
    """The encoding of one whole answer. It shows nothing before the run's end, and folds each record once."""

    transport = "openai_completion"
    media_type = b"application/json"
    ends_by_204 = False
    heartbeat = b""
    head_within_s: float | None = None

    __slots__ = (
        "_annotations",
        "_content",
        "_failure",
        "_identity",
        "_logprobs",
        "_reasoning",
        "_refusal",
        "_seq",
        "_tools",
        "ended",
    )

    def __init__(self, identity: Identity) -> None:
        self.ended = False
        self._identity = identity
        self._failure: Refusal | None = None
        self._seq = 0
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._logprobs: list[Any] = []
        self._annotations: list[Any] = []
        self._tools: dict[str, _Tool] = {}

    def record(self, seq: int, payload: bytes) -> bytes:
        """Nothing, but for the final record: the completion, or the error in its place."""
        event = ev.decode_record(payload).event
        if seq > self._seq:
            self._seq = seq
            self._fold(event)
        match event:
            case ev.Complete():
                self.ended = True
                return _encode(self._completion(event))
            case ev.Error() | ev.Cancelled():
                return self._fail(failure_refusal(event))
        return b""

    def skip(self, seq: int) -> bytes:
        return b""

    def greeting(self, retry_ms: int) -> bytes:
        return b""

    def farewell(self, retry_ms: int) -> bytes:
        return self._fail(draining_refusal())

    def refusal(self, data: bytes) -> Refusal | None:
        return self._failure

    def _fail(self, refusal: Refusal) -> bytes:
        self.ended = True
        self._failure = refusal
        return refusal.body

    def _fold(self, event: ev.Event) -> None:
        match event:
            case ev.Chunk():
                self._content.append(event.content)
                if isinstance(event.logprobs, dict):
                    self._logprobs += event.logprobs.get("content") or []
            case ev.Reasoning():
                self._reasoning.append(event.content)
            case ev.Refusal():
                self._refusal.append(event.content)
            case ev.ToolCall():
                self._tools.setdefault(event.id, _Tool(event.name)).arguments.append(event.arguments)
            case ev.Annotation() if is_citation(event.value):
                self._annotations.append(event.value)

    def _message(self) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(self._content) or None,
            "refusal": "".join(self._refusal) or None,
        }
        if not (message["content"] or message["refusal"] or self._tools):
            message["content"] = ""
        if self._reasoning:
            message["reasoning_content"] = "".join(self._reasoning)
        if self._annotations:
            message["annotations"] = self._annotations
        if self._tools:
            message["tool_calls"] = [
                {"id": id, "type": "function", "function": {"name": tool.name, "arguments": "".join(tool.arguments)}}
                for id, tool in self._tools.items()
            ]
        return message

    def _completion(self, event: ev.Complete) -> dict[str, Any]:
        choice = {
            "index": 0,
            "message": self._message(),
            "logprobs": {"content": self._logprobs, "refusal": None} if self._logprobs else None,
            "finish_reason": FINISH_REASONS.get(event.finish_reason, event.finish_reason),
        }
        return {
            "id": self._identity.id,
            "object": "chat.completion",
            "created": self._identity.created,
            "model": self._identity.model,
            "choices": [choice],
            "usage": usage_object(event.usage),
        }
