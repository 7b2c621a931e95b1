"""The reference engine's keys: durable when the commit is; without space one can be revoked, and none be made."""

from __future__ import annotations

import pytest

from headwater.domain.api_key import new_api_key
from headwater.domain.run import LOCAL_OWNER
from headwater.errors import StorageFull
from headwater.storage.memory import MemoryStorage


async def test_without_space_a_key_is_revoked_and_none_is_made() -> None:
    storage = MemoryStorage()
    await storage.open()
    key = new_api_key("k", LOCAL_OWNER, 0).key
    await storage.api_keys.put(key)
    storage.full = True
    with pytest.raises(StorageFull):
        await storage.api_keys.put(new_api_key("other", LOCAL_OWNER, 0).key)
    assert await storage.api_keys.revoke(key.id, 1)
    assert [each.revoked_at_ms for each in await storage.api_keys.all()] == [1]


async def test_keys_outlive_the_engine() -> None:
    storage = MemoryStorage()
    await storage.open()
    key = new_api_key("k", LOCAL_OWNER, 0).key
    await storage.api_keys.put(key)
    storage.crash()
    another = MemoryStorage(storage.medium)
    await another.open()
    assert await another.api_keys.all() == [key]
