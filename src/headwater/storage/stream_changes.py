"""What is done to streams, over a shelf that an engine provides: each function is one change, all of it or nothing.

An engine calls them where changes are made one after another (the writer's thread, the memory engine's commit), and
takes back what a function did before it raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from headwater.domain.stream import (
    CONTENT_TYPE_DEFAULT,
    Append,
    Appended,
    ForkPoint,
    Producer,
    Stream,
    StreamConfig,
    StreamLimits,
    StreamName,
    alive_until,
    check_append,
    first_part,
    is_duplicate,
    is_repeat,
    is_worth_noting,
    media_type,
)
from headwater.errors import (
    BadRequestError,
    ConflictError,
    NotFoundError,
    StorageFullError,
    StreamClosedError,
    StreamGoneError,
    TooLargeError,
)
from headwater.storage.streams import StreamPage

NO_SUCH_STREAM = "There is no such stream."
#: How many streams whose time is over are forgotten at once, and how many bytes, if it is not a single one: what is
#: deleted is overwritten, and the records of runs wait for it.
SWEPT_MAX = 10
SWEPT_BYTES_MAX = 1 << 20

replace = msgspec.structs.replace


class Totals(NamedTuple):
    streams: int
    bytes: int


class StreamShelf(Protocol):
    """Where an engine keeps streams. Nothing here is checked."""

    def find(self, name: StreamName) -> Stream | None: ...

    def get(self, stream: int) -> Stream: ...

    def has_forks(self, stream: int) -> bool: ...

    def totals(self) -> Totals: ...

    def add(self, name: StreamName, stream: Stream) -> Stream:
        """Puts up a new one; returns it with its id."""
        ...

    def put(self, stream: Stream) -> None:
        """In place of the one with this id."""
        ...

    def drop(self, stream: int) -> None:
        """With its records and producers."""
        ...

    def record(self, stream: int, seq: int) -> bytes: ...

    def records(self, stream: int, after: int, last: int, bytes_max: int) -> Sequence[bytes]:
        """Records `after + 1 … last`, or the first of them; at least one."""
        ...

    def add_record(self, stream: int, seq: int, payload: bytes) -> None: ...

    def producer(self, stream: int, id: str) -> Producer | None: ...

    def producers(self, stream: int) -> int: ...

    def put_producer(self, stream: int, producer: Producer) -> None: ...

    def over(self, now_ms: int, limit: int) -> Sequence[Stream]:
        """Some of those whose time is over and that are not marked as gone."""
        ...


def alive(shelf: StreamShelf, name: StreamName, now_ms: int) -> Stream:
    """The stream. Raises `NotFoundError`, `StreamGoneError`."""
    stream = shelf.find(name)
    if stream is not None and not stream.gone and not stream.is_over(now_ms):
        return stream
    if stream is not None and shelf.has_forks(stream.id):
        raise StreamGoneError("The stream was deleted, or its time is over.")
    raise NotFoundError(NO_SUCH_STREAM)


def create(
    shelf: StreamShelf, limits: StreamLimits, name: StreamName, config: StreamConfig, payload: bytes, now_ms: int
) -> tuple[Stream, bool]:
    sweep(shelf, now_ms)
    there = shelf.find(name)
    if there is not None and there.is_over(now_ms) and not shelf.has_forks(there.id):
        forget(shelf, there)
        there = None
    if there is not None:
        if there.gone or there.is_over(now_ms) or not is_repeat(there, config):
            raise ConflictError("There is another stream of this name.")
        return there, False
    stream, prefix = _new(shelf, limits, name, config, now_ms)
    pieces = [piece for piece in (prefix, payload) if piece]
    size = sum(map(len, pieces))
    if size > limits.stream_bytes_max:
        raise TooLargeError(f"A stream holds at most {limits.stream_bytes_max} bytes.")
    _make_room(shelf, limits, 1, size, now_ms)
    stream = replace(stream, tail=stream.base + len(pieces), size=size, alive_until_ms=alive_until(stream, now_ms))
    stream = shelf.add(name, stream)
    for seq, piece in enumerate(pieces, stream.base + 1):
        shelf.add_record(stream.id, seq, piece)
    return stream, True


def _new(
    shelf: StreamShelf, limits: StreamLimits, name: StreamName, config: StreamConfig, now_ms: int
) -> tuple[Stream, bytes]:
    """The stream that was asked for, and what it begins with of the record that it was forked in the middle of."""
    new = Stream(
        id=0,
        content_type=config.content_type or CONTENT_TYPE_DEFAULT,
        created_at_ms=now_ms,
        ttl_s=config.ttl_s,
        expires_at_ms=config.expires_at_ms,
        closed=config.closed,
    )
    if config.fork is None:
        return new, b""
    source = _source(shelf, name._replace(name=config.fork.source), now_ms)
    if config.content_type is not None and media_type(config.content_type) != media_type(source.content_type):
        raise ConflictError(f"The stream that it is to be forked from is of {source.content_type}.")
    if source.depth >= limits.fork_depth_max:
        raise BadRequestError(f"Streams are forked from forks at most {limits.fork_depth_max} deep.")
    seq = source.tail if config.fork.seq is None else config.fork.seq
    if seq > source.tail or (config.fork.sub and seq == source.tail):
        raise BadRequestError("The stream has no such place to fork it at.", parameter="Stream-Fork-Offset")
    prefix = b""
    if config.fork.sub:
        prefix = first_part(source, shelf.record(_holder(shelf, source, seq + 1).id, seq + 1), config.fork.sub)
    if config.ttl_s is None and config.expires_at_ms is None:
        new = replace(new, ttl_s=source.ttl_s, expires_at_ms=source.expires_at_ms)
    return (
        replace(
            new,
            content_type=config.content_type or source.content_type,
            source=source.id,
            base=seq,
            fork=ForkPoint(config.fork.source, seq, config.fork.sub),
            depth=source.depth + 1,
        ),
        prefix,
    )


def _source(shelf: StreamShelf, name: StreamName, now_ms: int) -> Stream:
    try:
        return alive(shelf, name, now_ms)
    except StreamGoneError:
        raise ConflictError("The stream that it is to be forked from was deleted.") from None


def _holder(shelf: StreamShelf, stream: Stream, seq: int) -> Stream:
    """Which of the streams that it was forked from has this record, or it itself."""
    while seq <= stream.base and stream.source is not None:
        stream = shelf.get(stream.source)
    return stream


def _make_room(shelf: StreamShelf, limits: StreamLimits, streams: int, size: int, now_ms: int) -> None:
    """Forgets so many streams whose time is over as are in the way. Raises `StorageFullError`."""
    while True:
        totals = shelf.totals()
        few = totals.streams + streams <= limits.streams_max
        if few and totals.bytes + size <= limits.bytes_max:
            return
        if not sweep(shelf, now_ms):
            break
    if not few:
        raise StorageFullError(f"There are {limits.streams_max} streams already; delete some.")
    raise StorageFullError(f"All streams together hold {limits.bytes_max} bytes at most; delete some.")


def append(shelf: StreamShelf, limits: StreamLimits, name: StreamName, asked: Append, now_ms: int) -> Appended:
    stream = alive(shelf, name, now_ms)
    payload, producer = asked.payload, asked.producer
    if producer is not None:
        last = shelf.producer(stream.id, producer.id)
        # Before all else: who repeats what was taken is told so, whatever happened since.
        if is_duplicate(producer, last):
            return Appended(stream, duplicate=True, producer=last)
        if last is None and shelf.producers(stream.id) >= limits.producers_max:
            raise TooLargeError(f"A stream has at most {limits.producers_max} producers.")
    if stream.closed:
        if payload is None and producer is None:
            return Appended(stream, duplicate=True)
        raise StreamClosedError("The stream is closed.", tail=stream.tail)
    check_append(stream, asked, limits)
    changed = replace(
        stream,
        closed=asked.close,
        writer_seq=stream.writer_seq if asked.writer_seq is None else asked.writer_seq,
        alive_until_ms=alive_until(stream, now_ms),
    )
    if payload is not None:
        _make_room(shelf, limits, 0, len(payload), now_ms)
        changed = replace(changed, tail=stream.tail + 1, size=stream.size + len(payload))
        shelf.add_record(stream.id, changed.tail, payload)
    if producer is not None:
        shelf.put_producer(stream.id, producer)
    shelf.put(changed)
    return Appended(changed, producer=producer)


def read(shelf: StreamShelf, name: StreamName, after: int, now_ms: int, bytes_max: int) -> StreamPage:
    """A page, across all the streams that it was forked from."""
    stream = alive(shelf, name, now_ms)
    pieces = [(stream, stream.tail)]
    holder, last = stream, stream.tail
    while after < holder.base and holder.source is not None:
        # It may have been forked at a place that its source has from another one in turn.
        last, holder = min(last, holder.base), shelf.get(holder.source)
        pieces.append((holder, last))
    payloads: list[bytes] = []
    size = 0
    for holder, last in reversed(pieces):
        begin = max(after, holder.base)
        if begin >= last or (payloads and size >= bytes_max):
            continue
        found = shelf.records(holder.id, begin, last, bytes_max - size)
        payloads.extend(found)
        size += sum(map(len, found))
        if len(found) < last - begin:
            break
    return StreamPage(stream, after, payloads)


def touch(shelf: StreamShelf, name: StreamName, now_ms: int) -> None:
    stream = alive(shelf, name, now_ms)
    if is_worth_noting(stream, now_ms):
        shelf.put(replace(stream, alive_until_ms=alive_until(stream, now_ms)))


def delete(shelf: StreamShelf, name: StreamName, now_ms: int) -> None:
    forget(shelf, alive(shelf, name, now_ms))


def sweep(shelf: StreamShelf, now_ms: int) -> bool:
    """Forgets some of the streams whose time is over; False where there is none."""
    over = shelf.over(now_ms, SWEPT_MAX)
    size = 0
    for stream in over:
        size += stream.size
        if size > max(SWEPT_BYTES_MAX, stream.size):
            break
        forget(shelf, stream)
    return bool(over)


def forget(shelf: StreamShelf, stream: Stream) -> None:
    """Drops it, and then those it was forked from that were kept for its sake alone; or marks it as gone."""
    if shelf.has_forks(stream.id):
        shelf.put(replace(stream, gone=True))
        return
    left: Stream | None = stream
    while left is not None:
        source = left.source
        shelf.drop(left.id)
        left = None if source is None else shelf.get(source)
        if left is not None and (not left.gone or shelf.has_forks(left.id)):
            left = None
