"""The file says what it is, and one that is not for this version is left alone."""

import sqlite3
from pathlib import Path

import pytest

from headwater.errors import ConfigError
from headwater.storage.schema import APPLICATION_ID, MIGRATIONS, open_reader, open_writer


def test_a_new_file_has_every_step(tmp_path: Path) -> None:
    path = tmp_path / "headwater.db"
    db = open_writer(path, "FULL")
    assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert db.execute("PRAGMA secure_delete").fetchone() == (1,)
    assert path.stat().st_mode & 0o077 == 0
    db.close()
    open_writer(path, "FULL").close()


def test_a_newer_file_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "headwater.db"
    db = open_writer(path, "FULL")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="newer"):
        open_writer(path, "FULL")
    assert path.read_bytes() == before


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "headwater.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(ConfigError, match="another program"):
        open_writer(path, "FULL")


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "headwater.db"
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(ConfigError):
        open_writer(path, "FULL")


def test_a_reader_can_not_write(tmp_path: Path) -> None:
    path = tmp_path / "head water#?.db"
    writer = open_writer(path, "FULL")
    reader = open_reader(path)
    with pytest.raises(sqlite3.OperationalError):
        reader.execute("DELETE FROM runs")
    with pytest.raises(sqlite3.OperationalError):
        reader.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    reader.close()
    writer.close()
