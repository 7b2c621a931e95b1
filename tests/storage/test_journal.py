"""Frames in slots: found again as they were put, gone when dropped, and as the database says after a rollback."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.storage.batches import decode_frame, encode_frame
from headwater.storage.contract import LogState
from headwater.storage.journal import GROW, SLOT_BYTES, Journal, frames, scrub, slots_of
from headwater.storage.schema import open_writer
from headwater.storage.tail import Tail


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    db = open_writer(tmp_path / "headwater.db", "FULL")
    yield db
    db.close()


def put(db: sqlite3.Connection, journal: Journal, journal_id: int, frame: bytes) -> None:
    db.execute("BEGIN IMMEDIATE")
    journal.put(journal_id, frame)
    db.execute("COMMIT")


def found(db: sqlite3.Connection) -> list[tuple[int, bytes]]:
    return [(journal_id, frame.rstrip(b"\0")) for journal_id, _, frame in frames(db)]


def made(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM journal").fetchone()[0])


def held(db: sqlite3.Connection, text: bytes) -> bool:
    """Whether any slot holds this, counted or not."""
    return bool(db.execute("SELECT count(*) FROM journal WHERE instr(frame, ?)", (text,)).fetchone()[0])


SIZES = (1, SLOT_BYTES - 1, SLOT_BYTES, SLOT_BYTES + 1, 3 * SLOT_BYTES, SLOT_BYTES * (GROW + 5))


def test_frames_of_every_size_are_found_again_in_order(db: sqlite3.Connection) -> None:
    journal = Journal(db)
    expected = [(at, bytes([at]) * size) for at, size in enumerate(SIZES, 1)]
    for journal_id, frame in expected:
        put(db, journal, journal_id, frame)
    assert found(db) == expected
    assert [len(slots) for _, slots, _ in frames(db)] == [slots_of(size) for size in SIZES]


@pytest.mark.slow
def test_dropped_slots_are_taken_again(db: sqlite3.Connection) -> None:
    journal = Journal(db)
    for journal_id in range(1, 10 * GROW):
        put(db, journal, journal_id, b"%d" % journal_id * 1500)
        if journal_id > 5:
            db.execute("BEGIN IMMEDIATE")
            journal.drop(journal_id - 4)
            db.execute("COMMIT")
            assert [at for at, _ in found(db)] == list(range(journal_id - 4, journal_id + 1))
    assert made(db) == GROW
    # whoever reads it anew finds the same slots free
    journal.reload()
    put(db, journal, 10 * GROW, b"x" * SLOT_BYTES * (GROW - 5))
    assert made(db) == GROW
    put(db, journal, 10 * GROW + 1, b"one more")
    assert made(db) == 2 * GROW


def test_a_drop_writes_as_much_for_many_frames_as_for_one(db: sqlite3.Connection, tmp_path: Path) -> None:
    """A commit that writes out many runs holds up the tokens of all others."""
    journal = Journal(db)
    for journal_id in range(1, 3 * GROW):
        put(db, journal, journal_id, b"x" * SLOT_BYTES)
    wal = tmp_path / "headwater.db-wal"
    grown = []
    for low in (2, 3 * GROW):
        before = wal.stat().st_size
        db.execute("BEGIN IMMEDIATE")
        journal.drop(low)
        db.execute("COMMIT")
        grown.append(wal.stat().st_size - before)
    assert grown == [8192 + 24] * 2


def test_a_frame_that_was_dropped_and_half_overwritten_is_nobodys_loss(db: sqlite3.Connection) -> None:
    journal = Journal(db)
    put(db, journal, 1, b"x" * SLOT_BYTES * GROW)
    db.execute("BEGIN IMMEDIATE")
    journal.drop(2)
    db.execute("COMMIT")
    put(db, journal, 2, b"y")
    assert found(db) == [(2, b"y")]
    assert made(db) == GROW


def test_after_a_rollback_the_slots_are_what_the_database_says(db: sqlite3.Connection) -> None:
    journal = Journal(db)
    put(db, journal, 1, b"one")
    put(db, journal, 2, b"two" * SLOT_BYTES)
    db.execute("BEGIN IMMEDIATE")
    journal.drop(3)
    journal.put(3, b"three" * SLOT_BYTES * GROW)
    db.execute("ROLLBACK")
    journal.reload()
    assert not journal.fits(1)
    put(db, journal, 4, b"four")
    assert found(db) == [(1, b"one"), (2, b"two" * SLOT_BYTES), (4, b"four")]
    db.execute("BEGIN IMMEDIATE")
    journal.drop(4)
    db.execute("COMMIT")
    assert found(db) == [(4, b"four")]
    assert journal.fits(SLOT_BYTES)
    assert not journal.fits(SLOT_BYTES + 1)


def test_a_slot_that_is_there_changes_one_page(db: sqlite3.Connection, tmp_path: Path) -> None:
    """What the slots are for: an append adds one page to the write-ahead log."""
    journal = Journal(db)
    for journal_id in range(1, 4):
        put(db, journal, journal_id, b"x" * 7000)
        assert journal.fits(7500)
    wal = tmp_path / "headwater.db-wal"
    for journal_id in (4, 5, 6):
        before = wal.stat().st_size
        journal.put(journal_id, b"y" * 7500)
        assert wal.stat().st_size - before == 8192 + 24


def test_what_is_scrubbed_is_gone_and_its_neighbours_stay(db: sqlite3.Connection) -> None:
    journal = Journal(db)
    gone, stays = (Tail(run, key, LogState(0, False, 1, 1)) for run, key in (("gone", 7), ("stays", 8)))
    put(db, journal, 1, encode_frame(1, [(gone, 0, [b"secret" * 1000], False), (stays, 0, [b"kept"], False)]))
    put(db, journal, 2, encode_frame(2, [(gone, 1, [b"secret"], True)]))
    scrub(db, 7)
    assert [
        [(entry.key, entry.payloads) for entry in decode_frame(journal_id, frame)]
        for journal_id, _, frame in frames(db)
    ] == [[(8, [b"kept"])], []]
    assert not held(db, b"secret")


def test_what_was_dropped_is_scrubbed_too(db: sqlite3.Connection) -> None:
    journal = Journal(db)
    put(db, journal, 1, b"secret" * SLOT_BYTES)
    put(db, journal, 2, b"kept")
    db.execute("BEGIN IMMEDIATE")
    journal.drop(2)
    db.execute("COMMIT")
    assert held(db, b"secret")
    scrub(db, 7)
    assert not held(db, b"secret")
    assert held(db, b"kept")
