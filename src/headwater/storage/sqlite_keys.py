"""`ApiKeys` over SQLite, and the same statements for who has the database to themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from headwater.domain.api_key import ApiKey
from headwater.domain.run import Owner
from headwater.storage.commits import GroupCommit
from headwater.storage.contract import Haste
from headwater.storage.sqlite_readers import SqliteReaders


class SqliteApiKeys:
    """The keys' store."""

    def __init__(self, commits: GroupCommit, readers: SqliteReaders) -> None:
        self._commits = commits
        self._readers = readers

    async def all(self) -> Sequence[ApiKey]:
        return await self._readers.run(select_keys)

    async def put(self, key: ApiKey) -> None:
        await self._commits.change(lambda db: put_key(db, key), essential=False, haste=Haste.NOW)

    async def revoke(self, id: str, at_ms: int) -> bool:
        return await self._commits.change(lambda db: revoke_key(db, id, at_ms), haste=Haste.NOW)


def select_keys(db: sqlite3.Connection) -> list[ApiKey]:
    """Every key, in the order in which they were made."""
    rows = db.execute(
        "SELECT id, name, org, user, hash, created_at_ms, expires_at_ms, revoked_at_ms FROM api_keys"
        " ORDER BY created_at_ms, id"
    )
    return [ApiKey(id, name, Owner(org, user), *rest) for id, name, org, user, *rest in rows]


def put_key(db: sqlite3.Connection, key: ApiKey) -> None:
    """A key that is there stays as it is."""
    db.execute(
        "INSERT INTO api_keys (id, name, org, user, hash, created_at_ms, expires_at_ms, revoked_at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (key.id, key.name, key.owner.org, key.owner.user, key.hash, *_times(key)),
    )


def revoke_key(db: sqlite3.Connection, id: str, at_ms: int) -> bool:
    """Whether there is such a key; when it was first revoked stays."""
    found = db.execute("UPDATE api_keys SET revoked_at_ms = coalesce(revoked_at_ms, ?) WHERE id = ?", (at_ms, id))
    return found.rowcount > 0


def _times(key: ApiKey) -> tuple[int, int | None, int | None]:
    return key.created_at_ms, key.expires_at_ms, key.revoked_at_ms
