"""`RunStore` in memory: the reference engine's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.domain.document import Document, sealed
from headwater.domain.run import TRANSITIONS, Run, RunMetrics, RunState, is_ended
from headwater.domain.snapshot import Snapshot
from headwater.errors import ConflictError, StorageError
from headwater.storage.contract import IdempotencyKey, RunFilter, RunPage
from headwater.storage.cursor import decode_cursor, encode_cursor
from headwater.storage.memory_medium import MemoryMedium, StoredKey
from headwater.storage.memory_streams import Changes


class MemoryRuns:
    """The runs' rows."""

    def __init__(self, storage: Changes, medium: MemoryMedium) -> None:
        self._storage = storage
        self._medium = medium
        self._rows = medium.runs

    async def create(
        self, run: Run, idempotency: IdempotencyKey | None = None, *, documents: Sequence[Document] = ()
    ) -> Run:
        kept = sealed(documents)

        def apply() -> Run:
            if idempotency is not None:
                if (known := self._made_by(idempotency)) is not None:
                    return known
                self._medium.keys[_key_name(idempotency)] = StoredKey(run.id, idempotency.digest)
            self._rows[run.id] = run
            self._medium.documents.put(run.owner, kept)
            return run

        return await self._storage.change(apply, needs_space=True)

    def _made_by(self, idempotency: IdempotencyKey) -> Run | None:
        known = self._medium.keys.get(_key_name(idempotency))
        if known is None:
            return None
        if known.digest != idempotency.digest:
            raise ConflictError("this idempotency key was used with another body")
        if known.run is None:
            raise ConflictError("the run that this idempotency key made was deleted")
        return self._rows[known.run]

    async def find(self, idempotency: IdempotencyKey) -> Run | None:
        return self._made_by(idempotency)

    async def get(self, run: str) -> Run | None:
        return self._rows.get(run)

    async def select(self, where: RunFilter, *, cursor: str | None = None, limit: int = 50) -> RunPage:
        before = None if cursor is None else decode_cursor(cursor)
        rows = sorted(
            (r for r in self._rows.values() if _matches(r, where)), key=lambda r: (r.created_at_ms, r.id), reverse=True
        )
        if before is not None:
            rows = [r for r in rows if (r.created_at_ms, r.id) < before]
        page = rows[:limit]
        more = len(rows) > limit
        return RunPage(page, encode_cursor(page[-1].created_at_ms, page[-1].id) if more else None)

    async def unfinished(self) -> list[Run]:
        open_ones = [r for r in self._rows.values() if not is_ended(r.state)]
        return sorted(open_ones, key=lambda r: (r.created_at_ms, r.id))

    def _row(self, run: str) -> Run:
        row = self._rows.get(run)
        if row is None:
            raise StorageError("no such run")
        return row

    async def claim(self, run: str) -> int:
        def apply() -> int:
            row = self._row(run)
            self._rows[run] = msgspec.structs.replace(row, epoch=row.epoch + 1)
            return row.epoch + 1

        return await self._storage.change(apply)

    async def start(self, run: str) -> None:
        def apply() -> None:
            row = self._row(run)
            if RunState.RUNNING not in TRANSITIONS[row.state]:
                raise StorageError(f"a run that is {row.state} can not start")
            self._rows[run] = msgspec.structs.replace(row, state=RunState.RUNNING)

        await self._storage.change(apply)

    async def request_cancel(self, run: str, by: str) -> Run | None:
        def apply() -> Run | None:
            row = self._rows.get(run)
            if row is not None and not is_ended(row.state) and row.cancel_requested_by is None:
                row = self._rows[run] = msgspec.structs.replace(row, cancel_requested_by=by)
            return row

        return await self._storage.change(apply)

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

        def apply() -> None:
            row = self._row(run)
            if is_ended(row.state):
                return
            if not is_ended(state):
                raise StorageError(f"{state} is not an end")
            self._rows[run] = msgspec.structs.replace(
                row, state=state, snapshot=snapshot, ended_at_ms=ended_at_ms, metrics=metrics
            )
            self._medium.documents.put(row.owner, kept)

        await self._storage.change(apply)

    async def delete(self, run: str) -> None:
        def apply() -> None:
            self._rows.pop(run, None)
            self._medium.documents.delete_of(run)
            keys = self._medium.keys
            for name, known in keys.items():
                if known.run == run:
                    keys[name] = StoredKey(None, known.digest)

        await self._storage.change(apply)


def _key_name(idempotency: IdempotencyKey) -> tuple[Any, str, str]:
    return (idempotency.owner, idempotency.route, idempotency.key)


def _matches(run: Run, where: RunFilter) -> bool:
    return (
        run.owner == where.owner
        and (where.states is None or run.state in where.states)
        and (where.workflow is None or run.request.workflow == where.workflow)
        and (where.model is None or run.request.model == where.model)
        and (where.created_from_ms is None or run.created_at_ms >= where.created_from_ms)
        and (where.created_before_ms is None or run.created_at_ms < where.created_before_ms)
    )
