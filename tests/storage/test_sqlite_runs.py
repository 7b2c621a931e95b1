"""Rows: what the kit does not look at."""

import sqlite3
from pathlib import Path

import pytest

from headwater.domain.run import LOCAL_OWNER, RunState
from headwater.errors import StorageError
from headwater.storage.contract import RunFilter
from headwater.testing.run_contract import SNAPSHOT, a_key, a_run
from tests.storage.engine import behind, engine


async def test_a_row_that_can_not_be_read_is_a_typed_error(data_dir: Path) -> None:
    run = a_run()
    async with engine(data_dir) as storage:
        await storage.runs.create(run)
    behind(data_dir, lambda db: db.execute("UPDATE runs SET request = x'7b'").fetchall())
    async with engine(data_dir) as storage:
        with pytest.raises(StorageError, match=run.id):
            await storage.runs.get(run.id)


async def test_a_row_that_can_not_be_read_hides_no_other(data_dir: Path) -> None:
    runs = [a_run() for _ in range(4)]
    async with engine(data_dir) as storage:
        for run in runs:
            await storage.runs.create(run, a_key(run.id))
    spoiled = runs[1].id
    behind(data_dir, lambda db: db.execute("UPDATE runs SET request = x'7b' WHERE id = ?", (spoiled,)).fetchall())
    readable = {run.id for run in runs} - {spoiled}
    async with engine(data_dir) as storage:
        assert {run.id for run in await storage.runs.unfinished()} == readable
        seen: list[str] = []
        pages = 0
        cursor = None
        while pages == 0 or cursor is not None:
            page = await storage.runs.select(RunFilter(LOCAL_OWNER), cursor=cursor, limit=1)
            seen += [run.id for run in page.runs]
            cursor = page.cursor
            pages += 1
        assert pages == len(runs)
        assert len(seen) == len(readable)
        assert set(seen) == readable
        await storage.runs.delete(spoiled)
        assert await storage.runs.get(spoiled) is None


async def test_usage_without_content_stays_after_a_deletion(data_dir: Path) -> None:
    run = a_run()
    async with engine(data_dir) as storage:
        await storage.runs.create(run, a_key())
        await storage.runs.finish(run.id, RunState.COMPLETED, SNAPSHOT, 5, None)
        await storage.runs.delete(run.id)

    def left(db: sqlite3.Connection) -> list[tuple[str, str, bytes]]:
        return db.execute("SELECT user, model, usage FROM usage").fetchall()

    assert SNAPSHOT.usage is not None
    ((user, model, usage),) = behind(data_dir, left)
    assert (user, model) == (LOCAL_OWNER.user, "m")
    assert b'"output_tokens":5' in usage
    assert SNAPSHOT.text.encode() not in (data_dir / "headwater.db").read_bytes()


async def test_a_page_costs_no_sort(data_dir: Path) -> None:
    async with engine(data_dir):
        pass
    query = (
        "EXPLAIN QUERY PLAN SELECT id FROM runs WHERE org = ? AND user = ? AND (created_at_ms, id) < (?, ?)"
        " ORDER BY created_at_ms DESC, id DESC LIMIT 50"
    )
    plan = behind(data_dir, lambda db: db.execute(query, ("a", "b", 1, "c")).fetchall())
    assert "runs_by_owner" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
