"""Messages, beside the anthropic SDK. What its callers get of a frame is an event, and the message as it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from anthropic._models import construct_type
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent

from benchmarks.decode_subject import WORDS, Subject, compact, recorded
from headwater.providers.anthropic import Anthropic
from headwater.providers.contract import Frame

#: Its type is a union of classes, which mypy takes for no class.
_EVENT: Final = cast("type[Any]", RawMessageStreamEvent)


def subject() -> Subject:
    streams = {
        "synthetic": _synthetic(),
        # The others are short, and a few frames with whole documents in them.
        **recorded("messages", "anthropic-messages/vercel-ai--anthropic-code-execution-20250825.2-0-24f81c.sse"),
    }
    return Subject(Anthropic(), streams, _accumulate, {"SDK without accumulation": _construct})


def _construct(frames: Sequence[Frame]) -> None:
    """What `messages.create(stream=True)` does."""
    for _ in _events(frames):
        pass


def _accumulate(frames: Sequence[Frame]) -> None:
    """What `messages.stream()` does."""
    message: Any = None
    buffers: dict[int, bytes] = {}
    for event in _events(frames):
        message = accumulate_event(event=event, current_snapshot=message, json_bufs=buffers)


def _events(frames: Sequence[Frame]) -> Iterator[Any]:
    for frame in frames:
        if frame.event != "ping":
            yield construct_type(type_=_EVENT, value=json.loads(frame.data))


def _synthetic(deltas: int = 1000) -> bytes:
    """A stream as Anthropic sends it, with words of a few letters."""
    message: dict[str, Any] = {
        "id": "msg_01AbCdEfGhIjKlMnOpQrStUv",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-6",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "cache_read_input_tokens": 0, "output_tokens": 1},
    }
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ]
    for at in range(deltas):
        delta = {"type": "text_delta", "text": WORDS[at % len(WORDS)]}
        events.append({"type": "content_block_delta", "index": 0, "delta": delta})
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": deltas}},
        {"type": "message_stop"},
    ]
    return b"".join(b"event: %b\ndata: %b\n\n" % (each["type"].encode(), compact(each)) for each in events)
