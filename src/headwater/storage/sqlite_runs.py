"""`RunStore` over SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import structlog

from headwater.domain.document import Document, sealed
from headwater.domain.run import TRANSITIONS, Owner, Run, RunMetrics, RunRequest, RunState, is_ended
from headwater.domain.snapshot import Snapshot
from headwater.errors import ConflictError, StorageError
from headwater.storage.commits import GroupCommit
from headwater.storage.contract import Haste, IdempotencyKey, RunFilter, RunPage
from headwater.storage.cursor import decode_cursor, encode_cursor
from headwater.storage.sqlite_documents import delete_of, put
from headwater.storage.sqlite_readers import SqliteReaders

_log = structlog.get_logger(__name__)

_COLUMNS = (
    "id, org, user, request, created_at_ms, state, ended_at_ms, retry_of, epoch, cancel_requested_by, snapshot, metrics"
)
_ID, _CREATED_AT_MS = 0, 4
_BY_ID = f"SELECT {_COLUMNS} FROM runs WHERE id = ?"
# One statement each: between two of them the writer's thread has to wait for the loop's to let go of the interpreter,
# and all tokens of the moment wait with it.
_STARTABLE = ", ".join(f"'{state.value}'" for state, exits in TRANSITIONS.items() if RunState.RUNNING in exits)
_START = f"UPDATE runs SET state = ? WHERE id = ? AND state IN ({_STARTABLE})"
_ENDED = ", ".join(f"'{state.value}'" for state in RunState if is_ended(state))
_FINISH = (
    "UPDATE runs SET state = ?, snapshot = ?, ended_at_ms = ?, metrics = ?"
    f" WHERE id = ? AND state NOT IN ({_ENDED}) RETURNING org, user"
)
_request = msgspec.json.Decoder(RunRequest)
_snapshot = msgspec.json.Decoder(Snapshot)
_metrics = msgspec.json.Decoder(RunMetrics)
_encode = msgspec.json.Encoder().encode


def _run(row: Iterable[Any]) -> Run:
    id, org, user, request, created, state, ended, retry_of, epoch, cancel, snapshot, metrics = row
    try:
        return Run(
            id=id,
            owner=Owner(org, user),
            request=_request.decode(request),
            created_at_ms=created,
            state=RunState(state),
            ended_at_ms=ended,
            retry_of=retry_of,
            epoch=epoch,
            cancel_requested_by=cancel,
            snapshot=None if snapshot is None else _snapshot.decode(snapshot),
            metrics=None if metrics is None else _metrics.decode(metrics),
        )
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StorageError(f"the row of run {id} can not be read") from error


def _readable(rows: Iterable[Sequence[Any]]) -> list[Run]:
    """The runs of these rows. One that can not be read is told of and left out: it must not hide the others."""
    runs: list[Run] = []
    for row in rows:
        try:
            runs.append(_run(row))
        except StorageError as error:
            _log.error("run left out", run=row[0], error=str(error), cause=type(error.__cause__).__name__)
    return runs


def _find(db: sqlite3.Connection, run: str) -> Run | None:
    row = db.execute(_BY_ID, (run,)).fetchone()
    return None if row is None else _run(row)


def _existing(db: sqlite3.Connection, run: str) -> Run:
    found = _find(db, run)
    if found is None:
        raise StorageError(f"there is no run {run}")
    return found


def _state(db: sqlite3.Connection, run: str) -> RunState:
    row = db.execute("SELECT state FROM runs WHERE id = ?", (run,)).fetchone()
    if row is None:
        raise StorageError(f"there is no run {run}")
    return RunState(row[0])


class SqliteRuns:
    """The runs' rows. Changes join the same commits as the logs' appends."""

    def __init__(self, commits: GroupCommit, readers: SqliteReaders) -> None:
        self._commits = commits
        self._readers = readers

    async def create(
        self, run: Run, idempotency: IdempotencyKey | None = None, *, documents: Sequence[Document] = ()
    ) -> Run:
        return await self._commits.change(
            self.creation(run, idempotency, documents), essential=False, is_plain=True, haste=Haste.NOW
        )

    def creation(
        self, run: Run, idempotency: IdempotencyKey | None, documents: Sequence[Document]
    ) -> Callable[[sqlite3.Connection], Run]:
        """The change that `create` makes."""
        kept = sealed(documents)

        def apply(db: sqlite3.Connection) -> Run:
            if idempotency is not None:
                made = _made_before(db, idempotency)
                if made is not None:
                    return made
            _insert(db, run)
            put(db, run.owner, kept)
            if idempotency is not None:
                (org, user), route, key, digest = _place(idempotency)
                db.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?)", (org, user, route, key, digest, run.id))
            return run

        return apply

    async def find(self, idempotency: IdempotencyKey) -> Run | None:
        def query(db: sqlite3.Connection) -> Run | None:
            # One transaction: the run may be deleted between the key's row and its own.
            db.execute("BEGIN")
            try:
                return _made_before(db, idempotency)
            finally:
                db.execute("COMMIT")

        return await self._readers.run(query)

    async def get(self, run: str) -> Run | None:
        return await self._readers.run(lambda db: _find(db, run))

    async def select(self, where: RunFilter, *, cursor: str | None = None, limit: int = 50) -> RunPage:
        clauses, values = _conditions(where)
        if cursor is not None:
            clauses.append("(created_at_ms, id) < (?, ?)")
            values += decode_cursor(cursor)
        query = (
            f"SELECT {_COLUMNS} FROM runs WHERE {' AND '.join(clauses)} ORDER BY created_at_ms DESC, id DESC LIMIT ?"
        )
        rows = await self._readers.run(lambda db: db.execute(query, (*values, limit + 1)).fetchall())
        more = None
        if len(rows) > limit:
            id, created_at_ms = rows[limit - 1][_ID], rows[limit - 1][_CREATED_AT_MS]
            more = encode_cursor(created_at_ms, id)
        return RunPage(_readable(rows[:limit]), more)

    async def unfinished(self) -> list[Run]:
        query = f"SELECT {_COLUMNS} FROM runs WHERE ended_at_ms IS NULL ORDER BY created_at_ms, id"
        return await self._readers.run(lambda db: _readable(db.execute(query).fetchall()))

    async def claim(self, run: str) -> int:
        def apply(db: sqlite3.Connection) -> int:
            row = db.execute("UPDATE runs SET epoch = epoch + 1 WHERE id = ? RETURNING epoch", (run,)).fetchall()
            if not row:
                raise StorageError(f"there is no run {run}")
            return int(row[0][0])

        return await self._commits.change(apply, haste=Haste.NOW)

    async def start(self, run: str) -> None:
        def apply(db: sqlite3.Connection) -> None:
            if db.execute(_START, (RunState.RUNNING.value, run)).rowcount == 0:
                raise StorageError(f"a run that is {_state(db, run)} can not start")

        await self._commits.change(apply, is_plain=True, haste=Haste.LATER)

    async def request_cancel(self, run: str, by: str) -> Run | None:
        def apply(db: sqlite3.Connection) -> Run | None:
            db.execute(
                "UPDATE runs SET cancel_requested_by = ? "
                "WHERE id = ? AND cancel_requested_by IS NULL AND ended_at_ms IS NULL",
                (by, run),
            )
            return _find(db, run)

        return await self._commits.change(apply, haste=Haste.NOW)

    async def finish(
        self,
        run: str,
        state: RunState,
        snapshot: Snapshot,
        ended_at_ms: int,
        metrics: RunMetrics | None,
        *,
        documents: Sequence[Document] = (),
    ) -> None:
        kept = sealed(documents)
        if not is_ended(state):
            raise StorageError(f"{state} is not an end")
        end = (state.value, _encode(snapshot), ended_at_ms, None if metrics is None else _encode(metrics), run)

        def apply(db: sqlite3.Connection) -> None:
            owner = db.execute(_FINISH, end).fetchall()
            if owner:
                put(db, Owner(*owner[0]), kept)
            else:
                _state(db, run)  # there is such a run, and it has ended

        await self._commits.change(apply, is_plain=True)

    async def delete(self, run: str) -> None:
        def apply(db: sqlite3.Connection) -> None:
            try:
                found = _find(db, run)
            except StorageError:
                # what can not be read can still be deleted
                _forget(db, run)
                return
            if found is None:
                return
            if found.snapshot is not None and found.snapshot.usage is not None:
                db.execute(
                    "INSERT INTO usage VALUES (?, ?, ?, ?, ?)",
                    (
                        found.owner.org,
                        found.owner.user,
                        found.request.model,
                        found.created_at_ms,
                        _encode(found.snapshot.usage),
                    ),
                )
            _forget(db, run)

        await self._commits.change(apply, haste=Haste.NOW)


def _forget(db: sqlite3.Connection, run: str) -> None:
    db.execute("DELETE FROM runs WHERE id = ?", (run,))
    db.execute("UPDATE idempotency SET run = NULL WHERE run = ?", (run,))
    delete_of(db, run)


def _place(key: IdempotencyKey) -> tuple[tuple[str, str], str, str, bytes]:
    return (key.owner.org, key.owner.user), key.route, key.key, key.digest


def _made_before(db: sqlite3.Connection, idempotency: IdempotencyKey) -> Run | None:
    """The run that this key made; None if the key is new. Raises `ConflictError`."""
    (org, user), route, key, digest = _place(idempotency)
    row = db.execute(
        "SELECT run, digest FROM idempotency WHERE org = ? AND user = ? AND route = ? AND key = ?",
        (org, user, route, key),
    ).fetchone()
    if row is None:
        return None
    if row[1] != digest:
        raise ConflictError("this idempotency key was used with another body")
    if row[0] is None:
        raise ConflictError("the run that this idempotency key made was deleted")
    return _existing(db, row[0])


def _insert(db: sqlite3.Connection, run: Run) -> None:
    made = db.execute(
        "INSERT INTO runs (id, org, user, workflow, model, state, created_at_ms, ended_at_ms, epoch, retry_of,"
        " cancel_requested_by, request, snapshot, metrics) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO NOTHING",
        (
            run.id,
            run.owner.org,
            run.owner.user,
            run.request.workflow,
            run.request.model,
            run.state.value,
            run.created_at_ms,
            run.ended_at_ms,
            run.epoch,
            run.retry_of,
            run.cancel_requested_by,
            _encode(run.request),
            None if run.snapshot is None else _encode(run.snapshot),
            None if run.metrics is None else _encode(run.metrics),
        ),
    )
    if made.rowcount == 0:
        raise StorageError(f"there is a run {run.id} already")


def uncreate(db: sqlite3.Connection, run: str) -> None:
    """Takes back what the creation of a run has written in this transaction, but for documents."""
    db.execute("DELETE FROM runs WHERE id = ?", (run,))
    db.execute("DELETE FROM idempotency WHERE run = ?", (run,))


def _conditions(where: RunFilter) -> tuple[list[str], list[Any]]:
    clauses, values = ["org = ?", "user = ?"], [where.owner.org, where.owner.user]
    more: list[Any] = list(values)
    if where.states is not None:
        clauses.append(f"state IN ({', '.join('?' * len(where.states))})")
        more += [state.value for state in where.states]
    for clause, value in (
        ("workflow = ?", where.workflow),
        ("model = ?", where.model),
        ("created_at_ms >= ?", where.created_from_ms),
        ("created_at_ms < ?", where.created_before_ms),
    ):
        if value is not None:
            clauses.append(clause)
            more.append(value)
    return clauses, more
