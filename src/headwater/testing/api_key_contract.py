"""What every `ApiKeys` must pass; part of `headwater.testing.storage`."""

from __future__ import annotations

from headwater.domain.api_key import new_api_key
from headwater.domain.run import LOCAL_OWNER, Owner
from headwater.storage.contract import Storage


class ApiKeyContract:
    """Keys are stored as they are, in order, and stay."""

    async def reopen(self, storage: Storage) -> Storage:
        raise NotImplementedError

    async def test_keys_come_back_as_they_were(self, storage: Storage) -> None:
        made = [
            new_api_key("first", LOCAL_OWNER, 5).key,
            new_api_key("with an end", Owner("acme", "ann"), 7, lives_ms=100).key,
            new_api_key("'; DROP TABLE api_keys --", Owner("'", '"'), 9).key,
        ]
        assert list(await storage.api_keys.all()) == []
        for key in reversed(made):
            await storage.api_keys.put(key)
        assert list(await storage.api_keys.all()) == made
        storage = await self.reopen(storage)
        assert list(await storage.api_keys.all()) == made
        await storage.close()

    async def test_a_key_is_stored_once(self, storage: Storage) -> None:
        key = new_api_key("first", LOCAL_OWNER, 5).key
        await storage.api_keys.put(key)
        assert await storage.api_keys.revoke(key.id, 6)
        await storage.api_keys.put(key)
        assert [each.revoked_at_ms for each in await storage.api_keys.all()] == [6]

    async def test_the_first_revocation_stays(self, storage: Storage) -> None:
        key, other = (new_api_key("k", LOCAL_OWNER, at_ms).key for at_ms in (5, 6))
        for each in (key, other):
            await storage.api_keys.put(each)
        assert await storage.api_keys.revoke(key.id, 6)
        assert await storage.api_keys.revoke(key.id, 7)
        assert not await storage.api_keys.revoke("none", 7)
        assert [each.revoked_at_ms for each in await storage.api_keys.all()] == [6, None]
        storage = await self.reopen(storage)
        assert [each.revoked_at_ms for each in await storage.api_keys.all()] == [6, None]
        await storage.close()
