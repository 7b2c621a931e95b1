"""Faults 33 and 34 from the reader's side: damage is found by checksum or by SQLite, and is never served."""

from pathlib import Path

import pytest

from headwater.errors import LogCorrupt, StorageError
from headwater.testing.log_contract import records
from headwater.testing.run_contract import a_run
from tests.storage.engine import behind, damage, engine, fill


async def test_a_flipped_bit_in_a_segment_is_never_served(data_dir: Path) -> None:
    async with engine(data_dir, journal_bytes=0) as storage:
        await fill(storage, "r", records(1, 30))
    async with engine(data_dir):
        pass
    behind(data_dir, damage("segments", "blob", "first > 10"))
    async with engine(data_dir) as storage:
        after = 0
        with pytest.raises(LogCorrupt):
            while True:
                page = await storage.log.read("r", after, records_max=7)
                assert list(page.payloads) == records(after + 1, page.last)
                after = page.last
        assert 10 <= after < 30


async def test_a_segment_that_is_missing_is_never_skipped(data_dir: Path) -> None:
    async with engine(data_dir, journal_bytes=0) as storage:
        await fill(storage, "r", records(1, 10))
    async with engine(data_dir):
        pass
    behind(data_dir, lambda db: db.execute("DELETE FROM segments WHERE first = 4").fetchall())
    async with engine(data_dir) as storage:
        assert list((await storage.log.read("r", 0)).payloads) == records(1, 3)
        with pytest.raises(LogCorrupt):
            await storage.log.read("r", 3)


@pytest.mark.parametrize("table", ["segments", "runs"])
async def test_a_damaged_page_is_a_typed_error(data_dir: Path, table: str) -> None:
    async with engine(data_dir, journal_bytes=0) as storage:
        run = a_run()
        await storage.runs.create(run)
        await fill(storage, "r", [bytes(100)] * 200)
    async with engine(data_dir):
        pass
    query = "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size WHERE name = ?"
    page, size = behind(data_dir, lambda db: db.execute(query, (table,)).fetchone())
    with (data_dir / "headwater.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    async with engine(data_dir) as storage:
        if table == "segments":
            with pytest.raises(LogCorrupt):
                await storage.log.read("r", 0)
            assert await storage.runs.get(run.id) == run
        else:
            with pytest.raises(StorageError):
                await storage.runs.get(run.id)
