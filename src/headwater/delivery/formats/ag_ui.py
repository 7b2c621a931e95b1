"""AG-UI, version 1.0: the events of one agent's run. https://docs.ag-ui.com/concepts/events

`RUN_STARTED`, text and reasoning as messages with a start, pieces and an end, tool calls likewise, `RUN_FINISHED` or
`RUN_ERROR`. Every block is one JSON object, so no `[DONE]` follows. What was begun is ended before the run is, for the
client's verifier refuses a run that leaves something open.

A `field` of a structured answer is a `STATE_DELTA` (RFC 6902) of the agent's state, which knows no text that grows:
that is said again now and then. What AG-UI has no word for is `CUSTOM`, with the event's name in the log.
"""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.delivery.formats.growing_fields import GrowingFields, Place
from headwater.delivery.formats.openai_chat import HEAD_WITHIN_S
from headwater.delivery.formats.segments import Segment, Segments
from headwater.delivery.formats.shown import Shown, is_told
from headwater.delivery.formats.tool_inputs import ToolInputs
from headwater.delivery.held import Refusal
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.errors import ErrorCode
from headwater.wire.sse import encode_comment

PROTOCOL_VERSION = "1.0"
#: What of a path the client refuses to patch, as an attempt on its objects (fast-json-patch, `applyOperation`).
_BANNED = ("/__proto__/", "/constructor/prototype/")

_encode = msgspec.json.Encoder().encode


class Identity(msgspec.Struct, frozen=True):
    """What one answer says of itself: the caller's own names for the thread and the run, and what our run is."""

    thread: str
    run: str
    #: Headwater's run, of which the ids of messages are made
    log: str
    model: str


class AGUIStream:
    """The encoding of one answer. What it learns is where messages and tool calls begin: facts of the log."""

    transport = "ag_ui"
    media_type = b"text/event-stream"
    ends_by_204 = False
    heartbeat = encode_comment("heartbeat")
    head_within_s: float | None = HEAD_WITHIN_S

    __slots__ = ("_fields", "_identity", "_segments", "_shown", "_tools", "ended")

    def __init__(self, identity: Identity) -> None:
        self.ended = False
        self._identity = identity
        self._segments = Segments()
        self._tools = ToolInputs()
        self._shown = Shown()
        self._fields = GrowingFields()

    def record(self, seq: int, payload: bytes) -> bytes:
        """The events of a record; empty for what this format does not show."""
        event = ev.decode_record(payload).event
        if not self._shown.is_shown(seq, event):
            return b""
        match event:
            case ev.Chunk() | ev.Reasoning() | ev.Refusal():
                return self._text(seq, event)
            case ev.ToolCall():
                return self._tool_call(seq, event)
            case ev.Field():
                delta = _patch(event, self._fields.place(seq, event))
                return _event("STATE_DELTA", delta=delta) if delta else b""
            case ev.Complete() | ev.Cancelled():
                return self._finished(seq, event)
            case ev.Error():
                self.ended = True
                return self._ends(seq) + _event("RUN_ERROR", message=event.message, code=event.code)
        return _custom(event)

    def skip(self, seq: int) -> bytes:
        return b""

    def greeting(self, retry_ms: int) -> bytes:
        metadata = {"run": self._identity.log}
        return _event("RUN_STARTED", **self._named(), protocolVersion=PROTOCOL_VERSION, metadata=metadata)

    def farewell(self, retry_ms: int) -> bytes:
        """This protocol has no way back to a run: whoever is there is told that it ends for him."""
        self.ended = True
        return _event("RUN_ERROR", message="The server is shutting down.", code=ErrorCode.DRAINING.value)

    def refusal(self, data: bytes) -> Refusal | None:
        """Never: a run that failed is told by an event, whenever that was."""
        return None

    def _named(self) -> dict[str, Any]:
        return {"threadId": self._identity.thread, "runId": self._identity.run}

    def _message(self, segment: Segment | None) -> str:
        """The id of a segment's message; without one that of the message that tool calls begin."""
        begun = f"msg_{self._identity.log.removeprefix('run_')}"
        return begun if segment is None else f"{begun}-{segment.seq}"

    def _text(self, seq: int, event: ev.Chunk | ev.Reasoning | ev.Refusal) -> bytes:
        before = self._segments.at(seq - 1)
        self._segments.learn(seq, event)
        segment = self._segments.at(seq)
        assert segment is not None, "a text record is in a segment"
        id = self._message(segment)
        opening = b"" if segment.seq != seq else self._end(before) + _start(segment, id)
        if not event.content:
            return opening
        kind = "TEXT_MESSAGE_CONTENT" if segment.kind == "text" else "REASONING_MESSAGE_CONTENT"
        return opening + _event(kind, messageId=id, delta=event.content)

    def _end(self, segment: Segment | None) -> bytes:
        if segment is None:
            return b""
        id = self._message(segment)
        if segment.kind == "text":
            return _event("TEXT_MESSAGE_END", messageId=id)
        return _event("REASONING_MESSAGE_END", messageId=id) + _event("REASONING_END", messageId=id)

    def _tool_call(self, seq: int, event: ev.ToolCall) -> bytes:
        tool = self._tools.learn(seq, event)
        told = b""
        if tool.seq == seq:
            parent = self._message(self._segments.text_at(seq))
            told = _event("TOOL_CALL_START", toolCallId=tool.id, toolCallName=tool.name, parentMessageId=parent)
        if event.arguments and (tool.done_at is None or seq <= tool.done_at):
            told += _event("TOOL_CALL_ARGS", toolCallId=tool.id, delta=event.arguments)
        return told + _event("TOOL_CALL_END", toolCallId=tool.id) if tool.done_at == seq else told

    def _ends(self, seq: int) -> bytes:
        """The ends of what is open before a run's last record."""
        tools = [_event("TOOL_CALL_END", toolCallId=tool.id) for tool in self._tools.open_at(seq)]
        return self._end(self._segments.at(seq)) + b"".join(tools)

    def _finished(self, seq: int, event: ev.Complete | ev.Cancelled) -> bytes:
        self.ended = True
        if isinstance(event, ev.Cancelled):
            return self._ends(seq) + _event("RUN_FINISHED", **self._named(), outcome={"type": "cancelled"})
        outcome: dict[str, Any] = {"type": "success"}
        if event.finish_reason == "tool_calls":
            outcome["pendingToolCallIds"] = [tool.id for tool in self._tools.before(seq)]
        more: dict[str, Any] = {} if event.result is None else {"result": event.result}
        usage = [_usage(event.usage, self._identity.model)]
        return self._ends(seq) + _event("RUN_FINISHED", **self._named(), outcome=outcome, usage=usage, **more)


def _patch(field: ev.Field, place: Place | None) -> list[dict[str, Any]]:
    """The operations on the state that the client takes; none where it stays as it is."""
    return [each for each in _operations(field, place) if not any(banned in each["path"] + "/" for banned in _BANNED)]


def _operations(field: ev.Field, place: Place | None) -> list[dict[str, Any]]:
    if place is not None:
        # An array's `add` would put a second element before the first.
        operation = "add" if place.is_first and place.path else "replace"
        return [{"op": operation, "path": place.path, "value": place.value}]
    if isinstance(field.value, list):
        return [{"op": "add", "path": f"{field.path}/-", "value": each} for each in field.value]
    if isinstance(field.value, dict):
        names = ((name.replace("~", "~0").replace("/", "~1"), each) for name, each in field.value.items())
        return [{"op": "add", "path": f"{field.path}/{name}", "value": each} for name, each in names]
    return []


def _event(type: str, **members: Any) -> bytes:
    return b"data: %b\n\n" % _encode({"type": type, **members})


def _start(segment: Segment, id: str) -> bytes:
    if segment.kind == "text":
        return _event("TEXT_MESSAGE_START", messageId=id, role="assistant")
    return _event("REASONING_START", messageId=id) + _event("REASONING_MESSAGE_START", messageId=id, role="reasoning")


def _usage(usage: Usage, model: str) -> dict[str, Any]:
    return {
        "model": model,
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "reasoningTokens": usage.reasoning_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
    }


def _custom(event: ev.Event) -> bytes:
    """What AG-UI has no event for, by its name in the log; nothing for what is of no use to a reader."""
    match event:
        case ev.Status() if not is_told(event):
            return b""
        case ev.Annotation() | ev.ProviderData() | ev.Context() | ev.Iteration() | ev.Log() | ev.Status():
            return _event("CUSTOM", name=event.type, value=msgspec.to_builtins(event))
    return b""
