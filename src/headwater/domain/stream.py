"""A stream: bytes or JSON that any program appends to and reads again, under a name of its own. Pure.

The words and rules are the Durable Streams protocol's (durable-streams/durable-streams, PROTOCOL.md). A record is
what one append added; the seq of the last one is the stream's tail, and a position in it. A stream of JSON keeps
in each record the values of one append with commas between them, so records put together are an array without
its brackets.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from headwater.domain.run import Owner
from headwater.errors import BadRequestError, ConflictError, ProducerFencedError, ProducerGapError, TooLargeError

CONTENT_TYPE_DEFAULT: Final = "application/octet-stream"
JSON_TYPE: Final = "application/json"

#: A stream's life is lengthened on disk once that is by such a share of its time, or by so many ms.
_NOTED_SHARE: Final = 8
_NOTED_MS_MAX: Final = 60_000


class StreamName(NamedTuple):
    """Whose stream, and what it is called."""

    owner: Owner
    name: str


class StreamLimits(NamedTuple):
    """What streams may take; sizes in bytes of records."""

    streams_max: int = 10_000
    stream_bytes_max: int = 16 << 20
    bytes_max: int = 4 << 30
    #: of one stream
    producers_max: int = 1000
    #: a fork of a fork of …
    fork_depth_max: int = 32


class ForkPoint(NamedTuple):
    """Where a new stream leaves an older one: after the record `seq` (None: its tail), and `sub` more of the next.

    `sub` counts values in a stream of JSON, else bytes.
    """

    source: str
    seq: int | None = None
    sub: int = 0


class StreamConfig(NamedTuple):
    """What a new stream is to be. Of `ttl_s` (since it was last used) and `expires_at_ms` (since 1970) one is None."""

    content_type: str | None = None
    ttl_s: int | None = None
    expires_at_ms: int | None = None
    closed: bool = False
    fork: ForkPoint | None = None


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream as it stands. `id` is never given to another, also not to one of the same name."""

    id: int
    content_type: str
    created_at_ms: int
    ttl_s: int | None = None
    expires_at_ms: int | None = None
    #: when it is over unless it is used before, None for never
    alive_until_ms: int | None = None
    tail: int = 0
    closed: bool = False
    #: the greatest `Stream-Seq` so far, which writers use to agree among each other
    writer_seq: str | None = None
    #: bytes of its own records
    size: int = 0
    #: the stream that it was forked from, and up to which record that one's are its own too
    source: int | None = None
    base: int = 0
    fork: ForkPoint | None = None
    depth: int = 0
    #: deleted, and kept for those that were forked from it
    gone: bool = False

    @property
    def is_json(self) -> bool:
        return media_type(self.content_type) == JSON_TYPE

    def is_over(self, now_ms: int) -> bool:
        return self.alive_until_ms is not None and self.alive_until_ms <= now_ms


class Producer(NamedTuple):
    """Who appends so that a repeat adds nothing: `seq` counts its appends from 0 within each `epoch`."""

    id: str
    epoch: int
    seq: int


class Append(NamedTuple):
    """What is to be added: a record (None: none, to close only), and whether nothing may follow it."""

    payload: bytes | None
    content_type: str | None = None
    producer: Producer | None = None
    writer_seq: str | None = None
    close: bool = False


class Appended(NamedTuple):
    """What became of an append. `producer` has the highest seq that was accepted of its epoch."""

    stream: Stream
    duplicate: bool = False
    producer: Producer | None = None


def media_type(content_type: str) -> str:
    """The type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def alive_until(stream: Stream, now_ms: int) -> int | None:
    """Until when a stream lives that is used now, in ms since 1970."""
    return stream.expires_at_ms if stream.ttl_s is None else now_ms + stream.ttl_s * 1000


def is_worth_noting(stream: Stream, now_ms: int) -> bool:
    """Whether its use now is to be noted: not again and again for what is read many times a second."""
    if stream.ttl_s is None or stream.alive_until_ms is None:
        return False
    longer_ms = now_ms + stream.ttl_s * 1000 - stream.alive_until_ms
    return longer_ms > min(stream.ttl_s * 1000 // _NOTED_SHARE, _NOTED_MS_MAX)


def is_repeat(stream: Stream, config: StreamConfig) -> bool:
    """Whether who asks for this stream would get the one that is there. A fork inherits what was not asked for."""
    fork = stream.fork
    if config.fork is not None and fork is not None:
        place = fork.seq if config.fork.seq is None else config.fork.seq
        same_fork = config.fork._replace(seq=place) == fork
    else:
        same_fork = config.fork is fork
    inherits = config.fork is not None
    same_type = (
        inherits
        if config.content_type is None and inherits
        else media_type(config.content_type or CONTENT_TYPE_DEFAULT) == media_type(stream.content_type)
    )
    asked, has = (config.ttl_s, config.expires_at_ms), (stream.ttl_s, stream.expires_at_ms)
    same_life = asked == has or (inherits and asked == (None, None))
    return same_fork and same_type and same_life and config.closed == stream.closed


def is_duplicate(producer: Producer, last: Producer | None) -> bool:
    """Whether this append was accepted before; False where it is the next one.

    `last` is the newest that was accepted of this producer. Raises `ProducerFencedError`, `ProducerGapError`,
    `BadRequestError` for an epoch that does not begin at 0.
    """
    if last is None or producer.epoch > last.epoch:
        if producer.seq == 0:
            return False
        if last is None:
            raise ProducerGapError("A new producer begins at 0.", expected=0, received=producer.seq)
        raise BadRequestError("A new epoch of a producer begins at 0.", parameter="Producer-Seq")
    if producer.epoch < last.epoch:
        raise ProducerFencedError("This producer has gone on in a newer epoch.", epoch=last.epoch)
    if producer.seq > last.seq + 1:
        raise ProducerGapError("An append of this producer is missing.", expected=last.seq + 1, received=producer.seq)
    return producer.seq <= last.seq


def check_append(stream: Stream, append: Append, limits: StreamLimits) -> None:
    """Raises `ConflictError` for another type or a writer's seq that does not follow, `TooLargeError`."""
    if append.payload is not None:
        if media_type(append.content_type or "") != media_type(stream.content_type):
            raise ConflictError(f"This stream is of {stream.content_type}.")
        if stream.size + len(append.payload) > limits.stream_bytes_max:
            raise TooLargeError(f"A stream holds at most {limits.stream_bytes_max} bytes.")
    # By bytes, as the protocol says: a header's text has a character for each.
    if append.writer_seq is not None and stream.writer_seq is not None and append.writer_seq <= stream.writer_seq:
        raise ConflictError("Stream-Seq is not greater than the last one.")


def first_part(stream: Stream, record: bytes, count: int) -> bytes:
    """The first `count` values or bytes of a record. Raises `BadRequestError` where it has not so many."""
    if not stream.is_json:
        if count <= len(record):
            return record[:count]
    else:
        values = msgspec.json.decode(b"[%b]" % record, type=list[msgspec.Raw])
        if count <= len(values):
            return b",".join(map(bytes, values[:count]))
    raise BadRequestError("The append after the fork offset has not so much in it.", parameter="Stream-Fork-Sub-Offset")
