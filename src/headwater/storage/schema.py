"""The database's tables, in numbered steps, and how the file is opened.

`PRAGMA user_version` counts the steps that a file has had. A step is never changed once released;
a new one is added.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from headwater.errors import ConfigError

#: "HdWt": by it `file` and a person tell whose database this is.
APPLICATION_ID = 0x48645774
FILE_NAME = "headwater.db"
#: How long a lock of another program is waited for: while the engine serves, and while it opens, when nobody is served
#: yet and who starts it wants to know.
BUSY_TIMEOUT_MS = 5000
OPENING_BUSY_TIMEOUT_MS = 1000
PAGE_BYTES = 8192
#: After about so many changed pages they are moved from the write-ahead log into the database, once a commit is told
#: of. SQLite's own checkpoint, within a commit and after more pages, had all tokens of the moment wait 10 ms and more.
CHECKPOINT_PAGES = 64
#: What the write-ahead log's file is cut to when it begins anew: a frame of it is a page behind a head.
WAL_KEPT_BYTES = CHECKPOINT_PAGES * (24 + PAGE_BYTES)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # A run's row. Its request, snapshot and metrics are JSON.
        """CREATE TABLE runs (
            id TEXT NOT NULL UNIQUE,
            org TEXT NOT NULL,
            user TEXT NOT NULL,
            workflow TEXT NOT NULL,
            model TEXT NOT NULL,
            state TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL,
            ended_at_ms INTEGER,
            epoch INTEGER NOT NULL,
            retry_of TEXT,
            cancel_requested_by TEXT,
            request BLOB NOT NULL,
            snapshot BLOB,
            metrics BLOB
        )""",
        "CREATE INDEX runs_by_owner ON runs (org, user, created_at_ms, id)",
        "CREATE INDEX runs_unfinished ON runs (created_at_ms, id) WHERE ended_at_ms IS NULL",
        # `run` is null once the run was deleted: the key stays as a tombstone.
        """CREATE TABLE idempotency (
            org TEXT NOT NULL,
            user TEXT NOT NULL,
            route TEXT NOT NULL,
            key TEXT NOT NULL,
            digest BLOB NOT NULL,
            run TEXT,
            PRIMARY KEY (org, user, route, key)
        ) WITHOUT ROWID""",
        "CREATE INDEX idempotency_by_run ON idempotency (run) WHERE run IS NOT NULL",
        # What a deleted run used: numbers, no content.
        """CREATE TABLE usage (
            org TEXT NOT NULL,
            user TEXT NOT NULL,
            model TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL,
            usage BLOB NOT NULL
        )""",
        # AUTOINCREMENT: the key of a deleted log is never given to another.
        """CREATE TABLE logs (
            key INTEGER PRIMARY KEY AUTOINCREMENT,
            run TEXT NOT NULL UNIQUE,
            epoch INTEGER NOT NULL,
            first INTEGER NOT NULL,
            tail INTEGER NOT NULL,
            closed INTEGER NOT NULL
        )""",
        # id = key << 31 | last seq, so that a run's segments lie together, in order, without another index.
        # An empty blob stands for records that are known to be lost.
        "CREATE TABLE segments (id INTEGER PRIMARY KEY, first INTEGER NOT NULL, blob BLOB NOT NULL)",
        # The newest records of all runs, until they are in segments: a commit's frame, in slots that are overwritten.
        # id 0: the slot is blank.
        """CREATE TABLE journal (
            slot INTEGER PRIMARY KEY,
            id INTEGER NOT NULL,
            part INTEGER NOT NULL,
            frame BLOB NOT NULL
        )""",
    ),
    (
        # From which frame on the journal counts: slots of older ones are free, and keep what they held.
        "CREATE TABLE journal_from (id INTEGER NOT NULL)",
        "INSERT INTO journal_from VALUES (0)",
    ),
    (
        # What programs make under names of their own. `state` is the whole row as JSON; the columns are what is asked
        # for. AUTOINCREMENT: the id of a deleted stream is never given to another.
        """CREATE TABLE streams (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            org TEXT NOT NULL,
            user TEXT NOT NULL,
            name TEXT NOT NULL,
            source INTEGER,
            gone INTEGER NOT NULL,
            alive_until_ms INTEGER,
            size INTEGER NOT NULL,
            state BLOB NOT NULL,
            UNIQUE (org, user, name)
        )""",
        "CREATE INDEX streams_by_source ON streams (source) WHERE source IS NOT NULL",
        "CREATE INDEX streams_by_end ON streams (alive_until_ms) WHERE alive_until_ms IS NOT NULL AND gone = 0",
        # id = stream << 31 | seq, as of segments. `crc` covers the place too.
        "CREATE TABLE stream_records (id INTEGER PRIMARY KEY, crc INTEGER NOT NULL, payload BLOB NOT NULL)",
        """CREATE TABLE stream_producers (
            stream INTEGER NOT NULL,
            producer TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            PRIMARY KEY (stream, producer)
        ) WITHOUT ROWID""",
        "CREATE TABLE stream_totals (streams INTEGER NOT NULL, bytes INTEGER NOT NULL)",
        "INSERT INTO stream_totals VALUES (0, 0)",
    ),
    (
        # What applications keep of their runs. `body` and `words` are JSON. AUTOINCREMENT: the order of ids is that in
        # which documents were first put, whatever was deleted.
        """CREATE TABLE documents (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            org TEXT NOT NULL,
            user TEXT NOT NULL,
            collection TEXT NOT NULL,
            key TEXT NOT NULL,
            body BLOB NOT NULL,
            words BLOB NOT NULL,
            run TEXT,
            UNIQUE (org, user, collection, key)
        )""",
        "CREATE INDEX documents_by_age ON documents (org, user, collection, id)",
        "CREATE INDEX documents_by_run ON documents (run) WHERE run IS NOT NULL",
        """CREATE TABLE document_words (
            org TEXT NOT NULL,
            user TEXT NOT NULL,
            collection TEXT NOT NULL,
            name TEXT NOT NULL,
            value TEXT NOT NULL,
            document INTEGER NOT NULL,
            PRIMARY KEY (org, user, collection, name, value, document)
        ) WITHOUT ROWID""",
        "CREATE INDEX document_words_by_document ON document_words (document)",
    ),
    (
        # What callers show is not here: `hash` is its SHA-256.
        """CREATE TABLE api_keys (
            id TEXT NOT NULL PRIMARY KEY,
            name TEXT NOT NULL,
            org TEXT NOT NULL,
            user TEXT NOT NULL,
            hash BLOB NOT NULL,
            created_at_ms INTEGER NOT NULL,
            expires_at_ms INTEGER,
            revoked_at_ms INTEGER
        ) WITHOUT ROWID""",
    ),
)
#: From this step on there are keys.
KEYS_STEP = 5


def open_writer(path: Path, synchronous: str) -> sqlite3.Connection:
    """The one connection that writes and checkpoints; `wait_longer` when it is ready.

    Raises `ConfigError` for a file that is not for this version, or that another program keeps locked.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, isolation_level=None, timeout=OPENING_BUSY_TIMEOUT_MS / 1000, cached_statements=256)
    try:
        _check_owner(db, path)
        # A page holds a slot of the journal, and a slot a commit of some ninety tokens. Half of it is no cheaper.
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = WAL")
        # The engine checkpoints sooner (`CHECKPOINT_PAGES`); this is for what keeps it from that, as long readers do.
        db.execute("PRAGMA wal_autocheckpoint = 512")
        # What a large commit left behind this is cut off when the log begins anew, and not kept for as long as small
        # ones do not come so far.
        db.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        if synchronous == "FULL":
            # macOS answers a plain fsync before the disk has it; elsewhere these change nothing.
            db.execute("PRAGMA fullfsync = ON")
            db.execute("PRAGMA checkpoint_fullfsync = ON")
        # What is deleted is overwritten, in the file and (by the next checkpoint) in the write-ahead log.
        db.execute("PRAGMA secure_delete = ON")
        _migrate(db)
        # Who may not write learns it now, and not with the first run.
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
    except BaseException:
        db.close()
        raise
    return db


def wait_longer(db: sqlite3.Connection) -> None:
    """From now on a lock is waited for as long as a serving engine can."""
    db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")


def is_locked(error: sqlite3.Error) -> bool:
    """Whether another program has what was asked for."""
    # Extended codes have their plain one in the low byte: https://sqlite.org/rescode.html
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def is_of_files(error: sqlite3.Error) -> bool:
    """Whether a file of the database could not be used, as those that SQLite makes beside it where a disk is full."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can neither write nor checkpoint: two that do are what SQLite's WAL-reset bug needs.

    One thread at a time uses it; another may close it in the end.
    """
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_MS / 1000,
        check_same_thread=False,
    )
    db.execute("PRAGMA query_only = ON")
    return db


def _check_owner(db: sqlite3.Connection, path: Path) -> None:
    try:
        (application_id,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if is_locked(error) or is_of_files(error):
            raise
        raise ConfigError(f"{path} can not be read as a database: {error}") from error
    if tables and application_id != APPLICATION_ID:
        raise ConfigError(f"{path} is another program's database: choose another data directory")
    if version > len(MIGRATIONS):
        raise ConfigError(
            f"{path} was written by a newer version (schema {version}, this one knows {len(MIGRATIONS)}): "
            "install that version again, or choose another data directory"
        )


def _migrate(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        db.execute("BEGIN IMMEDIATE")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for statement in statements:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
