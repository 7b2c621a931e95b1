"""The things that happen in a run, as typed events, and their one JSON codec.

On the wire and in the log a record is `{"seq":7,"t":1234,"type":"chunk","data":{…}}`: `seq` counts
1, 2, 3 … within the run, `t` is milliseconds since the run was created and never decreases.
The bytes of a record are made once, by `encode_record`, and are what is stored and what is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import msgspec

from headwater.domain.message import Usage
from headwater.domain.open_word import open_word
from headwater.domain.surrogates import scrub_surrogates

#: A record is at most this many bytes; longer output becomes several `chunk`s.
RECORD_BYTES_MAX = 256 * 1024
#: `complete.final_response` is left out above this many bytes; its length and SHA-256 stay.
FINAL_RESPONSE_BYTES_MAX = 64 * 1024

#: The words that this version says. A record that a newer server wrote may have others: they are read as they are.
FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "refusal"]
Role = Literal["answer", "internal"]
CancelledBy = Literal["user", "disconnect", "revoked"]
LogLevel = Literal["debug", "info", "warning", "error"]


class _Event(msgspec.Struct, omit_defaults=True, frozen=True):
    type: ClassVar[str]


class Status(_Event, frozen=True):
    """Where the run is: queued, connecting, streaming, retrying, falling_back, reattaching …"""

    type: ClassVar[str] = "status"
    state: str
    message: str = ""
    progress: float | None = None
    position: int | None = None
    #: with `retrying`: how long until the model is called again; with `reattaching`: until its answer is asked for
    wait_ms: int | None = None


class Context(_Event, frozen=True):
    """What the application learned about the conversation before it answers."""

    type: ClassVar[str] = "context"
    context: dict[str, Any]


class Call(_Event, frozen=True):
    """A model call begins. Only the output of `answer` calls is the run's answer."""

    type: ClassVar[str] = "call"
    call: int
    role: Annotated[str, open_word(Role)]
    provider: str
    model: str
    #: the text that the model is asked with, in bytes of UTF-8; None where that is the run's own messages
    input_bytes: int | None = None


class Attempt(_Event, frozen=True):
    """Another try at a call. What the call had put out from `supersedes_from` on no longer counts."""

    type: ClassVar[str] = "attempt"
    call: int
    number: int
    reason: str
    provider: str
    model: str
    supersedes_from: int | None = None


class Chunk(_Event, frozen=True):
    """Text of the answer; `index` is the part that it belongs to."""

    type: ClassVar[str] = "chunk"
    content: str
    index: int
    call: int | None = None
    logprobs: Any = None


class Reasoning(_Event, frozen=True):
    """What the model thinks, or a summary of it."""

    type: ClassVar[str] = "reasoning"
    content: str
    index: int
    call: int | None = None


class Refusal(_Event, frozen=True):
    type: ClassVar[str] = "refusal"
    content: str
    index: int
    call: int | None = None


class ToolCall(_Event, frozen=True):
    """A piece of a tool call: `arguments` is a delta of JSON text; the last piece says `done`."""

    type: ClassVar[str] = "tool_call"
    id: str
    name: str
    arguments: str
    done: bool = False
    index: int = 0
    call: int | None = None


class Annotation(_Event, frozen=True):
    """A citation, a source, a server tool's result, in the provider's own form."""

    type: ClassVar[str] = "annotation"
    provider: str
    value: Any
    index: int = 0
    call: int | None = None


class ProviderData(_Event, frozen=True):
    """What must be sent back in a later turn but is not for people: signatures, encrypted reasoning."""

    type: ClassVar[str] = "provider_data"
    provider: str
    value: Any
    index: int = 0
    call: int | None = None


class Field(_Event, frozen=True):
    """Some of the structured answer became known; `path` is a JSON pointer (RFC 6901)."""

    type: ClassVar[str] = "field"
    path: str
    #: takes the place of what was at `path`
    value: Any
    #: nothing more comes at `path` or below
    done: bool
    call: int | None = None
    #: `value` is put behind what is there instead: text behind a string, items behind an array, members to an object
    delta: bool = False


class Iteration(_Event, frozen=True):
    """A solver's step."""

    type: ClassVar[str] = "iteration"
    number: int
    data: dict[str, Any] = {}


class Log(_Event, frozen=True):
    """A line of progress."""

    type: ClassVar[str] = "log"
    level: Annotated[str, open_word(LogLevel)]
    message: str


class UsageReport(_Event, frozen=True):
    """What a call's attempt has cost so far; a later one of the same attempt replaces it, all attempts are added up."""

    type: ClassVar[str] = "usage"
    usage: Usage
    call: int | None = None


class SnapshotEvent(_Event, frozen=True):
    """Only on `?from=snapshot`: the fold of all records up to this record's seq. Never in the log."""

    type: ClassVar[str] = "snapshot"
    snapshot: Any


class Complete(_Event, frozen=True):
    """The run's whole and honest end."""

    type: ClassVar[str] = "complete"
    finish_reason: Annotated[str, open_word(FinishReason)]
    usage: Usage
    final_response: str | None = None
    #: of the text's UTF-8 bytes; there whether or not the text itself was left out
    final_response_bytes: int = 0
    final_response_sha256: str = ""
    result: Any = None


class Cancelled(_Event, frozen=True):
    """The run was stopped. What was put out until then is kept; `partial_bytes` is its UTF-8 length."""

    type: ClassVar[str] = "cancelled"
    by: Annotated[str, open_word(CancelledBy)]
    partial_bytes: int
    #: the application's, as far as it had come
    result: Any = None


class Error(_Event, frozen=True):
    """The run failed. What was put out until then is kept."""

    type: ClassVar[str] = "error"
    code: str
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    provider: str | None = None
    #: with code TIMEOUT: queue, connect, first_token, idle or total
    phase: str | None = None
    partial_bytes: int = 0
    #: the application's, as far as it had come
    result: Any = None


class Unknown(_Event, frozen=True):
    """A type that this version does not know: kept as it is, so that an older reader loses nothing."""

    type: ClassVar[str] = "unknown"
    name: str
    data: Any


Event = (
    Status
    | Context
    | Call
    | Attempt
    | Chunk
    | Reasoning
    | Refusal
    | ToolCall
    | Annotation
    | ProviderData
    | Field
    | Iteration
    | Log
    | UsageReport
    | SnapshotEvent
    | Complete
    | Cancelled
    | Error
    | Unknown
)

#: Every event type of the protocol by its name on the wire.
EVENT_TYPES: dict[str, type[_Event]] = {
    cls.type: cls
    for cls in (
        Status,
        Context,
        Call,
        Attempt,
        Chunk,
        Reasoning,
        Refusal,
        ToolCall,
        Annotation,
        ProviderData,
        Field,
        Iteration,
        Log,
        UsageReport,
        SnapshotEvent,
        Complete,
        Cancelled,
        Error,
    )
}

#: The types of a final record: the last of a run, after which its log is closed.
FINAL_TYPES = frozenset({"complete", "error", "cancelled"})


class Record(NamedTuple):
    """An event with its place in the run's log."""

    seq: int
    t: int
    event: Event


class _Envelope(msgspec.Struct):
    seq: int
    t: int
    type: str
    data: msgspec.Raw


class FlatUsage(Usage, frozen=True):
    """The data of a `usage` record: the usage itself, and the call where the run has more than one."""

    call: int | msgspec.UnsetType | None = msgspec.UNSET


_encoder = msgspec.json.Encoder()
_envelopes = msgspec.json.Decoder(_Envelope)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(cls) for name, cls in EVENT_TYPES.items() if cls is not UsageReport
}
_usages = msgspec.json.Decoder(FlatUsage)


def encode_record(seq: int, t: int, event: Event) -> bytes:
    """The bytes of a record: one line of JSON in UTF-8, without raw CR, LF or NUL.

    Usage is flat on the wire (`{"type":"usage","data":{"input_tokens":9,…}}`). Half a surrogate
    pair, which UTF-8 can not say, becomes U+FFFD.
    Raises ValueError for an `Unknown` with the name of a known type: nobody may forge one.
    """
    try:
        if type(event) is Chunk and event.call is None and event.logprobs is None:
            # Nearly every record is one of these; the template is what keeps a token cheap.
            return b'{"seq":%d,"t":%d,"type":"chunk","data":{"content":%b,"index":%d}}' % (
                seq,
                t,
                _encoder.encode(event.content),
                event.index,
            )
        return _encode_with(_encoder.encode, seq, t, event)
    except UnicodeEncodeError:
        return _encode_with(_encode_mended, seq, t, event)


def _encode_with(encode: Callable[[object], bytes], seq: int, t: int, event: Event) -> bytes:
    name: str = event.type
    data: object = event
    if isinstance(event, Unknown):
        if event.name in EVENT_TYPES:
            raise ValueError(f"{event.name} is a known type of event")
        name, data = event.name, event.data
    elif isinstance(event, UsageReport):
        members = {field: getattr(event.usage, field) for field in Usage.__struct_fields__}
        data = FlatUsage(**members, call=msgspec.UNSET if event.call is None else event.call)
    return b'{"seq":%d,"t":%d,"type":%b,"data":%b}' % (seq, t, encode(name), encode(data))


def _encode_mended(value: object) -> bytes:
    return _encoder.encode(scrub_surrogates(msgspec.to_builtins(value)))


def decode_record(payload: bytes) -> Record:
    """A record from its bytes. Unknown types come back as `Unknown`, unknown fields are passed over.

    Raises `msgspec.DecodeError` for bytes that are not a record.
    """
    envelope = _envelopes.decode(payload)
    event: Event
    if envelope.type == "usage":
        flat = _usages.decode(envelope.data)
        usage = Usage(**{field: getattr(flat, field) for field in Usage.__struct_fields__})
        event = UsageReport(usage=usage, call=None if flat.call is msgspec.UNSET else flat.call)
    elif (decoder := _decoders.get(envelope.type)) is not None:
        event = decoder.decode(envelope.data)
    else:
        event = Unknown(name=envelope.type, data=msgspec.json.decode(envelope.data))
    return Record(envelope.seq, envelope.t, event)


def is_final(event: Event) -> bool:
    """Whether this event closes its run's log."""
    return event.type in FINAL_TYPES
