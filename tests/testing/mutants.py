"""Engines that break their promises, for the kit to catch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from headwater.storage.contract import Storage
from headwater.storage.memory import MemoryStorage
from headwater.testing.storage import StorageContract
from headwater.testing.stream_contract import SMALL


class Kit(StorageContract):
    """The kit over the reference engine, to be broken."""

    def __init__(self, mutate: Callable[[MemoryStorage], None]) -> None:
        self.mutate = mutate

    async def reopen(self, storage: Storage) -> Storage:
        await storage.close()
        another = MemoryStorage(storage.medium, stream_limits=SMALL)  # type: ignore[attr-defined] # always the reference engine here
        self.mutate(another)
        await another.open()
        return another


async def is_caught(test: str, mutate: Callable[[MemoryStorage], None]) -> bool:
    """Whether this test of the kit fails for the mutant; it has to pass for the engine as it is."""
    for change, expected in ((_nothing, True), (mutate, False)):
        kit = Kit(change)
        storage = MemoryStorage(stream_limits=SMALL)
        change(storage)
        await storage.open()
        run: Callable[[Storage], Awaitable[Any]] = getattr(kit, test)
        try:
            await run(storage)
        except Exception:
            passed = False
        else:
            passed = True
        if passed is not expected:
            return False
    return True


def _nothing(storage: MemoryStorage) -> None:
    """No mutation."""
