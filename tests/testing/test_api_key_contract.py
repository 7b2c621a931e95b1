"""The kit for keys catches the mistakes that matter."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headwater.domain.api_key import ApiKey
from headwater.storage.memory import MemoryStorage
from tests.testing.mutants import is_caught


def nothing_outlives_the_engine(storage: MemoryStorage) -> None:
    storage.api_keys._keys = {}


def a_stored_key_takes_a_revoked_ones_place(storage: MemoryStorage) -> None:
    async def wrong(key: ApiKey) -> None:
        storage.medium.api_keys[key.id] = key

    storage.api_keys.put = wrong  # type: ignore[method-assign]


def the_last_revocation_counts(storage: MemoryStorage) -> None:
    right = storage.api_keys.revoke

    async def wrong(id: str, at_ms: int) -> bool:
        if (key := storage.medium.api_keys.get(id)) is not None:
            storage.medium.api_keys[id] = ApiKey(key.id, key.name, key.owner, key.hash, key.created_at_ms)
        return await right(id, at_ms)

    storage.api_keys.revoke = wrong  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("mutate", "test"),
    [
        (nothing_outlives_the_engine, "test_keys_come_back_as_they_were"),
        (a_stored_key_takes_a_revoked_ones_place, "test_a_key_is_stored_once"),
        (the_last_revocation_counts, "test_the_first_revocation_stays"),
    ],
)
async def test_a_mistake_is_caught(mutate: Callable[[MemoryStorage], None], test: str) -> None:
    assert await is_caught(test, mutate)
