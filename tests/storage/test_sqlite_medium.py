"""What a start makes of the journal, sound and damaged; and that deletion is complete."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from headwater.errors import LogCorrupt, LogMissing
from headwater.storage.contract import LogState
from headwater.storage.journal import frames
from headwater.storage.schema import CHECKPOINT_PAGES, FILE_NAME, WAL_KEPT_BYTES, open_reader
from headwater.storage.sqlite_medium import SqliteMedium
from headwater.testing.log_contract import read_all, records
from tests.storage.engine import behind, damage, engine, fill


def counts(db: sqlite3.Connection) -> tuple[int, int]:
    """How many frames and how many segments there are."""
    in_journal = len(list(frames(db)))
    (in_segments,) = db.execute("SELECT count(*) FROM segments").fetchone()
    return in_journal, in_segments


async def test_a_start_moves_the_journal_into_segments(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        await fill(storage, "a", records(1, 30))
        await fill(storage, "b", records(1, 5), final=True)
    assert behind(data_dir, counts) == (35, 0)
    async with engine(data_dir) as storage:
        assert await read_all(storage.log, "a") == records(1, 30)
        assert await storage.log.state("b") == LogState(5, True, 1, 1)
    # Many small commits became one segment each run.
    assert behind(data_dir, counts) == (0, 2)
    async with engine(data_dir) as storage:
        assert await read_all(storage.log, "b") == records(1, 5)


async def test_the_write_ahead_log_is_checkpointed_before_sqlite_would_do_it_within_a_commit(data_dir: Path) -> None:
    wal = data_dir / f"{FILE_NAME}-wal"
    frame_bytes = 24 + 8192
    async with engine(data_dir) as storage:
        # Each is a commit and a page, and SQLite takes 512; new tables and slots are some more.
        await fill(storage, "a", records(1, 400))
        assert wal.stat().st_size < 300 * frame_bytes
        # What a large commit leaves behind that is cut off.
        await fill(storage, "b", [b"large" * 500_000])
        assert wal.stat().st_size > 300 * frame_bytes
        await fill(storage, "c", records(1, 2 * CHECKPOINT_PAGES))
        assert wal.stat().st_size <= WAL_KEPT_BYTES + 16 * frame_bytes


async def test_a_checkpoint_that_fails_keeps_no_commit_from_being_made(data_dir: Path) -> None:
    refused: list[str] = []

    def authorize(action: int, name: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_PRAGMA and name == "wal_checkpoint":
            refused.append(name)
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    async with engine(data_dir) as storage:
        medium = storage._commits._medium
        assert isinstance(medium, SqliteMedium)
        assert medium._db is not None
        await storage._commits.in_writer(partial(medium._db.set_authorizer, authorize))
        await fill(storage, "a", records(1, 3 * CHECKPOINT_PAGES))
        assert refused
        assert await read_all(storage.log, "a") == records(1, 3 * CHECKPOINT_PAGES)
        await storage._commits.in_writer(partial(medium._db.set_authorizer, None))


async def test_a_reader_in_the_way_of_a_checkpoint_keeps_no_commit_from_being_made(data_dir: Path) -> None:
    wal = data_dir / f"{FILE_NAME}-wal"
    async with engine(data_dir) as storage:
        await fill(storage, "a", records(1, 10))
        with closing(open_reader(data_dir / FILE_NAME)) as reader:
            reader.execute("BEGIN")
            before = reader.execute("SELECT count(*) FROM journal WHERE id > 0").fetchone()
            await fill(storage, "b", records(1, 3 * CHECKPOINT_PAGES))
            assert reader.execute("SELECT count(*) FROM journal WHERE id > 0").fetchone() == before
            assert wal.stat().st_size > 3 * CHECKPOINT_PAGES * 8192
            reader.execute("ROLLBACK")
        await fill(storage, "c", records(1, CHECKPOINT_PAGES))
        grown = wal.stat().st_size
        await fill(storage, "d", records(1, 3 * CHECKPOINT_PAGES))
        assert wal.stat().st_size == grown
        assert await read_all(storage.log, "b") == records(1, 3 * CHECKPOINT_PAGES)


#: where the payload of a frame with one record begins
ONE_PAYLOAD = 36


async def test_a_damaged_payload_in_the_journal_is_reported_and_never_served(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        await fill(storage, "a", records(1, 6))
        await fill(storage, "b", records(1, 3))
    behind(data_dir, damage("journal", "frame", "id = 4", at=ONE_PAYLOAD))
    async with engine(data_dir) as storage:
        lost = await storage.log.state("a")
        assert lost.tail == 6
        sound = 0
        found: list[bytes] = []
        with pytest.raises(LogCorrupt):
            while sound < 6:
                page = await storage.log.read("a", sound)
                found += page.payloads
                sound = page.last
        assert found == records(1, sound)
        assert sound < 6
        assert await read_all(storage.log, "a", sound + 1) == records(sound + 2, 6)
        assert await read_all(storage.log, "b") == records(1, 3)
        # The run can still be ended.
        await storage.log.claim("a", 2)
        await storage.log.append("a", 6, [b"end"], 2, final=True)
        with pytest.raises(LogCorrupt):
            await storage.log.read("a", sound)


async def test_a_journal_row_whose_owners_are_unknown_is_reported_to_all_that_may_have_lost(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        await fill(storage, "ended", records(1, 2), final=True)
        await fill(storage, "a", records(1, 3))
        await fill(storage, "b", records(1, 3))
        await storage.log.append("b", 3, records(4, 4), 1)
        await storage.log.append("a", 3, records(4, 4), 1)
    behind(data_dir, damage("journal", "frame", "id = (SELECT max(id) FROM journal)", at=20))
    async with engine(data_dir) as storage:
        for run, sound in (("a", 3), ("b", 4)):
            assert list((await storage.log.read(run, 0)).payloads) == records(1, sound)
            with pytest.raises(LogCorrupt):
                await storage.log.read(run, sound)
        assert await read_all(storage.log, "ended") == records(1, 2)


async def test_a_hole_in_the_middle_is_found_by_what_follows(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        await fill(storage, "a", records(1, 3))
    behind(data_dir, damage("journal", "frame", "id = (SELECT max(id) - 1 FROM journal)", at=20))
    async with engine(data_dir) as storage:
        assert list((await storage.log.read("a", 0)).payloads) == records(1, 1)
        with pytest.raises(LogCorrupt):
            await storage.log.read("a", 1)
        assert await read_all(storage.log, "a", 2) == records(3, 3)


CANARY = b"canary-4f1c9a"


@pytest.mark.parametrize("journal_bytes", [0, 4 << 20])
async def test_a_deleted_log_leaves_no_trace_in_any_file(data_dir: Path, journal_bytes: int) -> None:
    def files() -> bytes:
        return b"".join(path.read_bytes() for path in data_dir.iterdir())

    async with engine(data_dir, journal_bytes=journal_bytes) as storage:
        await fill(storage, "kept", records(1, 10))
        await fill(storage, "gone", [CANARY + bytes(size) for size in (0, 10, 5000, 100_000, 3)])
        storage.log.append("kept", 10, records(11, 11), 1)
        await storage.log.append("gone", 5, [CANARY], 1)
        assert CANARY in files()
        await storage.log.delete("gone")
        with pytest.raises(LogMissing):
            await storage.log.read("gone", 0)
        assert await read_all(storage.log, "kept") == records(1, 11)
    assert CANARY not in files()
    async with engine(data_dir) as storage:
        assert await read_all(storage.log, "kept") == records(1, 11)
        with pytest.raises(LogMissing):
            await storage.log.state("gone")


async def test_what_follows_a_deletion_counts_after_a_start(data_dir: Path) -> None:
    """A deletion blanks the slots that were dropped, and so the numbers in them: the next frames go on all the same."""
    async with engine(data_dir, journal_bytes=0) as storage:
        await fill(storage, "gone", records(1, 20), final=True)
        await fill(storage, "other", records(1, 3), final=True)
        await storage.log.delete("gone")
    async with engine(data_dir) as storage:
        await fill(storage, "later", records(1, 2))
    async with engine(data_dir) as storage:
        assert await read_all(storage.log, "later") == records(1, 2)
        assert await read_all(storage.log, "other") == records(1, 3)


async def test_what_is_trimmed_leaves_the_file_with_its_segment(data_dir: Path) -> None:
    async with engine(data_dir, journal_bytes=0) as storage:
        await fill(storage, "a", [CANARY, b"x", b"y"], each=False)
        await storage.log.append("a", 3, [b"z"], 1)
        await storage.log.trim("a", 2)
        assert await read_all(storage.log, "a", 1) == [b"x", b"y", b"z"]
        await storage.log.append("a", 4, [b"!"], 1)
    assert CANARY not in (data_dir / "headwater.db").read_bytes()
