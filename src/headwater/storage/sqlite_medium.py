"""What the writer's thread does to the disk. All of it blocks; none of it is called anywhere else.

A corrupt frame is found when the journal is replayed. Records that it is known to have held
become an empty segment, which reads as `LogCorrupt`; where it can not be told whose they were, so
does one seq at the end of every log that may have lost some. Nothing is ever skipped in silence.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Final

from headwater.errors import ConfigError, LogCorrupt
from headwater.storage.batches import SEQ_MAX, decode_frame, decode_segment, encode_frame, encode_segment
from headwater.storage.boot import boot_id
from headwater.storage.commits import Change, Group
from headwater.storage.directory import DataDirectory
from headwater.storage.journal import Journal, blank_dropped, frames, scrub, slots_of
from headwater.storage.schema import CHECKPOINT_PAGES, FILE_NAME, is_locked, is_of_files, open_writer, wait_longer

_INSERT_SEGMENT = "INSERT INTO segments (id, first, blob) VALUES (?, ?, ?)"
_REPLAY_SEGMENT_BYTES = 256 << 10
#: How long a commit takes up changes of rows, in seconds; the rest goes with the next one. The tokens of the moment
#: wait for it, and where many runs begin at once, the loop's thread and the writer's contend for the interpreter.
CHANGES_S: Final = 0.004
#: Pages that a change of rows, or a segment with its log's row, adds to the write-ahead log, about.
_ROW_PAGES: Final = 2
#: How long a start waits for the directory, in seconds: `headwater keys` has it for as long as a change takes.
HOLD_S: Final = 1.0


def segment_id(key: int, last: int) -> int:
    """Where the segment of this run that ends with this seq is kept."""
    return key << 31 | last


class SqliteMedium:
    """The database's writing side, the lock and the reserve."""

    def __init__(self, directory: DataDirectory, synchronous: str) -> None:
        self._directory = directory
        self._synchronous = synchronous
        self._db: sqlite3.Connection | None = None
        self._journal: Journal
        #: changed since the last checkpoint, about
        self._pages = 0

    @property
    def path(self) -> Path:
        return self._directory.path / FILE_NAME

    # --- beginning and end -------------------------------------------------------------------------------------------

    def open(self) -> int:
        """Takes hold of the directory, replays the journal, and returns the next frame's id.

        Raises `ConfigError`, `sqlite3.Error`, `OSError`.
        """
        self._directory.hold(HOLD_S)
        try:
            try:
                db, next_id = self._begun()
            except sqlite3.Error as error:
                # The disk filled up before the last end: the reserve is there for this too.
                if not (self.is_full(error) or is_of_files(error)) or not self.release_reserve():
                    raise
                db, next_id = self._begun()
            self._journal = Journal(db)
            self._directory.sync()
            wait_longer(db)
        except sqlite3.OperationalError as error:
            self.close()
            if is_locked(error):
                raise ConfigError(
                    f"{self.path} is locked by another program (a backup? a browser?): end that, and start again"
                ) from error
            raise
        except BaseException:
            self.close()
            raise
        return next_id

    def _begun(self) -> tuple[sqlite3.Connection, int]:
        """The database with what the journal had; once more where that could not be."""
        if self._db is None:
            self._db = open_writer(self.path, self._synchronous)
        return self._db, _replay(self._db)

    def close(self) -> None:
        """Checkpoints what there is, if it can, and lets go."""
        db, self._db = self._db, None
        if db is not None:
            db.close()
        self._directory.let_go()

    def is_of_this_boot(self) -> bool:
        """Whether all that was acknowledged here is here: it was synced, or the kernel that held it still runs."""
        noted = self._directory.boot()
        return noted is None or noted == boot_id()

    def note_boot(self) -> None:
        """Notes whether what is acknowledged from now on needs this boot to last."""
        noted = None if self._synchronous == "FULL" else boot_id() or "unknown"
        if noted == self._directory.boot():
            return
        try:
            self._directory.note_boot(noted)
        except OSError as error:
            if not (self.is_full(error) and self.release_reserve()):
                raise
            self._directory.note_boot(noted)

    def make_reserve(self) -> bool:
        return self._directory.make_reserve()

    def release_reserve(self) -> bool:
        return self._directory.release_reserve()

    def truncate_wal(self) -> bool:
        """Empties the write-ahead log into the database file; False while a reader is in the way."""
        assert self._db is not None
        busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def is_full(self, error: BaseException) -> bool:
        """Whether this is want of space, and nothing worse: SQLite has then written none of it."""
        if isinstance(error, OSError):
            return error.errno in {errno.ENOSPC, errno.EDQUOT}
        return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL

    # --- a commit ----------------------------------------------------------------------------------------------------

    def commit(self, group: Group) -> None:
        """Makes the whole group durable, or raises and leaves the database as it was."""
        db = self._db
        assert db is not None
        frame = encode_frame(group.journal_id, group.appends) if group.appends else b""
        group.size = len(frame)
        try:
            if group.changes or group.flushes or not self._journal.fits(len(frame)):
                self._transaction(db, group, frame)
            elif frame:
                # One statement is a transaction of its own, and the cheapest one.
                self._journal.put(group.journal_id, frame)
        except BaseException:
            self._journal.reload()
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        self._pages += slots_of(len(frame)) + _ROW_PAGES * (len(group.changes) + len(group.flushes))

    def catch_up(self) -> None:
        """Moves what lies in the write-ahead log into the database, where it is enough for that.

        What can not be moved now, as for a reader in the way or for want of space, stays where it is: durable, and
        there for the next time.
        """
        if self._pages < CHECKPOINT_PAGES:
            return
        self._pages = 0
        assert self._db is not None
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _transaction(self, db: sqlite3.Connection, group: Group, frame: bytes) -> None:
        db.execute("BEGIN IMMEDIATE")
        self._write_segments(db, group)
        applied = 0
        until = perf_counter() + CHANGES_S
        for change in group.changes:
            _apply(db, change)
            applied += 1
            if perf_counter() > until:
                break
        if frame:
            self._journal.put(group.journal_id, frame)
        db.execute("COMMIT")
        group.changes, group.left = group.changes[:applied], group.changes[applied:]

    def _write_segments(self, db: sqlite3.Connection, group: Group) -> None:
        if not group.flushes:
            return
        for flush in group.flushes:
            key = flush.tail.key
            if flush.payloads:
                blob = encode_segment(key, flush.first, flush.payloads)
                db.execute(_INSERT_SEGMENT, (segment_id(key, flush.last), flush.first, blob))
            db.execute("UPDATE logs SET tail = ?, closed = ? WHERE key = ?", (flush.last, flush.closed, key))
        self._journal.drop(group.low)


def _apply(db: sqlite3.Connection, change: Change) -> None:
    """Applies one change; if it refuses, it alone is taken back. SQLite's own errors fail the group."""
    change.error = None
    if not change.is_plain:
        db.execute("SAVEPOINT change")
    try:
        change.result = change.apply(db)
    except sqlite3.Error:
        raise
    except Exception as error:
        change.error = error
        if not change.is_plain:
            db.execute("ROLLBACK TO change")
    if not change.is_plain:
        db.execute("RELEASE change")


# --- changes of logs, for `Change.apply` ------------------------------------------------------------------------------


def delete_log(db: sqlite3.Connection, run: str) -> None:
    """Forgets a log and every trace of its records, in the journal too."""
    row = db.execute("SELECT key FROM logs WHERE run = ?", (run,)).fetchone()
    if row is None:
        return
    (key,) = row
    db.execute("DELETE FROM segments WHERE id BETWEEN ? AND ?", (segment_id(key, 0), segment_id(key, SEQ_MAX)))
    db.execute("DELETE FROM logs WHERE key = ?", (key,))
    scrub(db, key)


def trim_log(db: sqlite3.Connection, run: str, first: int, tail: int | None) -> int | None:
    """Forgets the records before `first` and returns the oldest seq that is left; None if there is no such log.

    `tail` is the log's durable tail where memory knows better than the row.
    """
    row = db.execute("SELECT key, first, tail FROM logs WHERE run = ?", (run,)).fetchone()
    if row is None:
        return None
    key, old_first, row_tail = row
    first = min(first, (row_tail if tail is None else tail) + 1)
    if first <= old_first:
        return int(old_first)
    db.execute("UPDATE logs SET first = ? WHERE key = ?", (first, key))
    blank_dropped(db)
    db.execute("DELETE FROM segments WHERE id BETWEEN ? AND ?", (segment_id(key, 0), segment_id(key, first - 1)))
    across = db.execute(
        "SELECT id, first, blob FROM segments WHERE id BETWEEN ? AND ? AND first < ? ORDER BY id LIMIT 1",
        (segment_id(key, first), segment_id(key, SEQ_MAX), first),
    ).fetchone()
    if across is not None:
        place, old, blob = across
        try:
            blob = encode_segment(key, first, decode_segment(key, old, blob)[first - old :])
        except LogCorrupt:
            blob = b""
        db.execute("UPDATE segments SET first = ?, blob = ? WHERE id = ?", (first, blob, place))
    return first


# --- the journal at a start -------------------------------------------------------------------------------------------


class _Replayed:
    """A log while the journal is replayed: pieces to be written, each from a seq, None for what is lost."""

    def __init__(self, key: int, first: int, tail: int, closed: bool) -> None:
        self.key = key
        self.first = first
        self.tail = tail
        self.closed = closed
        self.proven = True
        self.pieces: list[tuple[int, list[bytes] | None, int]] = []
        self.size = 0

    def add(self, after: int, last: int, payloads: list[bytes] | None, final: bool) -> None:
        if last <= self.tail:
            self.proven = True
            return  # in a segment already
        if after > self.tail:
            self.pieces.append((self.tail + 1, None, after))
        elif after < self.tail:
            payloads = None if payloads is None else payloads[self.tail - after :]
            after = self.tail
        size = 0 if payloads is None else sum(map(len, payloads))
        first, held, _ = self.pieces[-1] if self.pieces else (0, None, 0)
        if held is not None and payloads is not None and self.size + size < _REPLAY_SEGMENT_BYTES:
            held.extend(payloads)
            self.pieces[-1] = (first, held, last)
            self.size += size
        else:
            self.pieces.append((after + 1, payloads, last))
            self.size = size
        self.tail, self.closed, self.proven = last, final, True


def _replay(db: sqlite3.Connection) -> int:
    """Moves every record of the journal into segments; returns the next frame's id."""
    # Where deletions blanked every slot, only `journal_from` tells which numbers were given.
    (last_id,) = db.execute("SELECT max(coalesce(max(id), 0), (SELECT id FROM journal_from)) FROM journal").fetchone()
    if last_id == 0:
        return 1
    logs = {
        key: _Replayed(key, first, tail, bool(closed))
        for key, first, tail, closed in db.execute("SELECT key, first, tail, closed FROM logs WHERE closed = 0")
    }
    for journal_id, _, frame in frames(db):
        try:
            entries = decode_frame(journal_id, frame)
        except LogCorrupt:
            for log in logs.values():
                log.proven = log.closed
            continue
        for entry in entries:
            if entry.key in logs:
                logs[entry.key].add(entry.after, entry.last, entry.payloads, entry.final)
    db.execute("BEGIN IMMEDIATE")
    try:
        for log in logs.values():
            _write_replayed(db, log)
        db.execute("DELETE FROM journal")
        db.execute("UPDATE journal_from SET id = 0")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return int(last_id) + 1


def _write_replayed(db: sqlite3.Connection, log: _Replayed) -> None:
    if not log.proven:
        # It may have lost records that nothing else tells of: its readers are told so.
        log.tail += 1
        log.pieces.append((log.tail, None, log.tail))
    for first, blob, last in _segments(log):
        db.execute(_INSERT_SEGMENT, (segment_id(log.key, last), first, blob))
    if log.pieces:
        db.execute("UPDATE logs SET tail = ?, closed = ? WHERE key = ?", (log.tail, log.closed, log.key))


def _segments(log: _Replayed) -> Iterator[tuple[int, bytes, int]]:
    for first, payloads, last in log.pieces:
        if last < log.first:
            continue  # trimmed
        if payloads is None:
            yield first, b"", last
            continue
        start = max(first, log.first)
        yield start, encode_segment(log.key, start, payloads[start - first :]), last
