"""Reading from the database: a few threads, each with a read-only connection of its own."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from headwater.errors import LogCorrupt, LogMissing, LogTrimmed, StorageError
from headwater.storage.batches import SEQ_MAX, decode_segment
from headwater.storage.contract import LogState, Page
from headwater.storage.schema import open_reader
from headwater.storage.sqlite_medium import segment_id

T = TypeVar("T")

THREADS = 2


class SqliteReaders:
    """Runs queries beside the writer. What a query sees is durable: SQLite shows a commit once it is synced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="headwater-reader")

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Raises `StorageError` where the database can not be read, and what `query` raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._query, query)

    def _query(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            db: sqlite3.Connection | None = getattr(self._own, "db", None)
            if db is None:
                db = self._own.db = open_reader(self._path)
                self._opened.append(db)
            return query(db)
        except sqlite3.DatabaseError as error:
            raise StorageError(f"the database can not be read: {error}") from error

    async def close(self) -> None:
        """Waits for the queries under way. Has to come before the writer's end, which is then the last to leave."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._pool.shutdown)
        for db in self._opened:
            db.close()


def read_state(db: sqlite3.Connection, run: str) -> LogState:
    """How a log that is not in memory stands. Raises `LogMissing`."""
    row = db.execute("SELECT tail, closed, epoch, first FROM logs WHERE run = ?", (run,)).fetchone()
    if row is None:
        raise LogMissing
    return LogState(row[0], bool(row[1]), row[2], row[3])


def read_page(db: sqlite3.Connection, run: str, after: int, records_max: int, bytes_max: int) -> Page:
    """A page from segments. Raises `LogMissing`, `LogTrimmed`, `LogCorrupt`.

    For a log that is in memory, its tail and end are what memory says, not what this page does.
    """
    try:
        return _read_page(db, run, after, records_max, bytes_max)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise LogCorrupt(f"the database is damaged: {error}") from error
        raise


def _read_page(db: sqlite3.Connection, run: str, after: int, records_max: int, bytes_max: int) -> Page:
    row = db.execute("SELECT key, first, tail, closed FROM logs WHERE run = ?", (run,)).fetchone()
    if row is None:
        raise LogMissing
    key, first, tail, closed = row
    if after + 1 < first:
        raise LogTrimmed(first=first)
    payloads: list[bytes] = []
    size = 0
    segments = db.execute(
        "SELECT first, blob FROM segments WHERE id > ? AND id <= ? ORDER BY id",
        (segment_id(key, min(after, SEQ_MAX)), segment_id(key, SEQ_MAX)),
    )
    for segment_first, blob in segments:
        wanted = after + 1 + len(payloads)
        try:
            if segment_first > wanted:
                raise LogCorrupt(f"the records from {wanted} to {segment_first - 1} are lost")
            found = decode_segment(key, segment_first, blob)
        except LogCorrupt:
            if payloads:
                break  # what is sound comes first; the next page tells
            raise
        for payload in found[wanted - segment_first :]:
            size += len(payload)
            if payloads and (size > bytes_max or len(payloads) >= records_max):
                return Page(after, payloads, tail, bool(closed))
            payloads.append(payload)
    if not payloads and after < tail:
        raise LogCorrupt(f"the records from {after + 1} on are lost")
    return Page(after, payloads, tail, bool(closed))
