"""`StreamStore` over SQLite: each change joins the commits of the runs, each page is read beside the writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar
from zlib import crc32

import msgspec

from headwater.domain.stream import Append, Appended, Producer, Stream, StreamConfig, StreamLimits, StreamName
from headwater.errors import LogCorrupt, StorageError
from headwater.storage import stream_changes as changes
from headwater.storage.batches import SEQ_MAX
from headwater.storage.commits import GroupCommit
from headwater.storage.contract import Haste
from headwater.storage.sqlite_medium import segment_id
from headwater.storage.sqlite_readers import SqliteReaders
from headwater.storage.stream_changes import Totals
from headwater.storage.stream_watchers import StreamWatchers
from headwater.storage.streams import StreamPage

T = TypeVar("T")

#: One answer is read in one go, in a thread that others wait for too.
_RECORDS_MAX = 10_000

_state = msgspec.json.Decoder(Stream)
_encode = msgspec.json.Encoder().encode


class SqliteShelf:
    """`StreamShelf` over one connection, in the thread that has it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def find(self, name: StreamName) -> Stream | None:
        row = self._db.execute(
            "SELECT id, state FROM streams WHERE org = ? AND user = ? AND name = ?", _place(name)
        ).fetchone()
        return None if row is None else _stream(*row)

    def get(self, stream: int) -> Stream:
        row = self._db.execute("SELECT id, state FROM streams WHERE id = ?", (stream,)).fetchone()
        if row is None:
            raise LogCorrupt(f"the stream {stream} is lost, from which another was forked")
        return _stream(*row)

    def has_forks(self, stream: int) -> bool:
        return self._db.execute("SELECT 1 FROM streams WHERE source = ? LIMIT 1", (stream,)).fetchone() is not None

    def totals(self) -> Totals:
        return Totals(*self._db.execute("SELECT streams, bytes FROM stream_totals").fetchone())

    def add(self, name: StreamName, stream: Stream) -> Stream:
        self._db.execute("UPDATE stream_totals SET streams = streams + 1, bytes = bytes + ?", (stream.size,))
        ((id,),) = self._db.execute(
            "INSERT INTO streams (org, user, name, source, gone, alive_until_ms, size, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (*_place(name), stream.source, stream.gone, stream.alive_until_ms, stream.size, _encode(stream)),
        ).fetchall()
        return msgspec.structs.replace(stream, id=id)

    def put(self, stream: Stream) -> None:
        self._db.execute(
            "UPDATE stream_totals SET bytes = bytes + ? - (SELECT size FROM streams WHERE id = ?)",
            (stream.size, stream.id),
        )
        self._db.execute(
            "UPDATE streams SET gone = ?, alive_until_ms = ?, size = ?, state = ? WHERE id = ?",
            (stream.gone, stream.alive_until_ms, stream.size, _encode(stream), stream.id),
        )

    def drop(self, stream: int) -> None:
        self._db.execute(
            "UPDATE stream_totals SET streams = streams - 1, bytes = bytes - (SELECT size FROM streams WHERE id = ?)",
            (stream,),
        )
        place = (segment_id(stream, 0), segment_id(stream, SEQ_MAX))
        self._db.execute("DELETE FROM stream_records WHERE id BETWEEN ? AND ?", place)
        self._db.execute("DELETE FROM stream_producers WHERE stream = ?", (stream,))
        self._db.execute("DELETE FROM streams WHERE id = ?", (stream,))

    def record(self, stream: int, seq: int) -> bytes:
        (payload,) = self.records(stream, seq - 1, seq, 1)
        return payload

    def records(self, stream: int, after: int, last: int, bytes_max: int) -> Sequence[bytes]:
        rows = self._db.execute(
            "SELECT id, crc, payload FROM stream_records WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
            (segment_id(stream, after), segment_id(stream, last), _RECORDS_MAX),
        )
        payloads: list[bytes] = []
        size = 0
        for place, crc, payload in rows:
            if place != segment_id(stream, after + 1 + len(payloads)) or crc != _checksum(place, payload):
                break
            size += len(payload)
            if payloads and size > bytes_max:
                return payloads
            payloads.append(payload)
        if not payloads:  # else what is sound comes first, and the next page tells
            raise LogCorrupt(f"the record {after + 1} of stream {stream} is lost or damaged")
        return payloads

    def add_record(self, stream: int, seq: int, payload: bytes) -> None:
        if seq > SEQ_MAX:
            raise StorageError("the stream has as many records as can be numbered")
        place = segment_id(stream, seq)
        self._db.execute("INSERT INTO stream_records VALUES (?, ?, ?)", (place, _checksum(place, payload), payload))

    def producer(self, stream: int, id: str) -> Producer | None:
        row = self._db.execute(
            "SELECT producer, epoch, seq FROM stream_producers WHERE stream = ? AND producer = ?", (stream, id)
        ).fetchone()
        return None if row is None else Producer(*row)

    def producers(self, stream: int) -> int:
        row = self._db.execute("SELECT count(*) FROM stream_producers WHERE stream = ?", (stream,)).fetchone()
        return int(row[0])

    def put_producer(self, stream: int, producer: Producer) -> None:
        self._db.execute("INSERT OR REPLACE INTO stream_producers VALUES (?, ?, ?, ?)", (stream, *producer))

    def over(self, now_ms: int, limit: int) -> Sequence[Stream]:
        rows = self._db.execute(
            "SELECT id, state FROM streams WHERE alive_until_ms <= ? AND gone = 0 LIMIT ?", (now_ms, limit)
        )
        return [_stream(*row) for row in rows.fetchall()]


def _place(name: StreamName) -> tuple[str, str, str]:
    return name.owner.org, name.owner.user, name.name


def _stream(id: int, state: bytes) -> Stream:
    try:
        return msgspec.structs.replace(_state.decode(state), id=id)
    except msgspec.MsgspecError as error:
        raise LogCorrupt(f"the row of stream {id} can not be read") from error


def _checksum(place: int, payload: bytes) -> int:
    return crc32(payload, crc32(place.to_bytes(8, "little")))


class SqliteStreams:
    """The streams' store."""

    def __init__(self, commits: GroupCommit, readers: SqliteReaders, limits: StreamLimits) -> None:
        self._commits = commits
        self._readers = readers
        self._limits = limits
        self._watchers = StreamWatchers()
        self.watch = self._watchers.watch

    async def create(self, name: StreamName, config: StreamConfig, payload: bytes, now_ms: int) -> tuple[Stream, bool]:
        return await self._change(
            name,
            lambda shelf: changes.create(shelf, self._limits, name, config, payload, now_ms),
            essential=False,
        )

    async def append(self, name: StreamName, append: Append, now_ms: int) -> Appended:
        return await self._change(
            name,
            lambda shelf: changes.append(shelf, self._limits, name, append, now_ms),
            # To close one takes no space.
            essential=append.payload is None,
        )

    async def state(self, name: StreamName, now_ms: int) -> Stream:
        return await self._query(lambda shelf: changes.alive(shelf, name, now_ms))

    async def read(self, name: StreamName, after: int, now_ms: int, *, bytes_max: int = 1 << 20) -> StreamPage:
        return await self._query(lambda shelf: changes.read(shelf, name, after, now_ms, bytes_max))

    async def touch(self, name: StreamName, now_ms: int) -> None:
        await self._commits.change(lambda db: changes.touch(SqliteShelf(db), name, now_ms), haste=Haste.LATER)

    async def delete(self, name: StreamName, now_ms: int) -> None:
        await self._change(name, lambda shelf: changes.delete(shelf, name, now_ms))

    async def sweep(self, now_ms: int) -> None:
        await self._commits.change(lambda db: changes.sweep(SqliteShelf(db), now_ms), haste=Haste.LATER)

    async def _change(self, name: StreamName, work: Callable[[SqliteShelf], T], *, essential: bool = True) -> T:
        def landed(result: T) -> T:
            self._watchers.wake(name)
            return result

        return await self._commits.change(
            lambda db: work(SqliteShelf(db)), landed=landed, essential=essential, haste=Haste.NOW
        )

    async def _query(self, query: Callable[[SqliteShelf], T]) -> T:
        def at_one_moment(db: sqlite3.Connection) -> T:
            db.execute("BEGIN")
            try:
                return query(SqliteShelf(db))
            finally:
                db.execute("COMMIT")

        return await self._readers.run(at_one_moment)
