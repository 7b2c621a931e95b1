"""The database: whose it is, which schema it has, and whether a sample of its records is what was written."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from headwater.cli.checkup.finding import Findings
from headwater.errors import LogCorrupt
from headwater.storage.batches import SEQ_MAX, decode_frame, decode_segment
from headwater.storage.journal import frames
from headwater.storage.schema import APPLICATION_ID, FILE_NAME, MIGRATIONS, open_reader

SAMPLES = 200
SAMPLE_BYTES_MAX = 64 << 20
_NAMED_MAX = 5
#: A segment's id is its run's key and its last seq.
_SEQ_BITS = SEQ_MAX.bit_length()


def check_database(path: Path, rng: random.Random | None = None) -> Findings:
    """What was found in this data directory's database, over a connection that can not write."""
    found = Findings("database")
    file = path / FILE_NAME
    if not file.exists():
        found.ok("There is none yet; the first start makes it.")
        return found
    try:
        with closing(_open(file)) as db:
            db.execute("BEGIN")
            if _check_schema(db, file, found):
                _check_sample(db, rng or random.Random(), found)
    except sqlite3.DatabaseError as error:
        found.problem(f"{file} can not be read: {error}.", "Look at the disk; restore the newest backup.")
    return found


def newest_run_ms(path: Path) -> int | None:
    """When the newest run was made, in ms since 1970; None where that can not be said."""
    try:
        with closing(_open(path / FILE_NAME)) as db:
            (newest,) = db.execute("SELECT max(created_at_ms) FROM runs").fetchone()
    except sqlite3.DatabaseError:
        return None
    return int(newest) if newest is not None else None


def _open(file: Path) -> sqlite3.Connection:
    """For reading. A server that runs has a write-ahead log there, and so has one that crashed; without one nothing is
    going on, and the file can be read without leaving anything beside it."""
    if file.with_name(file.name + "-wal").exists():
        return open_reader(file)
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)


def _check_schema(db: sqlite3.Connection, file: Path, found: Findings) -> bool:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        found.problem(f"{file} is another program's database.", "Choose another directory with --data.")
        return False
    known = len(MIGRATIONS)
    if version > known:
        found.problem(
            f"{file} was written by a newer version: schema {version}, this one knows {known}.",
            "Install that version again.",
        )
        return False
    if version < known:
        found.note(f"The schema is {version}; the next start brings it up to {known}. Its records were not looked at.")
        return False
    (runs,) = db.execute("SELECT count(*) FROM runs").fetchone()
    found.ok(f"Schema {version}, {runs} {'run' if runs == 1 else 'runs'}.")
    return True


def _check_sample(db: sqlite3.Connection, rng: random.Random, found: Findings) -> None:
    looked_at, damaged = 0, set[str]()
    size = 0
    for key, first, blob in _segments(db, rng):
        looked_at += 1
        size += len(blob)
        try:
            decode_segment(key, first, blob)
        except LogCorrupt:
            damaged.add(_run_of(db, key))
        if size > SAMPLE_BYTES_MAX:
            break
    for journal_id, _, frame in frames(db):
        looked_at += 1
        try:
            damaged |= {_run_of(db, entry.key) for entry in decode_frame(journal_id, frame) if entry.payloads is None}
        except LogCorrupt:
            damaged.add("the newest records, of a run that can not be told")
    if not damaged:
        found.ok(f"{looked_at} pieces of the log were looked at, and match their checksums.")
        return
    named = ", ".join(sorted(damaged)[:_NAMED_MAX]) + (" and others" if len(damaged) > _NAMED_MAX else "")
    found.problem(
        f"Records do not match their checksums, in: {named}.",
        "They are never served. Look at the disk; restore the newest backup, or delete these runs "
        "(`headwater runs rm RUN`).",
    )


def _segments(db: sqlite3.Connection, rng: random.Random) -> Iterator[tuple[int, int, bytes]]:
    """The newest segments, and some from anywhere: key, first seq, bytes."""
    newest = db.execute("SELECT id, first, blob FROM segments ORDER BY id DESC LIMIT ?", (SAMPLES,)).fetchall()
    for number, first, blob in newest:
        yield number >> _SEQ_BITS, first, blob
    if len(newest) < SAMPLES:
        return
    (low,) = db.execute("SELECT min(id) FROM segments").fetchone()
    for _ in range(SAMPLES):
        place = rng.randint(low, newest[-1][0])
        number, first, blob = db.execute(
            "SELECT id, first, blob FROM segments WHERE id >= ? ORDER BY id LIMIT 1", (place,)
        ).fetchone()
        yield number >> _SEQ_BITS, first, blob


def _run_of(db: sqlite3.Connection, key: int) -> str:
    row = db.execute("SELECT run FROM logs WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else f"a log without a run (key {key})"
