"""`Documents` in memory: the reference engine's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headwater.domain.document import Document, opened, sealed
from headwater.domain.run import Owner
from headwater.storage.contract import DocumentPage
from headwater.storage.cursor import decode_cursor, encode_cursor
from headwater.storage.memory_streams import Changes

_Place = tuple[Owner, str, str]


class MemoryShelves:
    """What documents there are; outlives the engine as a file outlives a process."""

    def __init__(self) -> None:
        #: with the number under which each was first put, in that order
        self._documents: dict[_Place, tuple[int, Document]] = {}
        self._last_number = 0

    def put(self, owner: Owner, documents: Sequence[Document]) -> None:
        """Stores documents that are sealed."""
        for document in documents:
            place = (owner, document.collection, document.key)
            if (known := self._documents.get(place)) is not None:
                number = known[0]
            else:
                number = self._last_number = self._last_number + 1
            self._documents[place] = (number, document)

    def get(self, owner: Owner, collection: str, key: str) -> Document | None:
        known = self._documents.get((owner, collection, key))
        return None if known is None else opened(known[1])

    def newest(self, owner: Owner, collection: str, words: Mapping[str, str]) -> list[tuple[int, Document]]:
        """Those of a collection that have these words, newest first."""
        return [
            (number, document)
            for (whose, of, _), (number, document) in reversed(self._documents.items())
            if (whose, of) == (owner, collection) and words.items() <= document.words.items()
        ]

    def delete(self, owner: Owner, collection: str, key: str) -> bool:
        return self._documents.pop((owner, collection, key), None) is not None

    def delete_of(self, run: str) -> None:
        """Forgets what came out of a run."""
        for place in [place for place, (_, document) in self._documents.items() if document.run == run]:
            del self._documents[place]


class MemoryDocuments:
    """The documents' store."""

    def __init__(self, storage: Changes, shelves: MemoryShelves) -> None:
        self._storage = storage
        self._shelves = shelves

    async def put(self, owner: Owner, documents: Sequence[Document]) -> None:
        kept = sealed(documents)
        await self._storage.change(lambda: self._shelves.put(owner, kept), needs_space=True)

    async def get(self, owner: Owner, collection: str, key: str) -> Document | None:
        return self._shelves.get(owner, collection, key)

    async def list(
        self,
        owner: Owner,
        collection: str,
        *,
        where: Mapping[str, str] = {},
        limit: int = 50,
        cursor: str | None = None,
    ) -> DocumentPage:
        before = None if cursor is None else decode_cursor(cursor)[0]
        newest = self._shelves.newest(owner, collection, where)
        found = [each for each in newest if before is None or each[0] < before]
        page = found[:limit]
        more = encode_cursor(page[-1][0], "") if len(found) > limit else None
        return DocumentPage([opened(document) for _, document in page], more)

    async def delete(self, owner: Owner, collection: str, key: str) -> bool:
        return await self._storage.change(lambda: self._shelves.delete(owner, collection, key))
