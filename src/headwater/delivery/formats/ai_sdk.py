"""The AI SDK's UI message stream, version 1: what `useChat` of npm's `ai` 7 reads.

https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol, and `uiMessageChunkSchema` of the package, which refuses types
that it does not know: `start`, `start-step`, then text and reasoning as `-start`, `-delta`, `-end`, tool calls as
`tool-input-start`, `-delta`, `-available`, then `finish-step`, `finish` and `[DONE]`. A resume is a replay from the
first part with the same message id, so every id here is made of the log: a part's is the seq of its first record.

What the model said that is no text: sources that have an address are `source-url`; whatever else a provider added is
`data-annotation`, what has to be sent back to it in a later turn is `data-provider`, and the page sends both back as it
got them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from headwater.delivery.formats.growing_fields import GrowingFields
from headwater.delivery.formats.openai_chat import HEAD_WITHIN_S, failure
from headwater.delivery.formats.segments import Segment, Segments
from headwater.delivery.formats.shown import Shown, is_told
from headwater.delivery.formats.tool_inputs import ToolInputs
from headwater.delivery.held import Refusal
from headwater.domain import event as ev
from headwater.errors import CODES, ErrorCode
from headwater.wire.sse import encode_comment

#: By this the client's own servers say what they stream.
STREAM_HEADER = (b"x-vercel-ai-ui-message-stream", b"v1")

#: Our reasons for an end in the client's words.
FINISH_REASONS: dict[str, str] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
    "refusal": "content-filter",
}

_DONE = b"data: [DONE]\n\n"
_ERROR = b'data: {"type":"error"'
_encode = msgspec.json.Encoder().encode


class Identity(msgspec.Struct, frozen=True):
    """What one answer says of itself: from the run, so that it is the same each time."""

    run: str
    #: the id of the message that the parts belong to
    message: str
    #: the model's name as the caller said it
    model: str


def message_id(run: str) -> str:
    """The id of the message that a run's answer begins."""
    return f"msg_{run.removeprefix('run_')}"


def text_refusal(code: str, message: str, *, status: int | None = None, retry_after_s: float | None = None) -> Refusal:
    """An answer that says no: one sentence, which the client shows as its error's message."""
    try:
        known = CODES[ErrorCode(code)].status
    except ValueError:
        known = 500
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"headwater-error", code.encode())]
    if retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % max(0, -int(-retry_after_s // 1))))
    return Refusal(status or known, tuple(headers), message.encode("utf-8", "replace"))


class AISDKStream:
    """The encoding of one answer. What it learns is where parts and tool calls begin: facts of the log."""

    transport = "ai_sdk"
    media_type = b"text/event-stream"
    ends_by_204 = False
    heartbeat = encode_comment("heartbeat")
    head_within_s: float | None = HEAD_WITHIN_S

    __slots__ = ("_earlier", "_failure", "_fields", "_identity", "_segments", "_shown", "_tools", "ended")

    def __init__(self, identity: Identity, *, earlier: Iterable[dict[str, Any]] = ()) -> None:
        """`earlier` are the parts that the message had before this run, for who begins with the message's first."""
        self.ended = False
        self._identity = identity
        self._earlier = b"".join(map(_part, earlier))
        self._segments = Segments()
        self._tools = ToolInputs()
        self._shown = Shown()
        self._fields = GrowingFields()
        self._failure: Refusal | None = None

    def record(self, seq: int, payload: bytes) -> bytes:
        """The parts of a record; empty for what this format does not show."""
        event = ev.decode_record(payload).event
        if not self._shown.is_shown(seq, event):
            return b""
        match event:
            case ev.Chunk() | ev.Reasoning() | ev.Refusal():
                return self._text(seq, event)
            case ev.ToolCall():
                return self._tool_call(seq, event)
            case ev.Field():
                return self._field(seq, event)
            case ev.Complete():
                return self._complete(seq, event)
            case ev.Error() | ev.Cancelled():
                return self._failed(seq, event)
        data = _data_part(seq, event)
        return b"" if data is None else _part(data)

    def skip(self, seq: int) -> bytes:
        return b""

    def greeting(self, retry_ms: int) -> bytes:
        metadata = {"run": self._identity.run, "model": self._identity.model}
        start = {"type": "start", "messageId": self._identity.message, "messageMetadata": metadata}
        return _part(start) + self._earlier + _part({"type": "start-step"})

    def farewell(self, retry_ms: int) -> bytes:
        """Nothing: a stream that just ends looks whole to this client, so the connection is broken off instead."""
        return b""

    def refusal(self, data: bytes) -> Refusal | None:
        return self._failure if data.startswith(_ERROR) else None

    def _text(self, seq: int, event: ev.Chunk | ev.Reasoning | ev.Refusal) -> bytes:
        before = self._segments.at(seq - 1)
        self._segments.learn(seq, event)
        segment = self._segments.at(seq)
        assert segment is not None, "a text record is in a segment"
        opening = b""
        if segment.seq == seq:
            opening = _end(before) + _part({"type": f"{segment.kind}-start", "id": _id(segment)})
        return opening + _part({"type": f"{segment.kind}-delta", "id": _id(segment), "delta": event.content})

    def _tool_call(self, seq: int, event: ev.ToolCall) -> bytes:
        tool = self._tools.learn(seq, event)
        named = {"toolCallId": tool.id, "toolName": tool.name}
        parts = b"" if tool.seq != seq else _part({"type": "tool-input-start", **named})
        if event.arguments and (tool.done_at is None or seq <= tool.done_at):
            parts += _part({"type": "tool-input-delta", "toolCallId": tool.id, "inputTextDelta": event.arguments})
        if tool.done_at != seq:
            return parts
        try:
            arguments: object = msgspec.json.decode(tool.arguments or "{}")
            return parts + _part({"type": "tool-input-available", **named, "input": arguments})
        except (msgspec.DecodeError, RecursionError):
            fault = {"input": tool.arguments, "errorText": "The model's arguments are not JSON, or nested too deep."}
            return parts + _part({"type": "tool-input-error", **named, **fault})

    def _field(self, seq: int, event: ev.Field) -> bytes:
        """One part for each path: the client puts a newer value in the place of an older one."""
        place = self._fields.place(seq, event)
        if place is None:
            return b""
        return b"".join(
            _part(_data("field", {"path": each.path, "value": each.value, "done": each.is_done}, id=each.path))
            for each in (place, *self._fields.below(seq, place))
        )

    def _complete(self, seq: int, event: ev.Complete) -> bytes:
        self.ended = True
        metadata = {"usage": msgspec.to_builtins(event.usage)}
        reason = FINISH_REASONS.get(event.finish_reason, "other")
        finish = {"type": "finish", "finishReason": reason, "messageMetadata": metadata}
        return _end(self._segments.at(seq)) + _part({"type": "finish-step"}) + _part(finish) + _DONE

    def _failed(self, seq: int, event: ev.Error | ev.Cancelled) -> bytes:
        self.ended = True
        end = _end(self._segments.at(seq))
        code, message = failure(event)
        if isinstance(event, ev.Cancelled):
            return end + _part({"type": "abort", "reason": event.by}) + _DONE
        after_s = None if event.retry_after_ms is None else event.retry_after_ms / 1000
        self._failure = text_refusal(code, message, retry_after_s=after_s)
        return end + _part({"type": "error", "errorText": message}) + _DONE


def _part(part: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % _encode(part)


def _id(segment: Segment) -> str:
    return f"{segment.kind}-{segment.seq}"


def _end(segment: Segment | None) -> bytes:
    return b"" if segment is None else _part({"type": f"{segment.kind}-end", "id": _id(segment)})


def _data_part(seq: int, event: ev.Event) -> dict[str, Any] | None:
    """A part for what is no text and no tool call; None for what is not shown."""
    match event:
        case ev.Annotation():
            return _source(seq, event.value) or _data("annotation", {"provider": event.provider, "value": event.value})
        case ev.ProviderData():
            return _data("provider", {"provider": event.provider, "value": event.value})
        case ev.Context():
            return _data("context", event.context)
        case ev.Iteration():
            return _data("iteration", {"number": event.number, **event.data})
        case ev.Log():
            return _data("log", {"level": event.level, "message": event.message}, transient=True)
        case ev.Status() if is_told(event):
            return _data("status", msgspec.to_builtins(event), transient=True)
    return None


def _data(name: str, data: object, **more: object) -> dict[str, Any]:
    return {"type": f"data-{name}", "data": data, **more}


def _source(seq: int, value: object) -> dict[str, Any] | None:
    """An annotation that is a citation in OpenAI's form, as Chat Completions or Responses have it."""
    if not isinstance(value, dict) or value.get("type") != "url_citation":
        return None
    citation = value.get("url_citation", value)
    if not isinstance(citation, dict) or not isinstance(url := citation.get("url"), str):
        return None
    source: dict[str, Any] = {"type": "source-url", "sourceId": f"source-{seq}", "url": url}
    if isinstance(title := citation.get("title"), str):
        source["title"] = title
    return source
