"""`StreamStore` in memory: the reference engine's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec

from headwater.domain.stream import Append, Appended, Producer, Stream, StreamConfig, StreamLimits, StreamName
from headwater.storage import stream_changes as changes
from headwater.storage.stream_changes import Totals
from headwater.storage.stream_watchers import StreamWatchers
from headwater.storage.streams import StreamPage

T = TypeVar("T")


class StoredStream:
    """A stream as the medium has it."""

    def __init__(self, name: StreamName, stream: Stream) -> None:
        self.name = name
        self.stream = stream
        #: by seq
        self.records: dict[int, bytes] = {}
        self.producers: dict[str, Producer] = {}


class MemoryShelf:
    """`StreamShelf` over dictionaries; outlives the engine as a file outlives a process."""

    def __init__(self) -> None:
        self._streams: dict[int, StoredStream] = {}
        self._last_id = 0

    def find(self, name: StreamName) -> Stream | None:
        return next((each.stream for each in self._streams.values() if each.name == name), None)

    def get(self, stream: int) -> Stream:
        return self._streams[stream].stream

    def has_forks(self, stream: int) -> bool:
        return any(each.stream.source == stream for each in self._streams.values())

    def totals(self) -> Totals:
        return Totals(len(self._streams), sum(each.stream.size for each in self._streams.values()))

    def add(self, name: StreamName, stream: Stream) -> Stream:
        self._last_id += 1
        stream = msgspec.structs.replace(stream, id=self._last_id)
        self._streams[stream.id] = StoredStream(name, stream)
        return stream

    def put(self, stream: Stream) -> None:
        self._streams[stream.id].stream = stream

    def drop(self, stream: int) -> None:
        del self._streams[stream]

    def record(self, stream: int, seq: int) -> bytes:
        return self._streams[stream].records[seq]

    def records(self, stream: int, after: int, last: int, bytes_max: int) -> Sequence[bytes]:
        payloads: list[bytes] = []
        size = 0
        for seq in range(after + 1, last + 1):
            payload = self.record(stream, seq)
            size += len(payload)
            if payloads and size > bytes_max:
                break
            payloads.append(payload)
        return payloads

    def add_record(self, stream: int, seq: int, payload: bytes) -> None:
        self._streams[stream].records[seq] = payload

    def producer(self, stream: int, id: str) -> Producer | None:
        return self._streams[stream].producers.get(id)

    def producers(self, stream: int) -> int:
        return len(self._streams[stream].producers)

    def put_producer(self, stream: int, producer: Producer) -> None:
        self._streams[stream].producers[producer.id] = producer

    def over(self, now_ms: int, limit: int) -> Sequence[Stream]:
        streams = [each.stream for each in self._streams.values()]
        return [stream for stream in streams if stream.is_over(now_ms) and not stream.gone][:limit]


class Changes(Protocol):
    """The engine, as its parts see it."""

    async def change(self, apply: Callable[[], T], *, needs_space: bool = False) -> T: ...


class MemoryStreams:
    """The streams' store. Every change checks all before it changes anything, so none has to be taken back."""

    def __init__(self, storage: Changes, shelf: MemoryShelf, limits: StreamLimits) -> None:
        self._storage = storage
        self._shelf = shelf
        self._limits = limits
        self._watchers = StreamWatchers()
        self.watch = self._watchers.watch

    @property
    def watcher_count(self) -> int:
        """How many watchers there are: for tests that look for leaks."""
        return len(self._watchers)

    async def create(self, name: StreamName, config: StreamConfig, payload: bytes, now_ms: int) -> tuple[Stream, bool]:
        return await self._change(
            name,
            lambda: changes.create(self._shelf, self._limits, name, config, payload, now_ms),
            needs_space=True,
        )

    async def append(self, name: StreamName, append: Append, now_ms: int) -> Appended:
        return await self._change(
            name,
            lambda: changes.append(self._shelf, self._limits, name, append, now_ms),
            needs_space=append.payload is not None,
        )

    async def state(self, name: StreamName, now_ms: int) -> Stream:
        return changes.alive(self._shelf, name, now_ms)

    async def read(self, name: StreamName, after: int, now_ms: int, *, bytes_max: int = 1 << 20) -> StreamPage:
        return changes.read(self._shelf, name, after, now_ms, bytes_max)

    async def touch(self, name: StreamName, now_ms: int) -> None:
        await self._storage.change(lambda: changes.touch(self._shelf, name, now_ms))

    async def delete(self, name: StreamName, now_ms: int) -> None:
        await self._change(name, lambda: changes.delete(self._shelf, name, now_ms))

    async def sweep(self, now_ms: int) -> None:
        await self._storage.change(lambda: changes.sweep(self._shelf, now_ms))

    async def _change(self, name: StreamName, apply: Callable[[], T], *, needs_space: bool = False) -> T:
        result = await self._storage.change(apply, needs_space=needs_space)
        self._watchers.wake(name)
        return result
