"""Messages, streamed: https://platform.claude.com/docs/en/build-with-claude/streaming.

`message_start`, the content block by block, `message_delta` with the reason for the end and the usage, `message_stop`;
`ping` while nothing else comes. What goes wrong is an `error` event, and nothing follows it. Every event has a name:
the SDKs drop those that have none. Never `id:` nor `retry:`, for nobody resumes this format.

The usage is known at the end only: `message_start` has zeros, and the counts of `message_delta` are totals.
"""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.delivery.formats.anthropic_error import error_json, refusal
from headwater.delivery.formats.content_blocks import ContentBlocks
from headwater.delivery.formats.openai_chat import HEAD_WITHIN_S, draining_refusal, failure, failure_refusal
from headwater.delivery.held import Refusal
from headwater.domain import event as ev
from headwater.domain.message import Usage

#: Our reasons for an end in Anthropic's words, which has none for a filter that is not the model's own.
STOP_REASONS: dict[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
}

_TYPE = b',"type":"'
#: What nearly every record is: text.
_CHUNK = _TYPE + b'chunk","data":{"content":'
_INDEX = b',"index":'
_TEXT_DELTA = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":%b}}\n\n'
)
_ERROR = b"event: error\n"

_encode = msgspec.json.Encoder().encode


class Identity(msgspec.Struct, frozen=True):
    """What one answer says of itself: from the run, so that it is the same each time."""

    id: str
    #: the model's name as the caller said it
    model: str


def identity(run: str, model: str) -> Identity:
    return Identity(f"msg_{run.removeprefix('run_')}", model)


def message_object(identity: Identity, content: list[Any]) -> dict[str, Any]:
    """A message that has not ended, so that nothing is counted yet."""
    return {
        "id": identity.id,
        "type": "message",
        "role": "assistant",
        "model": identity.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


def usage_object(usage: Usage) -> dict[str, Any]:
    """`usage` as Anthropic counts: input tokens are without those that the cache gave or took. An estimate says so."""
    written, _ = usage.cache_writes
    counted: dict[str, Any] = {
        # There are servers that report more from the cache than went in.
        "input_tokens": max(0, usage.input_tokens - usage.cached_input_tokens - written),
        "cache_read_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }
    if written:
        counted["cache_creation_input_tokens"] = written
    if usage.source == "estimated":
        counted["estimated"] = True
    return counted


def ending(event: ev.Complete, refusal_words: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the end adds to the message, and its usage. Words of a refusal make it one, whatever the provider says."""
    reason = "refusal" if refusal_words else STOP_REASONS.get(event.finish_reason, "end_turn")
    ended: dict[str, Any] = {"stop_reason": reason, "stop_sequence": None}
    if refusal_words:
        ended["stop_details"] = {"type": "refusal", "category": None, "explanation": refusal_words}
    return ended, usage_object(event.usage)


class AnthropicStream:
    """The encoding of one streamed answer. What it learns is where blocks begin and end: facts of the log."""

    transport = "anthropic_stream"
    media_type = b"text/event-stream; charset=utf-8"
    ends_by_204 = False
    heartbeat = b'event: ping\ndata: {"type":"ping"}\n\n'
    head_within_s: float | None = HEAD_WITHIN_S

    __slots__ = ("_blocks", "_failure", "_identity", "ended")

    def __init__(self, identity: Identity) -> None:
        self.ended = False
        self._identity = identity
        self._blocks = ContentBlocks()
        self._failure: Refusal | None = None

    def record(self, seq: int, payload: bytes) -> bytes:
        """The events of a record; empty for what this format does not show."""
        # The codec's order is fixed: the type is third, in the data the text is first and its part's index last.
        at = payload.index(_TYPE)
        if payload.startswith(_CHUNK, at):
            end = payload.rfind(_INDEX)
            part = payload[end + len(_INDEX) : -2]
            if part.isdigit() and (index := self._blocks.goes_on(seq, int(part))) is not None:
                return _TEXT_DELTA % (index, payload[at + len(_CHUNK) : end])
        return self._rare(seq, ev.decode_record(payload).event)

    def skip(self, seq: int) -> bytes:
        return b""

    def greeting(self, retry_ms: int) -> bytes:
        return _event({"type": "message_start", "message": message_object(self._identity, [])})

    def farewell(self, retry_ms: int) -> bytes:
        self.ended = True
        self._failure = draining_refusal(refusal)
        return _ERROR + b"data: " + self._failure.body + b"\n\n"

    def refusal(self, data: bytes) -> Refusal | None:
        return self._failure if data.startswith(_ERROR) else None

    def _rare(self, seq: int, event: ev.Event) -> bytes:
        content = b"".join(map(_event, self._blocks.events(seq, event)))
        match event:
            case ev.Complete():
                self.ended = True
                delta, usage = ending(event, "".join(self._blocks.refusal))
                return content + _event({"type": "message_delta", "delta": delta, "usage": usage}) + _STOP
            case ev.Error() | ev.Cancelled():
                self.ended = True
                self._failure = failure_refusal(event, refusal)
                return _ERROR + b"data: " + error_json(*failure(event)) + b"\n\n"
        return content


def _event(event: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _encode(event))


_STOP = _event({"type": "message_stop"})
