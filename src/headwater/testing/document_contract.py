"""What every `Documents` must pass, and runs that are stored with documents; part of `headwater.testing.storage`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from headwater.domain.document import BODY_BYTES_MAX, NAME_CHARS_MAX, TOGETHER_MAX, WORDS_MAX, Document
from headwater.domain.run import LOCAL_OWNER, Owner, RunState
from headwater.errors import BadRequestError, ConflictError, StorageError, TooLargeError
from headwater.storage.contract import Storage
from headwater.testing.log_contract import refuses
from headwater.testing.run_contract import SNAPSHOT, a_key, a_run

STRANGER = Owner("other", "other")


def a_document(key: str = "k", body: Any = None, collection: str = "c", **more: Any) -> Document:
    return Document(collection, key, {"of": key} if body is None else body, **more)


async def put(storage: Storage, *documents: Document, owner: Owner = LOCAL_OWNER) -> None:
    """Stores them one after another, each on its own."""
    for document in documents:
        await storage.documents.put(owner, [document])


async def keys(
    storage: Storage,
    where: Mapping[str, str] | None = None,
    *,
    collection: str = "c",
    owner: Owner = LOCAL_OWNER,
    limit: int = 50,
) -> list[str]:
    """The keys of a collection, or of those in it that have these words, page by page."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await storage.documents.list(owner, collection, where=where or {}, limit=limit, cursor=cursor)
        assert len(page.documents) <= limit
        found += [document.key for document in page.documents]
        cursor = page.next_cursor
        if cursor is None:
            return found


class DocumentContract:
    """Tests of `Documents`; each gets an open, empty engine as `storage`."""

    async def reopen(self, storage: Storage) -> Storage:
        """Closes the engine and opens another one on the same medium."""
        raise NotImplementedError

    async def test_documents_come_back_as_they_were(self, storage: Storage) -> None:
        bodies: list[Any] = [{"a": [1, 2.5, None, True]}, [], "Grüße 🪶\u0000\n", 0, False, {"": {"": []}}, 2**60]
        made = [
            a_document(f"k{place} ü/🪶", body, words={"by": f"w{place}", "e": ""}, run=f"run_{place}")
            for place, body in enumerate(bodies)
        ]
        await storage.documents.put(LOCAL_OWNER, made)
        for _ in range(2):
            assert [await storage.documents.get(LOCAL_OWNER, "c", each.key) for each in made] == made
            assert (await storage.documents.list(LOCAL_OWNER, "c")).documents == [*reversed(made)]
            assert await storage.documents.get(LOCAL_OWNER, "c", "none") is None
            assert await storage.documents.get(LOCAL_OWNER, "another", made[0].key) is None
            assert (await storage.documents.list(LOCAL_OWNER, "another")) == ([], None)
            storage = await self.reopen(storage)
        await storage.close()

    async def test_what_is_no_text_becomes_text(self, storage: Storage) -> None:
        await put(storage, a_document(body={"half": "\ud83d", "\ud83e": (1, 2)}))
        found = await storage.documents.get(LOCAL_OWNER, "c", "k")
        assert found is not None
        assert found.body == {"half": "\ufffd", "\ufffd": [1, 2]}

    async def test_a_body_is_nobodys_to_change_afterwards(self, storage: Storage) -> None:
        body = {"list": [1]}
        storing = asyncio.ensure_future(storage.documents.put(LOCAL_OWNER, [a_document(body=body)]))
        await asyncio.sleep(0)
        body["list"].append(2)
        await storing
        found = await storage.documents.get(LOCAL_OWNER, "c", "k")
        assert found is not None
        found.body["list"].append(3)
        again = await storage.documents.get(LOCAL_OWNER, "c", "k")
        assert again is not None
        assert again.body == {"list": [1]}

    async def test_a_replaced_document_keeps_its_place(self, storage: Storage) -> None:
        await put(storage, *(a_document(key, words={"is": "old"}, run="run_1") for key in ("a", "b", "c")))
        await put(storage, a_document("a", "new", words={"is": "new"}))
        for _ in range(2):
            assert await keys(storage) == ["c", "b", "a"]
            assert await storage.documents.get(LOCAL_OWNER, "c", "a") == a_document("a", "new", words={"is": "new"})
            assert (await keys(storage, {"is": "old"}), await keys(storage, {"is": "new"})) == (["c", "b"], ["a"])
            storage = await self.reopen(storage)
        await storage.close()

    async def test_what_is_put_again_after_its_end_is_new(self, storage: Storage) -> None:
        await put(storage, a_document("a"), a_document("b"))
        await storage.documents.delete(LOCAL_OWNER, "c", "a")
        await put(storage, a_document("a"))
        assert await keys(storage) == ["a", "b"]

    async def test_owners_and_collections_are_apart(self, storage: Storage) -> None:
        await put(storage, a_document("a", words={"w": "1"}))
        await put(storage, a_document("a", "theirs", words={"w": "1"}), a_document("b"), owner=STRANGER)
        await put(storage, a_document("a", "elsewhere", "d", words={"w": "1"}))
        assert (await keys(storage), await keys(storage, owner=STRANGER)) == (["a"], ["b", "a"])
        assert (await keys(storage, {"w": "1"}), await keys(storage, collection="d")) == (["a"], ["a"])
        assert await storage.documents.get(LOCAL_OWNER, "c", "a") == a_document("a", words={"w": "1"})
        assert await storage.documents.get(LOCAL_OWNER, "c", "b") is None
        assert not await storage.documents.delete(LOCAL_OWNER, "c", "b")
        assert await storage.documents.delete(STRANGER, "c", "a")
        assert await storage.documents.get(LOCAL_OWNER, "c", "a") is not None

    async def test_documents_are_found_by_all_of_the_words(self, storage: Storage) -> None:
        for number in range(6):
            await put(storage, a_document(str(number), words={"two": str(number % 2), "three": str(number % 3)}))
        assert await keys(storage, {"two": "1"}) == ["5", "3", "1"]
        assert await keys(storage, {"two": "1", "three": "0"}) == ["3"]
        assert await keys(storage, {"two": "1"}, limit=2) == ["5", "3", "1"]
        for where in ({"two": "2"}, {"four": "1"}, {"two": "1", "three": "1", "five": ""}):
            assert await keys(storage, where) == []

    async def test_documents_stored_meanwhile_do_not_shift_the_pages(self, storage: Storage) -> None:
        await put(storage, *(a_document(str(number)) for number in range(7)))
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await storage.documents.list(LOCAL_OWNER, "c", limit=2, cursor=cursor)
            found += [document.key for document in page.documents]
            cursor = page.next_cursor
            if cursor is None:
                break
            await put(storage, a_document(f"new {len(found)}"), a_document("3", "changed"))
        assert found == ["6", "5", "4", "3", "2", "1", "0"]

    async def test_a_cursor_of_nobodys_is_refused(self, storage: Storage) -> None:
        for cursor in ("", "x", "!!!", "é", "a" * 10_000, "MTIz", "LjEyMw"):
            with refuses(BadRequestError):
                await storage.documents.list(LOCAL_OWNER, "c", cursor=cursor)

    async def test_all_are_stored_or_none(self, storage: Storage) -> None:
        good, long = a_document("good"), "x" * (NAME_CHARS_MAX + 1)
        bad: list[tuple[type[BadRequestError | TooLargeError], Document]] = [
            (BadRequestError, a_document("good", "twice")),
            (BadRequestError, a_document("")),
            (BadRequestError, a_document(collection="")),
            (BadRequestError, a_document("\ud83d")),
            (BadRequestError, a_document(words={"": "x"})),
            (BadRequestError, a_document(run="\ud83d")),
            (BadRequestError, a_document(body=object())),
            (TooLargeError, a_document(long)),
            (TooLargeError, a_document(words={"w": long})),
            (TooLargeError, a_document(words={str(number): "" for number in range(WORDS_MAX + 1)})),
            (TooLargeError, a_document(body="x" * BODY_BYTES_MAX)),
        ]
        for kind, document in bad:
            with refuses(kind):
                await storage.documents.put(LOCAL_OWNER, [good, document])
        with refuses(TooLargeError):
            await storage.documents.put(LOCAL_OWNER, [a_document(str(number)) for number in range(TOGETHER_MAX + 1)])
        assert await keys(storage) == []
        await storage.documents.put(LOCAL_OWNER, [])
        await storage.documents.put(LOCAL_OWNER, [a_document(str(number)) for number in range(TOGETHER_MAX)])
        assert len(await keys(storage)) == TOGETHER_MAX

    async def test_a_deleted_document_is_gone(self, storage: Storage) -> None:
        await put(storage, a_document("a", words={"w": "1"}), a_document("b"))
        assert await storage.documents.delete(LOCAL_OWNER, "c", "a")
        for _ in range(2):
            assert not await storage.documents.delete(LOCAL_OWNER, "c", "a")
            assert await storage.documents.get(LOCAL_OWNER, "c", "a") is None
            assert (await keys(storage), await keys(storage, {"w": "1"})) == (["b"], [])
            storage = await self.reopen(storage)
        await storage.close()

    async def test_racing_writers_are_all_heard(self, storage: Storage) -> None:
        await asyncio.gather(*(storage.documents.put(LOCAL_OWNER, [a_document(str(n % 10), n)]) for n in range(40)))
        assert sorted(await keys(storage)) == [str(number) for number in range(10)]
        found = await storage.documents.get(LOCAL_OWNER, "c", "3")
        assert found is not None
        assert found.body == 33

    async def test_a_run_begins_with_its_documents(self, storage: Storage) -> None:
        runs = [a_run(epoch=1, owner=STRANGER) for _ in range(3)]
        key = a_key(owner=STRANGER)
        await storage.begin(runs[0], key, documents=[a_document("a", run=runs[0].id)])
        # A key that made a run before makes neither another nor its documents.
        await storage.begin(runs[1], key, documents=[a_document("b")])
        with refuses(ConflictError):
            await storage.begin(runs[1], a_key(digest=b"other", owner=STRANGER), documents=[a_document("b")])
        await storage.runs.create(runs[2], documents=[a_document("c"), a_document("d")])
        for _ in range(2):
            assert await keys(storage, owner=STRANGER) == ["d", "c", "a"]
            assert await keys(storage) == []
            storage = await self.reopen(storage)
        await storage.close()

    async def test_a_run_that_is_refused_leaves_no_documents(self, storage: Storage) -> None:
        run = a_run(epoch=1)
        with refuses(BadRequestError):
            await storage.begin(run, documents=[a_document("a"), a_document("a")])
        assert await storage.runs.get(run.id) is None
        assert await keys(storage) == []

    async def test_a_run_ends_with_its_documents_once(self, storage: Storage) -> None:
        run = a_run(epoch=1, owner=STRANGER)
        await storage.runs.create(run)
        finish = storage.runs.finish
        with refuses(StorageError):
            await finish("none", RunState.COMPLETED, SNAPSHOT, 2, None, documents=[a_document("none")])
        with refuses(StorageError):
            await finish(run.id, RunState.RUNNING, SNAPSHOT, 2, None, documents=[a_document("early")])
        with refuses(BadRequestError):
            await finish(run.id, RunState.FAILED, SNAPSHOT, 2, None, documents=[a_document("", "nameless")])
        for body in ("first", "second"):
            await finish(run.id, RunState.COMPLETED, SNAPSHOT, 2, None, documents=[a_document("a", body)])
        await finish(run.id, RunState.FAILED, SNAPSHOT, 3, None, documents=[a_document("late")])
        for _ in range(2):
            assert await keys(storage, owner=STRANGER) == ["a"]
            assert await storage.documents.get(STRANGER, "c", "a") == a_document("a", "first")
            assert await keys(storage) == []
            storage = await self.reopen(storage)
        await storage.close()

    async def test_a_deleted_run_takes_its_documents_with_it(self, storage: Storage) -> None:
        run, other = a_run(epoch=1), a_run(epoch=1)
        of_run = a_document("begun", words={"w": "1"}, run=run.id)
        await storage.runs.create(run, documents=[of_run, a_document("session"), a_document("theirs", run=other.id)])
        await storage.runs.create(other)
        end = [a_document("ended", run=run.id), a_document("passed on", run=other.id)]
        await storage.runs.finish(run.id, RunState.COMPLETED, SNAPSHOT, 2, None, documents=end)
        # What another run has put in its place is that one's.
        await put(storage, a_document("passed back", run=run.id), a_document("passed back", run=other.id))
        await storage.runs.delete(run.id)
        for _ in range(2):
            assert await keys(storage) == ["passed back", "passed on", "theirs", "session"]
            assert await keys(storage, {"w": "1"}) == []
            assert await storage.documents.get(LOCAL_OWNER, "c", "ended") is None
            storage = await self.reopen(storage)
        await storage.close()
