"""What the SQLite tests share: an engine in a directory, and a look at its file behind its back."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from headwater.storage.backlog import Backlog
from headwater.storage.contract import Commit
from headwater.storage.sqlite import SqliteStorage

T = TypeVar("T")


@asynccontextmanager
async def engine(
    directory: Path, *, journal_bytes: int = 4 << 20, idle_s: float = 3600.0, reserve_bytes: int = 4096
) -> AsyncIterator[SqliteStorage]:
    """An open engine that writes out by size only, unless told otherwise."""
    storage = SqliteStorage(
        directory, backlog=Backlog(journal_bytes, idle_s), commit_interval_ms=1, reserve_bytes=reserve_bytes
    )
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


async def fill(
    storage: SqliteStorage, run: str, payloads: list[bytes], *, final: bool = False, each: bool = True
) -> None:
    """Claims a new log and appends to it, a commit for each record or one for all."""
    await storage.log.claim(run, 1)
    batches = [[payload] for payload in payloads] if each else [payloads]
    after = 0
    receipt: Commit | None = None
    for batch in batches:
        receipt = storage.log.append(run, after, batch, 1, final=final and after + len(batch) == len(payloads))
        after += len(batch)
        await receipt


def behind(directory: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """Does something to the file while no engine has it."""
    db = sqlite3.connect(directory / "headwater.db", isolation_level=None)
    try:
        return work(db)
    finally:
        db.close()


def damage(table: str, column: str, where: str, at: int = -1) -> Callable[[sqlite3.Connection], None]:
    """Flips a bit of a blob."""

    def work(db: sqlite3.Connection) -> None:
        (key, blob) = db.execute(f"SELECT rowid, {column} FROM {table} WHERE {where}").fetchone()
        broken = bytearray(blob)
        broken[at] ^= 1
        db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (bytes(broken), key))

    return work
