"""The reference engine keeps the contract, and its faults are faults."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from headwater.errors import SeqConflict, StorageError, StorageFailed, StorageFull
from headwater.storage.contract import Storage
from headwater.storage.memory import MemoryStorage
from headwater.storage.memory_medium import MemoryMedium
from headwater.testing.run_contract import a_run
from headwater.testing.storage import StorageContract
from headwater.testing.stream_contract import SMALL


class TestMemory(StorageContract):
    @pytest.fixture
    async def storage(self) -> AsyncIterator[MemoryStorage]:
        storage = MemoryStorage(stream_limits=SMALL)
        await storage.open()
        yield storage
        await storage.close()

    async def reopen(self, storage: Storage) -> Storage:
        assert isinstance(storage, MemoryStorage)
        await storage.close()
        another = MemoryStorage(storage.medium, stream_limits=SMALL)
        await another.open()
        return another


async def test_one_engine_at_a_time_holds_the_medium() -> None:
    medium = MemoryMedium()
    first, second = MemoryStorage(medium), MemoryStorage(medium)
    await first.open()
    with pytest.raises(StorageError):
        await second.open()
    await first.close()
    await second.open()


async def test_a_crash_loses_what_was_not_durable_and_nothing_else() -> None:
    delays = iter([0.0, 0.0, 3600.0])
    storage = MemoryStorage(commit_delay=delays.__next__)
    await storage.open()
    await storage.log.claim("r", 1)
    await storage.log.append("r", 0, [b"1"], 1)
    lost = storage.log.append("r", 1, [b"2"], 1)
    storage.crash()
    another = MemoryStorage(storage.medium)
    await another.open()
    assert (await another.log.state("r")).tail == 1
    assert not lost.done
    with pytest.raises(StorageFailed):
        storage.log.append("r", 2, [b"3"], 1)


async def test_a_failure_is_told_once_and_nothing_is_acknowledged_after_it() -> None:
    storage = MemoryStorage()
    await storage.open()
    told: list[BaseException] = []
    storage.on_failure(told.append)
    await storage.log.claim("r", 1)
    lost = storage.log.append("r", 0, [b"1"], 1)
    storage.fail()
    storage.fail()
    assert len(told) == 1
    with pytest.raises(StorageFailed):
        await lost
    with pytest.raises(StorageFailed):
        storage.log.append("r", 0, [b"1"], 1)
    with pytest.raises(StorageFailed):
        await storage.runs.create(a_run())
    assert (await storage.log.state("r")).tail == 0


async def test_a_full_medium_refuses_what_is_new_and_takes_what_ends() -> None:
    delays = iter([0.0, 0.0, 0.0, 3600.0, 0.0, 0.0, 0.0])
    storage = MemoryStorage(commit_delay=delays.__next__)
    await storage.open()
    await storage.log.claim("r", 1)
    await storage.log.append("r", 0, [b"1"], 1)
    run = await storage.runs.create(a_run())
    lost = storage.log.append("r", 1, [b"2"], 1)
    creating = asyncio.ensure_future(storage.runs.create(a_run()))
    cancelling = asyncio.ensure_future(storage.runs.request_cancel(run.id, "user"))
    await asyncio.sleep(0)  # paces: lets both callers ask
    storage.lose_group()
    for refused in (lost, creating):
        with pytest.raises(StorageFull):
            await refused
    cancelled = await cancelling
    assert cancelled is not None
    assert cancelled.cancel_requested_by == "user"
    with pytest.raises(SeqConflict):
        storage.log.append("r", 2, [b"3"], 1)
    with pytest.raises(StorageFull):
        storage.log.append("r", 1, [b"2"], 1)
    await storage.log.append("r", 1, [b"end"], 1, final=True)
    storage.full = False
    await storage.runs.create(a_run())
