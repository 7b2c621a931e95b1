"""Chat Completions, beside the openai SDK. What its callers get of a chunk is a `ChatCompletionChunk`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from openai._models import construct_type
from openai.types.chat import ChatCompletionChunk

from benchmarks.decode_subject import WORDS, Subject, compact, recorded
from headwater.providers.contract import Frame
from headwater.providers.openai_chat import OpenAIChat


def subject() -> Subject:
    streams = {
        "synthetic": _synthetic(),
        **recorded(
            "chat",
            "openai-chat/vercel-ai--openai-text-0-93c1aa.sse",
            "deepseek-chat/vercel-ai--deepseek-text-0-02986f.sse",
            "groq-chat/vercel-ai--groq-reasoning-0-871331.sse",
        ),
    }
    return Subject(OpenAIChat(), streams, _construct, {"pydantic: model_validate_json": _validate})


def _construct(frames: Sequence[Frame]) -> None:
    """Without validation."""
    for frame in frames:
        if frame.data != b"[DONE]":
            construct_type(type_=ChatCompletionChunk, value=json.loads(frame.data))


def _validate(frames: Sequence[Frame]) -> None:
    for frame in frames:
        if frame.data != b"[DONE]":
            ChatCompletionChunk.model_validate_json(frame.data)


def _synthetic(chunks: int = 1000) -> bytes:
    """A stream as OpenAI sends it, with words of a few letters."""
    lines = []
    for at in range(chunks):
        delta = {"content": WORDS[at % len(WORDS)]}
        lines.append(_chunk({"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}))
    lines.append(_chunk({"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}))
    return b"".join(b"data: " + line + b"\n\n" for line in [*lines, b"[DONE]"])


def _chunk(choice: dict[str, Any]) -> bytes:
    return compact(
        {
            "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
            "object": "chat.completion.chunk",
            "created": 1_795_000_000,
            "model": "gpt-4o-mini-2024-07-18",
            "service_tier": "default",
            "system_fingerprint": "fp_0123456789",
            "choices": [choice],
            "usage": None,
            "obfuscation": "aB3dE5fG7",
        }
    )
