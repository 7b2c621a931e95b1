"""Keys in the file: their hashes, and nothing of what callers show."""

from __future__ import annotations

from pathlib import Path

from headwater.domain.api_key import new_api_key
from headwater.domain.run import LOCAL_OWNER
from tests.storage.engine import behind, engine
from tests.storage.test_sqlite_documents import holds


async def test_only_the_hash_is_in_the_file(data_dir: Path) -> None:
    key, text = new_api_key("k", LOCAL_OWNER, 0)
    async with engine(data_dir) as storage:
        await storage.api_keys.put(key)
        secret = text.rpartition("_")[2]
        assert holds(data_dir, key.hash)
        assert not holds(data_dir, secret.encode())
        assert not holds(data_dir, bytes.fromhex(secret))


async def test_a_key_is_a_row_that_is_found_by_its_id(data_dir: Path) -> None:
    key = new_api_key("k", LOCAL_OWNER, 0).key
    async with engine(data_dir) as storage:
        await storage.api_keys.put(key)
    assert behind(data_dir, lambda db: db.execute("SELECT id, hash FROM api_keys").fetchall()) == [(key.id, key.hash)]
