"""Documents in the file: what is damaged is told, what is deleted leaves nothing, and pages come from an index."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from headwater.domain.document import Document
from headwater.domain.run import LOCAL_OWNER
from headwater.errors import StorageError
from headwater.testing.run_contract import a_run
from tests.storage.engine import behind, engine


def holds(directory: Path, text: bytes) -> bool:
    """Whether any file has these bytes in it."""
    return any(text in path.read_bytes() for path in directory.iterdir())


async def test_a_document_that_can_not_be_read_is_told(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        await storage.documents.put(LOCAL_OWNER, [Document("c", "k", 1)])
    behind(data_dir, lambda db: db.execute("UPDATE documents SET body = CAST('{' AS BLOB)"))
    async with engine(data_dir) as storage:
        with pytest.raises(StorageError):
            await storage.documents.get(LOCAL_OWNER, "c", "k")


async def test_what_no_database_can_name_is_not_there(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        assert await storage.documents.get(LOCAL_OWNER, "c", "\ud83d") is None
        assert (await storage.documents.list(LOCAL_OWNER, "\ud83d")).documents == []
        assert (await storage.documents.list(LOCAL_OWNER, "c", where={"\ud83d": ""})).documents == []
        assert not await storage.documents.delete(LOCAL_OWNER, "c", "\ud83d")
        assert storage.failed is None


async def test_what_is_deleted_or_replaced_leaves_nothing(data_dir: Path) -> None:
    run = a_run(epoch=1)
    async with engine(data_dir) as storage:
        mine = Document("c", "mine", "secret one", {"w": "secret word"}, run.id)
        await storage.begin(run, documents=[mine, Document("c", "other", "secret two", {"w": "secret word"})])
        await storage.documents.put(LOCAL_OWNER, [Document("c", "other", "open")])
        await storage.runs.delete(run.id)

    def left(db: sqlite3.Connection) -> list[int]:
        return [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("documents", "document_words")]

    assert behind(data_dir, left) == [1, 0]
    assert not holds(data_dir, b"secret")


async def test_a_page_does_not_look_at_what_is_before_it(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        await storage.documents.put(LOCAL_OWNER, [Document("c", str(number), number) for number in range(100)])

    def plan(db: sqlite3.Connection) -> str:
        query = "SELECT id FROM documents WHERE org = '' AND user = '' AND collection = '' AND id < 5 ORDER BY id DESC"
        return str(db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall())

    said = behind(data_dir, plan)
    assert "documents_by_age" in said
    assert "TEMP B-TREE" not in said
