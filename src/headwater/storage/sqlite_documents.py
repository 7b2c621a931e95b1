"""`Documents` over SQLite: each change joins the commits of the runs, each page is read beside the writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from headwater.domain.document import Document, encode_body, is_whole, sealed
from headwater.domain.run import Owner
from headwater.errors import StorageError
from headwater.storage.commits import GroupCommit
from headwater.storage.contract import DocumentPage, Haste
from headwater.storage.cursor import decode_cursor, encode_cursor
from headwater.storage.sqlite_readers import SqliteReaders

_COLUMNS = "collection, key, body, words, run"
_words = msgspec.json.Decoder(dict[str, str])
_encode = msgspec.json.Encoder().encode


class SqliteDocuments:
    """The documents' store."""

    def __init__(self, commits: GroupCommit, readers: SqliteReaders) -> None:
        self._commits = commits
        self._readers = readers

    async def put(self, owner: Owner, documents: Sequence[Document]) -> None:
        kept = sealed(documents)
        await self._commits.change(lambda db: put(db, owner, kept), essential=False, haste=Haste.NOW)

    async def get(self, owner: Owner, collection: str, key: str) -> Document | None:
        if not _can_be_there(collection, key):
            return None
        query = f"SELECT {_COLUMNS} FROM documents WHERE org = ? AND user = ? AND collection = ? AND key = ?"
        row = await self._readers.run(lambda db: db.execute(query, (owner.org, owner.user, collection, key)).fetchone())
        return None if row is None else _document(*row)

    async def list(
        self,
        owner: Owner,
        collection: str,
        *,
        where: Mapping[str, str] = {},
        limit: int = 50,
        cursor: str | None = None,
    ) -> DocumentPage:
        if not _can_be_there(collection, *where, *where.values()):
            return DocumentPage([], None)
        place: list[str | int] = [owner.org, owner.user, collection]
        clauses, values = ["org = ? AND user = ? AND collection = ?"], [*place]
        for name, value in where.items():
            clauses.append(
                "id IN (SELECT document FROM document_words"
                " WHERE org = ? AND user = ? AND collection = ? AND name = ? AND value = ?)"
            )
            values += [*place, name, value]
        if cursor is not None:
            clauses.append("id < ?")
            values.append(decode_cursor(cursor)[0])
        query = f"SELECT id, {_COLUMNS} FROM documents WHERE {' AND '.join(clauses)} ORDER BY id DESC LIMIT ?"
        rows = await self._readers.run(lambda db: db.execute(query, (*values, limit + 1)).fetchall())
        more = encode_cursor(rows[limit - 1][0], "") if len(rows) > limit else None
        return DocumentPage([_document(*row[1:]) for row in rows[:limit]], more)

    async def delete(self, owner: Owner, collection: str, key: str) -> bool:
        if not _can_be_there(collection, key):
            return False

        def apply(db: sqlite3.Connection) -> bool:
            rows = db.execute(
                "DELETE FROM documents WHERE org = ? AND user = ? AND collection = ? AND key = ? RETURNING id",
                (owner.org, owner.user, collection, key),
            ).fetchall()
            _forget_words(db, rows)
            return bool(rows)

        return await self._commits.change(apply, haste=Haste.NOW)


def put(db: sqlite3.Connection, owner: Owner, documents: Iterable[Document]) -> None:
    """Stores documents that are sealed: part of a change, in the writer's thread."""
    for document in documents:
        place = (owner.org, owner.user, document.collection)
        ((id,),) = db.execute(
            "INSERT INTO documents (org, user, collection, key, body, words, run) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (org, user, collection, key)"
            " DO UPDATE SET body = excluded.body, words = excluded.words, run = excluded.run RETURNING id",
            (*place, document.key, encode_body(document.body), _encode(document.words), document.run),
        ).fetchall()
        _forget_words(db, [(id,)])
        db.executemany(
            "INSERT INTO document_words VALUES (?, ?, ?, ?, ?, ?)",
            [(*place, name, value, id) for name, value in document.words.items()],
        )


def delete_of(db: sqlite3.Connection, run: str) -> None:
    """Forgets what came out of a run: part of a change, in the writer's thread."""
    _forget_words(db, db.execute("DELETE FROM documents WHERE run = ? RETURNING id", (run,)).fetchall())


def _forget_words(db: sqlite3.Connection, ids: Sequence[tuple[int]]) -> None:
    db.executemany("DELETE FROM document_words WHERE document = ?", ids)


def _can_be_there(*names: str) -> bool:
    """Whether anything can have these names: half a surrogate pair can not even be asked for."""
    return all(is_whole(name) for name in names)


def _document(collection: str, key: str, body: bytes, words: bytes, run: str | None) -> Document:
    try:
        return Document(collection, key, msgspec.json.decode(body), _words.decode(words), run)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StorageError("a document can not be read") from error
