from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from headwater.cli.checkup import database
from headwater.cli.checkup.database import check_database, newest_run_ms
from headwater.cli.checkup.finding import Findings, Level
from headwater.domain import event as ev
from headwater.domain.message import Message
from headwater.domain.run import LOCAL_OWNER, Run, RunRequest
from headwater.storage.contract import Storage
from headwater.storage.schema import FILE_NAME, MIGRATIONS
from headwater.storage.sqlite import SqliteStorage

REQUEST = RunRequest("simulated", messages=[Message("user", "Hi")])


def levels(found: Findings) -> list[Level]:
    return [finding.level for finding in found]


def payloads(count: int) -> Sequence[bytes]:
    return [ev.encode_record(seq, seq, ev.Chunk(f"word {seq} ", 0)) for seq in range(1, count + 1)]


async def fill(storage: Storage, runs: int = 3) -> None:
    """Some runs of ten records each, created at 1000, 1001, …"""
    for number in range(runs):
        run = f"run_{number:032x}"
        await storage.runs.create(Run(run, LOCAL_OWNER, REQUEST, 1000 + number))
        await storage.log.claim(run, 1)
        await storage.log.append(run, 0, payloads(10), 1)


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A directory whose journal is empty: each run's records are a segment."""
    path = tmp_path / "data"
    storage = SqliteStorage(path)
    await storage.open()
    await fill(storage)
    await storage.close()
    # What was in the journal, a start puts into segments.
    storage = SqliteStorage(path)
    await storage.open()
    await storage.close()
    return path


def change(data: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(data / FILE_NAME, isolation_level=None)) as db:
        assert db.execute(statement, values).rowcount
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_a_sound_database_is_good_and_is_left_as_it_was(data: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in data.iterdir()}
    found = check_database(data)
    assert levels(found) == [Level.OK, Level.OK]
    assert f"Schema {len(MIGRATIONS)}, 3 runs." in found[0].text
    assert found[1].text.startswith("3 pieces")
    assert newest_run_ms(data) == 1002
    assert {path.name: path.stat().st_mtime_ns for path in data.iterdir()} == before


async def test_that_of_a_running_server_is_read_too(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path)
    await storage.open()
    await fill(storage)
    found = check_database(tmp_path)
    assert levels(found) == [Level.OK, Level.OK]
    # nothing was flushed yet: what is looked at is the journal
    assert int(found[1].text.split()[0]) > 0
    await storage.close()


def test_none_yet_is_good(tmp_path: Path) -> None:
    assert levels(check_database(tmp_path)) == [Level.OK]
    assert newest_run_ms(tmp_path) is None


def test_a_damaged_record_is_a_problem_that_names_the_run(data: Path) -> None:
    with closing(sqlite3.connect(data / FILE_NAME)) as db:
        number, blob = db.execute("SELECT id, blob FROM segments ORDER BY id LIMIT 1").fetchone()
    change(data, "UPDATE segments SET blob = ? WHERE id = ?", blob[:-1] + bytes([blob[-1] ^ 1]), number)
    found = check_database(data)
    assert levels(found) == [Level.OK, Level.PROBLEM]
    assert "run_" + "0" * 32 in found[1].text
    assert "run_" + "0" * 31 + "1" not in found[1].text


def test_records_that_are_known_to_be_lost_are_a_problem(data: Path) -> None:
    change(data, "UPDATE segments SET blob = x'' WHERE id = (SELECT max(id) FROM segments)")
    assert levels(check_database(data)) == [Level.OK, Level.PROBLEM]


def test_a_damaged_journal_is_a_problem(data: Path) -> None:
    change(data, "INSERT INTO journal (slot, id, part, frame) VALUES (9999, 9999, 0, zeroblob(100))")
    found = check_database(data)
    assert levels(found) == [Level.OK, Level.PROBLEM]
    assert "newest records" in found[1].text


def test_the_sample_of_a_large_log_is_bounded_and_from_everywhere(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SAMPLES", 2)
    assert check_database(data, random.Random(1))[1].text.startswith("4 pieces")
    monkeypatch.setattr(database, "SAMPLE_BYTES_MAX", 1)
    assert check_database(data)[1].text.startswith("1 pieces")


@pytest.mark.parametrize(
    ("statement", "level"),
    [
        ("PRAGMA application_id = 7", Level.PROBLEM),
        (f"PRAGMA user_version = {len(MIGRATIONS) + 1}", Level.PROBLEM),
        ("PRAGMA user_version = 0", Level.NOTE),
    ],
)
def test_another_schema(data: Path, statement: str, level: Level) -> None:
    with closing(sqlite3.connect(data / FILE_NAME, isolation_level=None)) as db:
        db.execute(statement)
    assert levels(check_database(data)) == [level]


def test_what_is_no_database_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all, but long enough to be looked at" * 100)
    assert levels(check_database(tmp_path)) == [Level.PROBLEM]
    assert newest_run_ms(tmp_path) is None
