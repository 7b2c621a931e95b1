"""The kit for documents catches the mistakes that matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from headwater.domain.document import Document, sealed
from headwater.domain.run import LOCAL_OWNER, Owner, Run, RunState
from headwater.errors import HeadwaterError
from headwater.storage.contract import Begun, DocumentPage
from headwater.storage.memory import MemoryStorage
from headwater.storage.memory_documents import MemoryShelves
from tests.testing.mutants import is_caught


def nothing_outlives_the_engine(storage: MemoryStorage) -> None:
    shelves = MemoryShelves()
    storage.documents._shelves = shelves

    async def wrong(owner: Owner, documents: Sequence[Document]) -> None:
        shelves.put(owner, sealed(documents))

    storage.documents.put = wrong  # type: ignore[method-assign]


def every_owner_is_one(storage: MemoryStorage) -> None:
    right = storage.documents.get

    async def wrong(owner: Owner, collection: str, key: str) -> Document | None:
        for each in (owner, LOCAL_OWNER, Owner("other", "other")):
            if (found := await right(each, collection, key)) is not None:
                return found
        return None

    storage.documents.get = wrong  # type: ignore[method-assign]


def a_replaced_one_is_the_newest(storage: MemoryStorage) -> None:
    right = storage.documents.put

    async def wrong(owner: Owner, documents: Sequence[Document]) -> None:
        for document in sealed(documents):
            await storage.documents.delete(owner, document.collection, document.key)
        await right(owner, documents)

    storage.documents.put = wrong  # type: ignore[method-assign]


def each_is_stored_for_itself(storage: MemoryStorage) -> None:
    right = storage.documents.put

    async def wrong(owner: Owner, documents: Sequence[Document]) -> None:
        for document in documents:
            await right(owner, [document])

    storage.documents.put = wrong  # type: ignore[method-assign]


def one_word_is_enough(storage: MemoryStorage) -> None:
    right = storage.documents.list

    async def wrong(owner: Owner, collection: str, *, where: Mapping[str, str], **more: Any) -> DocumentPage:
        return await right(owner, collection, where=dict([*where.items()][:1]), **more)

    storage.documents.list = wrong  # type: ignore[assignment, method-assign]


def pages_are_counted(storage: MemoryStorage) -> None:
    right = storage.documents.list

    async def wrong(
        owner: Owner, collection: str, *, limit: int = 50, cursor: str | None = None, **more: Any
    ) -> DocumentPage:
        if cursor is not None and not cursor.isdigit():
            return await right(owner, collection, limit=limit, cursor=cursor, **more)
        start = int(cursor or 0)
        whole = (await right(owner, collection, limit=1000, **more)).documents
        page = whole[start : start + limit]
        return DocumentPage(page, str(start + limit) if len(whole) > start + limit else None)

    storage.documents.list = wrong  # type: ignore[method-assign]


def every_end_is_kept(storage: MemoryStorage) -> None:
    right = storage.runs.finish

    async def wrong(run: str, state: RunState, *rest: Any, documents: Sequence[Document] = ()) -> None:
        await right(run, state, *rest, documents=documents)
        await storage.documents.put(storage.medium.runs[run].owner, documents)

    storage.runs.finish = wrong  # type: ignore[assignment, method-assign]


def documents_come_before_the_end(storage: MemoryStorage) -> None:
    right = storage.runs.finish

    async def wrong(run: str, state: RunState, *rest: Any, documents: Sequence[Document] = ()) -> None:
        row = storage.medium.runs.get(run)
        await storage.documents.put(LOCAL_OWNER if row is None else row.owner, documents)
        await right(run, state, *rest)

    storage.runs.finish = wrong  # type: ignore[assignment, method-assign]


def documents_come_before_the_run(storage: MemoryStorage) -> None:
    right = storage.begin

    async def wrong(run: Run, *rest: Any, documents: Sequence[Document] = ()) -> Begun:
        await storage.documents.put(run.owner, documents)
        return await right(run, *rest)

    storage.begin = wrong  # type: ignore[assignment, method-assign]


def what_a_run_left_stays(storage: MemoryStorage) -> None:
    storage.medium.documents.delete_of = lambda run: None  # type: ignore[method-assign]


def bodies_are_shared(storage: MemoryStorage) -> None:
    kept: dict[str, Document] = {}
    right_put, right_get = storage.documents.put, storage.documents.get

    async def wrong_put(owner: Owner, documents: Sequence[Document]) -> None:
        kept.update({document.key: document for document in documents})
        await right_put(owner, documents)

    async def wrong_get(owner: Owner, collection: str, key: str) -> Document | None:
        return kept.get(key) or await right_get(owner, collection, key)

    storage.documents.put, storage.documents.get = wrong_put, wrong_get  # type: ignore[method-assign]


def any_cursor_will_do(storage: MemoryStorage) -> None:
    right = storage.documents.list

    async def wrong(owner: Owner, collection: str, *, cursor: str | None = None, **more: Any) -> DocumentPage:
        try:
            return await right(owner, collection, cursor=cursor, **more)
        except HeadwaterError:
            return await right(owner, collection, **more)

    storage.documents.list = wrong  # type: ignore[method-assign]


def deleted_ones_come_back(storage: MemoryStorage) -> None:
    right = storage.documents.delete

    async def wrong(owner: Owner, collection: str, key: str) -> bool:
        there = await storage.documents.get(owner, collection, key)
        gone = await right(owner, collection, key)
        if there is not None:
            await storage.documents.put(owner, [there])
        return gone

    storage.documents.delete = wrong  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("mutate", "test"),
    [
        (nothing_outlives_the_engine, "test_documents_come_back_as_they_were"),
        (every_owner_is_one, "test_owners_and_collections_are_apart"),
        (a_replaced_one_is_the_newest, "test_a_replaced_document_keeps_its_place"),
        (each_is_stored_for_itself, "test_all_are_stored_or_none"),
        (one_word_is_enough, "test_documents_are_found_by_all_of_the_words"),
        (pages_are_counted, "test_documents_stored_meanwhile_do_not_shift_the_pages"),
        (every_end_is_kept, "test_a_run_ends_with_its_documents_once"),
        (documents_come_before_the_end, "test_a_run_ends_with_its_documents_once"),
        (documents_come_before_the_run, "test_a_run_begins_with_its_documents"),
        (what_a_run_left_stays, "test_a_deleted_run_takes_its_documents_with_it"),
        (bodies_are_shared, "test_a_body_is_nobodys_to_change_afterwards"),
        (any_cursor_will_do, "test_a_cursor_of_nobodys_is_refused"),
        (deleted_ones_come_back, "test_a_deleted_document_is_gone"),
    ],
)
async def test_a_mistake_is_caught(mutate: Callable[[MemoryStorage], None], test: str) -> None:
    assert await is_caught(test, mutate)
