"""The embedded engine: one SQLite file in a data directory, one thread that writes.

    loop's thread                    writer's thread            reader threads
    append ─▶ tails (checks)                                    read_page
              group ──send──▶        journal slot, fsync           │
              receipts, watchers ◀── landed                        │
    peek   ◀─ tails (newest records) ── segments, later ───────────┘

A commit adds one frame to the journal with the newest records of all runs; a run's records go on to
segments of its own when it has ended, rests, or the journal grows. What is in segments leaves memory.

A database that another process keeps locked is waited for, `BUSY_TIMEOUT_MS` at most; then the engine
stops as it does for a failed sync, since the directory is held by one server and whoever locks the
file regardless is not known to have stopped writing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from headwater.domain.document import Document
from headwater.domain.run import Run
from headwater.domain.stream import StreamLimits
from headwater.errors import Fenced, StorageError
from headwater.storage.backlog import Backlog
from headwater.storage.commits import GroupCommit
from headwater.storage.contract import ApiKeys, Begun, Documents, EventLog, Haste, IdempotencyKey, RunStore
from headwater.storage.directory import DataDirectory
from headwater.storage.sqlite_documents import SqliteDocuments
from headwater.storage.sqlite_keys import SqliteApiKeys
from headwater.storage.sqlite_log import Claimed, SqliteLog
from headwater.storage.sqlite_medium import SqliteMedium
from headwater.storage.sqlite_readers import SqliteReaders
from headwater.storage.sqlite_runs import SqliteRuns, uncreate
from headwater.storage.sqlite_streams import SqliteStreams
from headwater.storage.streams import StreamStore
from headwater.telemetry import Observer, SilentObserver

#: "power": what is acknowledged survives a power cut. "process": it survives the process only, and costs less.
Durability = Literal["power", "process"]
_SYNCHRONOUS: dict[Durability, str] = {"power": "FULL", "process": "NORMAL"}

#: Enough for the last records and rows of some thousand runs.
RESERVE_BYTES = 8 << 20


class SqliteStorage:
    """All contracts over `headwater.db` in a directory that is made if need be and held by one server at a time.

    `commit_interval_ms` is the least time between two commits, except that the first after a rest
    goes at once; `reserve_bytes` are kept for endings, and let go of when the disk is full.
    """

    log: EventLog
    runs: RunStore
    streams: StreamStore
    documents: Documents
    api_keys: ApiKeys

    def __init__(
        self,
        directory: Path,
        *,
        observer: Observer | None = None,
        commit_interval_ms: float = 4.0,
        durability: Durability = "power",
        reserve_bytes: int = RESERVE_BYTES,
        backlog: Backlog | None = None,
        stream_limits: StreamLimits | None = None,
    ) -> None:
        self._medium = SqliteMedium(DataDirectory(directory, reserve_bytes), _SYNCHRONOUS[durability])
        self._readers = SqliteReaders(self._medium.path)
        self._log = SqliteLog(backlog or Backlog())
        self._commits = GroupCommit(self._medium, self._log, observer or SilentObserver(), commit_interval_ms / 1000)
        self._log.attach(self._commits, self._readers, self._medium.truncate_wal)
        self.log = self._log
        self.runs = self._rows = SqliteRuns(self._commits, self._readers)
        self.streams = SqliteStreams(self._commits, self._readers, stream_limits or StreamLimits())
        self.documents = SqliteDocuments(self._commits, self._readers)
        self.api_keys = SqliteApiKeys(self._commits, self._readers)
        self._opened = False
        self._intact = True

    @property
    def intact(self) -> bool:
        return self._intact

    @property
    def failed(self) -> BaseException | None:
        return self._commits.failed

    @property
    def full(self) -> bool:
        return self._commits.full

    @property
    def path(self) -> Path:
        """The database file."""
        return self._medium.path

    def on_failure(self, callback: Callable[[BaseException], None]) -> None:
        self._commits.on_failure(callback)

    async def begin(
        self, run: Run, idempotency: IdempotencyKey | None = None, *, documents: Sequence[Document] = ()
    ) -> Begun:
        create = self._rows.creation(run, idempotency, documents)
        claim, claimed = self._log.claiming(run.id, run.epoch)

        def apply(db: sqlite3.Connection) -> tuple[Run, Claimed | None]:
            made = create(db)
            if made is not run:
                return made, None
            try:
                return made, claim(db)
            except Fenced:
                uncreate(db, run.id)
                raise

        def landed(result: tuple[Run, Claimed | None]) -> Begun:
            made, claim_of = result
            return Begun(made, None if claim_of is None else claimed(claim_of))

        return await self._commits.change(
            apply,
            landed=landed,
            essential=False,
            # what documents have replaced could not be brought back
            is_plain=not documents,
            haste=Haste.NOW,
        )

    async def open(self) -> None:
        """Raises `ConfigError` where the directory is held by another server or its file is not for this version."""
        self._commits.start()
        try:
            self._log.next_journal_id = await self._commits.in_writer(self._medium.open)
        except (sqlite3.Error, OSError) as error:
            await self._commits.close(self._medium.close)
            raise StorageError(f"{self.path} can not be opened: {error}") from error
        except BaseException:
            await self._commits.close(self._medium.close)
            raise
        self._opened = True
        self._intact = await self._commits.in_writer(self._medium.is_of_this_boot)
        if not await self._commits.in_writer(self._medium.make_reserve):
            self._commits.enter_full()

    async def settle(self) -> None:
        try:
            await self._commits.in_writer(self._medium.note_boot)
        except OSError as error:
            raise StorageError(f"the boot can not be noted in {self.path.parent}: {error}") from error

    async def close(self) -> None:
        """Writes what was appended, resolves every receipt, and lets go of the directory. Once more does nothing."""
        if not self._opened:
            return
        self._opened = False
        # What was asked for is seen through even where the caller is cancelled: nobody else can let go of the file.
        self._log.stop_ticking()
        await asyncio.shield(self._readers.close())
        await self._commits.close(self._medium.close)
        self._log.stop_ticking()
