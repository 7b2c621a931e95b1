"""What every storage engine promises of streams, which programs make under names of their own.

`StreamStore` is beside `EventLog` and not on top of it: an append here is checked against the stream's end, its
producers and its writers' order, and changes some of them, all in one commit; a run's log has one writer, whose
numbers are checked before anything is on its way to the disk. What both have is that nothing is seen or
acknowledged before it is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from headwater.domain.stream import Append, Appended, Stream, StreamConfig, StreamName


class StreamPage(NamedTuple):
    """Records `after + 1 …` of a stream, contiguous, and how it stood when they were read."""

    stream: Stream
    after: int
    payloads: Sequence[bytes]

    @property
    def last(self) -> int:
        return self.after + len(self.payloads)

    @property
    def up_to_date(self) -> bool:
        return self.last >= self.stream.tail

    @property
    def at_end(self) -> bool:
        """Nothing follows this page, and nothing ever will."""
        return self.up_to_date and self.stream.closed


class StreamStore(Protocol):
    """Streams by name. What it returns is durable; `now_ms` is the wall clock, in ms since 1970.

    Every method that takes a name raises `NotFoundError` where there is no such stream or its time is over, and
    `StreamGoneError` where others are forked from it.
    """

    async def create(self, name: StreamName, config: StreamConfig, payload: bytes, now_ms: int) -> tuple[Stream, bool]:
        """The stream and whether it was made now. An empty `payload` is no record.

        Raises `ConflictError` where there is another of that name, or its source is gone or of another type;
        `NotFoundError` where there is no source, `BadRequestError` for a place that it has not, `TooLargeError`,
        `StorageFullError`, `StorageFull`, `StorageFailed`.
        """
        ...

    async def append(self, name: StreamName, append: Append, now_ms: int) -> Appended:
        """Adds a record, or closes, or both, in one piece with what is noted of the producer.

        Raises `StreamClosedError`, `ConflictError`, `ProducerFencedError`, `ProducerGapError`, `BadRequestError`,
        `TooLargeError`, `StorageFullError`, `StorageFull`, `StorageFailed`.
        """
        ...

    async def state(self, name: StreamName, now_ms: int) -> Stream:
        """How it stands. Does not count as use."""
        ...

    async def read(self, name: StreamName, after: int, now_ms: int, *, bytes_max: int = 1 << 20) -> StreamPage:
        """The records after a seq, at least one if there is one. Does not count as use (`touch`)."""
        ...

    async def touch(self, name: StreamName, now_ms: int) -> None:
        """Notes that it is used, which keeps one with a `ttl_s` alive; nothing happens where there is none."""
        ...

    async def delete(self, name: StreamName, now_ms: int) -> None:
        """Forgets it. What was forked from it keeps what it has of it, and its name is not free until then."""
        ...

    async def sweep(self, now_ms: int) -> None:
        """Forgets streams whose time is over; some of them, where there are many."""
        ...

    def watch(self, name: StreamName, wake: Callable[[], None]) -> Callable[[], None]:
        """As `EventLog.watch`: calls `wake` after the stream has moved, was closed or deleted; returns how to stop."""
        ...
