"""Chat Completions, streamed: https://platform.openai.com/docs/api-reference/chat-streaming.

Role chunk, deltas, finish chunk, with `include_usage` a last chunk with the usage, `[DONE]`. Reasoning is
`reasoning_content`, as the compatible servers have it. What goes wrong is `data: {"error": …}`, and no `[DONE]`
follows it. Never `id:` nor `retry:` (the SDKs stumble over blocks that hold nothing else), heartbeats are comments.

A text record becomes its chunk by cutting the text out of its bytes; only what is rare is decoded.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, get_args

import msgspec

from headwater.delivery.formats.openai_error import error_json, refusal
from headwater.delivery.formats.shown import Shown
from headwater.delivery.held import Refusal
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.errors import ErrorCode
from headwater.wire.sse import encode_comment

#: The head of an answer is held back for so long at most: proxies and people want a sign of life within a second.
HEAD_WITHIN_S = 0.8

#: Our reasons for an end in OpenAI's words, which has none for a refusal: that is said in the message, and ends like
#: any other. So does one that a newer version of this server gave.
FINISH_REASONS: Final[dict[str, str]] = {
    reason: "stop" if reason == "refusal" else reason for reason in get_args(ev.FinishReason)
}

#: The delta's member that each type of text becomes.
_MEMBERS: dict[str, str] = {"chunk": "content", "reasoning": "reasoning_content", "refusal": "refusal"}

#: Types of records that this format has no word for, and that say nothing of others.
_UNSHOWN = frozenset({b"status", b"usage", b"log", b"field", b"iteration", b"context", b"provider_data"})
_TYPE = b',"type":"'
_DATA = b'","data":{"content":'
_INDEX = b',"index":'
#: What nearly every record is: text of the first part.
_CHUNK = _TYPE + b"chunk" + _DATA
_CHUNK_BYTES = len(_CHUNK)
_FIRST_PART = _INDEX + b"0}}"
_FIRST_PART_BYTES = len(_FIRST_PART)
_DONE = b"data: [DONE]\n\n"
_ERROR = b'data: {"error":'
STOPPING = "The server is shutting down."

_encode = msgspec.json.Encoder().encode


class Identity(msgspec.Struct, frozen=True):
    """What every object of one answer says of itself: from the run, so that it is the same each time."""

    id: str
    #: seconds since 1970
    created: int
    #: the model's name as the caller said it
    model: str


def identity(run: str, created_at_ms: int, model: str) -> Identity:
    return Identity(f"chatcmpl-{run.removeprefix('run_')}", created_at_ms // 1000, model)


def usage_object(usage: Usage) -> dict[str, Any]:
    """`usage` as OpenAI counts: output tokens include those of reasoning. An estimate says so."""
    counted: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    if usage.cache_write_tokens:
        counted["prompt_tokens_details"]["cache_write_tokens"] = usage.cache_write_tokens
    if usage.source == "estimated":
        counted["estimated"] = True
    return counted


def failure(event: ev.Error | ev.Cancelled) -> tuple[str, str]:
    """The code and the sentence for an answer that was not whole."""
    if isinstance(event, ev.Cancelled):
        return ErrorCode.CANCELLED, "The run was cancelled."
    return event.code, event.message


class Refuse(Protocol):
    """Makes the answer that says no in the words of an API."""

    def __call__(self, code: str, message: str, *, retryable: bool, retry_after_s: float | None = None) -> Refusal: ...


def failure_refusal(event: ev.Error | ev.Cancelled, refuse: Refuse = refusal) -> Refusal:
    """The answer where a run has failed before it put out anything."""
    code, message = failure(event)
    if isinstance(event, ev.Cancelled):
        return refuse(code, message, retryable=False)
    after_s = None if event.retry_after_ms is None else event.retry_after_ms / 1000
    return refuse(code, message, retryable=event.retryable, retry_after_s=after_s)


def draining_refusal(refuse: Refuse = refusal) -> Refusal:
    return refuse(ErrorCode.DRAINING, STOPPING, retryable=True, retry_after_s=2)


class OpenAIChatStream:
    """The encoding of one streamed answer. What it learns is where each tool call began: a fact of the log."""

    transport = "openai_chat"
    media_type = b"text/event-stream; charset=utf-8"
    ends_by_204 = False
    heartbeat = encode_comment("heartbeat")
    head_within_s: float | None = HEAD_WITHIN_S

    __slots__ = ("_chunk", "_content", "_end", "_failure", "_shown", "_tail", "_text", "_tools", "_usage", "ended")

    def __init__(self, identity: Identity, *, include_usage: bool = False) -> None:
        self.ended = False
        self._usage = include_usage
        named = f'"id":{_json(identity.id)},"object":"chat.completion.chunk","created":{identity.created},'
        self._chunk = f'data: {{{named}"model":{_json(identity.model)},"choices":['.encode()
        self._end = b"]%b}\n\n" % (b',"usage":null' if include_usage else b"")
        delta = self._chunk + b'{"index":0,"delta":{"%b":'
        #: by the record's type: what stands before the text
        self._text = {kind.encode(): delta % member.encode() for kind, member in _MEMBERS.items()}
        self._content = self._text[b"chunk"]
        self._tail = b'},"finish_reason":null}' + self._end
        #: the seq of each tool call's first piece
        self._tools: dict[str, int] = {}
        self._failure: Refusal | None = None
        self._shown = Shown()

    def record(self, seq: int, payload: bytes) -> bytes:
        """The chunks of a record; empty for what this format does not show."""
        # The codec's order is fixed: the type is third, in the data the text is first and its part's index last.
        at = payload.index(_TYPE)
        if payload.startswith(_CHUNK, at) and payload.endswith(_FIRST_PART):
            return self._content + payload[at + _CHUNK_BYTES : -_FIRST_PART_BYTES] + self._tail
        start = at + len(_TYPE)
        kind = payload[start : payload.index(b'"', start)]
        if (head := self._text.get(kind)) is not None:
            end = payload.rfind(_INDEX)
            if payload[end + len(_INDEX) : -2].isdigit():
                return head + payload[start + len(kind) + len(_DATA) : end] + self._tail
        if kind in _UNSHOWN:
            return b""
        return self._rare(seq, payload)

    def skip(self, seq: int) -> bytes:
        return b""

    def greeting(self, retry_ms: int) -> bytes:
        return self._of_choice(b'{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}')

    def farewell(self, retry_ms: int) -> bytes:
        self.ended = True
        self._failure = draining_refusal()
        return b"data: " + self._failure.body + b"\n\n"

    def refusal(self, data: bytes) -> Refusal | None:
        return self._failure if data.startswith(_ERROR) else None

    def _of_choice(self, choice: bytes) -> bytes:
        return self._chunk + choice + self._end

    def _delta(self, delta: dict[str, Any], logprobs: object = None) -> bytes:
        choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": None}
        if logprobs is not None:
            choice["logprobs"] = logprobs
        return self._of_choice(_encode(choice))

    def _rare(self, seq: int, payload: bytes) -> bytes:
        event = ev.decode_record(payload).event
        # only what bears the number of a call can be an internal one's, and that is all rare
        if not self._shown.is_shown(seq, event):
            return b""
        match event:
            case ev.Chunk():
                return self._delta({"content": event.content}, event.logprobs)
            case ev.Reasoning() | ev.Refusal():
                return self._delta({_MEMBERS[event.type]: event.content})
            case ev.ToolCall():
                return self._tool_call(seq, event)
            case ev.Annotation() if is_citation(event.value):
                return self._delta({"annotations": [event.value]})
            case ev.Complete():
                return self._complete(event)
            case ev.Error() | ev.Cancelled():
                self.ended = True
                self._failure = failure_refusal(event)
                return b"data: " + error_json(*failure(event)) + b"\n\n"
        return b""

    def _tool_call(self, seq: int, event: ev.ToolCall) -> bytes:
        """A call's first piece names it; what follows has its index only, for clients put all of it together."""
        call: dict[str, Any] = {"index": event.index}
        if self._tools.setdefault(event.id, seq) == seq:
            call |= {"id": event.id, "type": "function", "function": {"name": event.name, "arguments": event.arguments}}
        elif event.arguments:
            call["function"] = {"arguments": event.arguments}
        else:
            return b""
        return self._delta({"tool_calls": [call]})

    def _complete(self, event: ev.Complete) -> bytes:
        self.ended = True
        reason = FINISH_REASONS.get(event.finish_reason, "stop")
        finish = self._of_choice(_encode({"index": 0, "delta": {}, "finish_reason": reason}))
        if not self._usage:
            return finish + _DONE
        usage = b'],"usage":%b}\n\n' % _encode(usage_object(event.usage))
        return finish + self._chunk + usage + _DONE


def is_citation(value: object) -> bool:
    """Whether a provider's annotation is in the form that OpenAI's clients know."""
    return isinstance(value, dict) and value.get("type") == "url_citation"


def _json(value: str) -> str:
    return _encode(value).decode()
