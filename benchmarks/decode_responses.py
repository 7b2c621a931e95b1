"""Responses, beside the openai SDK. What its callers get of a frame is an event, and the response as it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from openai import omit
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent

from benchmarks.decode_subject import WORDS, Subject, compact, recorded
from headwater.providers.contract import Frame
from headwater.providers.openai_responses import OpenAIResponses

#: Its type is a union of classes, which mypy takes for no class.
_EVENT: Final = cast("type[Any]", ResponseStreamEvent)


def subject() -> Subject:
    streams = {
        "synthetic": _synthetic(),
        **recorded(
            "responses",
            "openai-responses/openllmetry--responses-streaming-1-a632be.sse",
            "openai-responses/pydantic-ai--openai-responses-thinking-part-iter-0-39ffba.sse",
            "xai-responses/vercel-ai--xai-text-streaming.1-0-17cb31.sse",
        ),
    }
    return Subject(OpenAIResponses(), streams, _construct, {"SDK with accumulation": _accumulate})


def _construct(frames: Sequence[Frame]) -> None:
    """What `responses.create(stream=True)` does."""
    for _ in _events(frames):
        pass


def _accumulate(frames: Sequence[Frame]) -> None:
    """What `responses.stream()` does."""
    state = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in _events(frames):
        state.handle_event(event)


def _events(frames: Sequence[Frame]) -> Iterator[Any]:
    for frame in frames:
        if frame.data != b"[DONE]":
            yield construct_type(type_=_EVENT, value=json.loads(frame.data))


def _synthetic(deltas: int = 1000) -> bytes:
    """A stream as OpenAI sends it, with words of a few letters."""
    words = [WORDS[at % len(WORDS)] for at in range(deltas)]
    place = {"item_id": "msg_0a5e72c4d8eb43c50069cbcbf837b4819b", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    said = {**part, "text": "".join(words)}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": _response("in_progress")},
        {"type": "response.in_progress", "response": _response("in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": _message("in_progress")},
        {"type": "response.content_part.added", **place, "part": part},
    ]
    for word in words:
        delta = {"delta": word, "logprobs": [], "obfuscation": "aB3dE5fG7"}
        events.append({"type": "response.output_text.delta", **place, **delta})
    events += [
        {"type": "response.output_text.done", **place, "text": said["text"], "logprobs": []},
        {"type": "response.content_part.done", **place, "part": said},
        {"type": "response.output_item.done", "output_index": 0, "item": _message("completed", said)},
        {"type": "response.completed", "response": _response("completed", _message("completed", said))},
    ]
    numbered = [{**event, "sequence_number": at} for at, event in enumerate(events)]
    return b"".join(b"event: %b\ndata: %b\n\n" % (each["type"].encode(), compact(each)) for each in numbered)


def _message(status: str, *content: dict[str, Any]) -> dict[str, Any]:
    identity = {"id": "msg_0a5e72c4d8eb43c50069cbcbf837b4819b", "type": "message", "role": "assistant"}
    return {**identity, "status": status, "content": list(content)}


def _response(status: str, *output: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "resp_0a5e72c4d8eb43c50069cbcbf7fa78819b",
        "object": "response",
        "created_at": 1_795_000_000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": "gpt-5-mini-2025-08-07",
        "output": list(output),
        "parallel_tool_calls": True,
        "reasoning": {"effort": "low", "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
        "metadata": {},
    }
