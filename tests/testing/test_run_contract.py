"""The kit for runs catches the mistakes that matter."""

from collections.abc import Callable
from typing import Any

import pytest

from headwater.domain.run import Run, RunState
from headwater.errors import BadRequestError, ConflictError, StorageError
from headwater.storage.contract import RunFilter, RunPage
from headwater.storage.memory import MemoryStorage
from tests.testing.mutants import is_caught


def keys_are_ignored(storage: MemoryStorage) -> None:
    create = storage.runs.create

    async def wrong(run: Run, idempotency: Any = None) -> Run:
        return await create(run)

    storage.runs.create = wrong  # type: ignore[assignment, method-assign]


def digests_are_ignored(storage: MemoryStorage) -> None:
    create = storage.runs.create

    async def wrong(run: Run, idempotency: Any = None) -> Run:
        try:
            return await create(run, idempotency)
        except ConflictError:
            return run

    storage.runs.create = wrong  # type: ignore[assignment, method-assign]


def any_start_is_allowed(storage: MemoryStorage) -> None:
    start = storage.runs.start

    async def wrong(run: str) -> None:
        try:
            await start(run)
        except StorageError:
            return

    storage.runs.start = wrong  # type: ignore[method-assign]


def the_last_end_wins(storage: MemoryStorage) -> None:
    finish = storage.runs.finish

    async def wrong(run: str, state: RunState, *rest: Any) -> None:
        storage.medium.runs[run] = Run(**{**_fields(storage.medium.runs[run]), "state": RunState.RUNNING})
        await finish(run, state, *rest)

    storage.runs.finish = wrong  # type: ignore[assignment]


def _fields(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in run.__struct_fields__}


def the_last_cancel_wins(storage: MemoryStorage) -> None:
    cancel = storage.runs.request_cancel

    async def wrong(run: str, by: str) -> Run | None:
        row = storage.medium.runs.get(run)
        if row is not None:
            storage.medium.runs[run] = Run(**{**_fields(row), "cancel_requested_by": None})
        return await cancel(run, by)

    storage.runs.request_cancel = wrong  # type: ignore[method-assign]


def owners_are_ignored(storage: MemoryStorage) -> None:
    select = storage.runs.select

    async def wrong(where: RunFilter, *, cursor: str | None = None, limit: int = 50) -> RunPage:
        for row in list(storage.medium.runs.values()):
            storage.medium.runs[row.id] = Run(**{**_fields(row), "owner": where.owner})
        return await select(where, cursor=cursor, limit=limit)

    storage.runs.select = wrong  # type: ignore[method-assign]


def the_cursor_is_ignored(storage: MemoryStorage) -> None:
    select = storage.runs.select

    async def wrong(where: RunFilter, *, cursor: str | None = None, limit: int = 50) -> RunPage:
        try:
            page = await select(where, cursor=cursor, limit=limit)
        except BadRequestError:
            page = await select(where, limit=limit)
        return page._replace(cursor=None)

    storage.runs.select = wrong  # type: ignore[method-assign]


def the_tombstone_is_lost(storage: MemoryStorage) -> None:
    delete = storage.runs.delete

    async def wrong(run: str) -> None:
        await delete(run)
        storage.medium.keys.clear()

    storage.runs.delete = wrong  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("test", "mutant"),
    [
        ("test_one_key_makes_one_run", keys_are_ignored),
        ("test_one_key_makes_one_run", digests_are_ignored),
        ("test_a_deleted_run_leaves_a_tombstone", the_tombstone_is_lost),
        ("test_a_run_goes_through_its_states", any_start_is_allowed),
        ("test_a_run_goes_through_its_states", the_last_end_wins),
        ("test_what_the_table_does_not_allow_is_refused", any_start_is_allowed),
        ("test_a_cancel_is_noted_once", the_last_cancel_wins),
        ("test_runs_are_listed_newest_first_and_filtered", owners_are_ignored),
        ("test_pages_do_not_shift", the_cursor_is_ignored),
        ("test_a_cursor_that_is_none_is_refused", the_cursor_is_ignored),
    ],
)
async def test_a_mutant_is_caught(test: str, mutant: Callable[[MemoryStorage], None]) -> None:
    assert await is_caught(test, mutant)
