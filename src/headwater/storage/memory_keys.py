"""`ApiKeys` in memory: the reference engine's."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headwater.domain.api_key import ApiKey
from headwater.storage.memory_streams import Changes


class MemoryApiKeys:
    """The keys' store; `keys` outlives it as a file outlives a process."""

    def __init__(self, storage: Changes, keys: dict[str, ApiKey]) -> None:
        self._storage = storage
        self._keys = keys

    async def all(self) -> Sequence[ApiKey]:
        return sorted(self._keys.values(), key=lambda key: (key.created_at_ms, key.id))

    async def put(self, key: ApiKey) -> None:
        await self._storage.change(lambda: self._put(key), needs_space=True)

    async def revoke(self, id: str, at_ms: int) -> bool:
        return await self._storage.change(lambda: self._revoke(id, at_ms))

    def _put(self, key: ApiKey) -> None:
        self._keys.setdefault(key.id, key)

    def _revoke(self, id: str, at_ms: int) -> bool:
        key = self._keys.get(id)
        if key is not None and key.revoked_at_ms is None:
            self._keys[id] = msgspec.structs.replace(key, revoked_at_ms=at_ms)
        return key is not None
