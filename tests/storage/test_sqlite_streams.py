"""Streams in the file: damage is never served, nothing of a deleted stream is left, and limits are counted right."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from headwater.domain.run import LOCAL_OWNER
from headwater.domain.stream import Append, ForkPoint, Producer, StreamConfig, StreamName
from headwater.errors import LogCorrupt
from tests.storage.engine import behind, damage, engine

NAME = StreamName(LOCAL_OWNER, "s")
TEXT = StreamConfig("text/plain")


def holds(directory: Path, text: bytes) -> bool:
    """Whether any file has these bytes in it."""
    return any(text in path.read_bytes() for path in directory.iterdir())


async def test_what_is_damaged_is_not_served(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        await storage.streams.create(NAME, TEXT, b"one", 0)
        for payload in (b"two", b"three"):
            await storage.streams.append(NAME, Append(payload, "text/plain"), 0)
    behind(data_dir, damage("stream_records", "payload", "payload = CAST('two' AS BLOB)"))
    async with engine(data_dir) as storage:
        page = await storage.streams.read(NAME, 0, 0)
        assert (page.payloads, page.up_to_date) == ([b"one"], False)
        with pytest.raises(LogCorrupt):
            await storage.streams.read(NAME, 1, 0)
        assert (await storage.streams.read(NAME, 2, 0)).payloads == [b"three"]


async def test_a_row_that_can_not_be_read_is_told(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        await storage.streams.create(NAME, TEXT, b"one", 0)
    behind(data_dir, lambda db: db.execute("UPDATE streams SET state = CAST('{' AS BLOB)"))
    async with engine(data_dir) as storage:
        with pytest.raises(LogCorrupt):
            await storage.streams.state(NAME, 0)


async def test_a_deleted_stream_leaves_nothing(data_dir: Path) -> None:
    fork = NAME._replace(name="fork")
    async with engine(data_dir) as storage:
        await storage.streams.create(NAME, TEXT, b"secret", 0)
        await storage.streams.create(fork, StreamConfig(fork=ForkPoint("s")), b"hidden", 0)
        await storage.streams.append(fork, Append(b"more", "text/plain", Producer("p", 0, 0)), 0)
        await storage.streams.delete(NAME, 0)
        await storage.streams.delete(fork, 0)

    def left(db: sqlite3.Connection) -> list[int]:
        tables = ("streams", "stream_records", "stream_producers")
        return [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]

    assert behind(data_dir, left) == [0, 0, 0]
    assert behind(data_dir, lambda db: db.execute("SELECT * FROM stream_totals").fetchall()) == [(0, 0)]
    assert not holds(data_dir, b"secret")
    assert not holds(data_dir, b"hidden")


async def test_the_totals_are_what_is_there(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        for number in range(5):
            name = NAME._replace(name=str(number))
            await storage.streams.create(name, StreamConfig("text/plain", ttl_s=10), b"x" * number, 0)
            await storage.streams.append(name, Append(b"yy", "text/plain"), 1000 * number)
        await storage.streams.delete(NAME._replace(name="3"), 0)
        await storage.streams.sweep(11_000)
    there = behind(data_dir, lambda db: db.execute("SELECT count(*), sum(size) FROM streams").fetchone())
    assert there == (2, 2 + 2 + 2 + 4)
    assert behind(data_dir, lambda db: db.execute("SELECT * FROM stream_totals").fetchone()) == there
