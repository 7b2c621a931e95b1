"""Gemini, beside Google's SDK: as events, and as one array, which the SDK does not read: it is given the frames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from google.genai.models import _GenerateContentResponse_from_mldev
from google.genai.types import GenerateContentResponse

from benchmarks.decode_subject import WORDS, Subject, compact, recorded
from headwater.providers.contract import Frame
from headwater.providers.gemini import Gemini, GeminiQuirks

#: A frame of Google's is some twenty tokens, and tells of its usage each time.
_TARGET_US: Final = 10.0


def subject() -> Subject:
    streams = {
        "synthetic": b"".join(b"data: %b\r\n\r\n" % compact(each) for each in _responses()),
        **recorded("generate-content", "google-generate-content/openinference--streaming-reasoning-0-82e08d.sse"),
    }
    return Subject(Gemini(), streams, _construct, target_us=_TARGET_US)


def array_subject() -> Subject:
    texts = [json.dumps(each, indent=2, ensure_ascii=False).encode() for each in _responses()]
    body = b"[" + b"\n,\n".join(texts) + b"\n]"
    return Subject(Gemini(GeminiQuirks(events=False)), {"synthetic": body}, _construct, target_us=2 * _TARGET_US)


def _construct(frames: Sequence[Frame]) -> None:
    """What `models.generate_content_stream()` does."""
    for frame in frames:
        response = _GenerateContentResponse_from_mldev(json.loads(frame.data), None, None)
        GenerateContentResponse._from_response(response=response, kwargs={})


def _responses(count: int = 1000) -> list[dict[str, Any]]:
    """A stream as Google sends it, with words of a few letters (its own have some twenty tokens a frame)."""
    responses = [_response(WORDS[at % len(WORDS)], at + 1) for at in range(count)]
    responses[-1]["candidates"][0]["finishReason"] = "STOP"
    return responses


def _response(text: str, tokens: int) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 11,
            "candidatesTokenCount": tokens,
            "totalTokenCount": 11 + tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 11}],
            "serviceTier": "standard",
        },
        "modelVersion": "gemini-3.5-flash",
        "responseId": "iCUhao2zJ-LHjuMP1vvH2Qk",
    }
