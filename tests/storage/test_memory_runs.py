"""The reference engine's rows: what is refused changes nothing, and what is durable outlives the engine."""

from __future__ import annotations

import pytest

from headwater.domain.document import Document
from headwater.domain.run import LOCAL_OWNER, RunState
from headwater.errors import ConflictError, StorageError
from headwater.storage.memory import MemoryStorage
from headwater.testing.run_contract import SNAPSHOT, a_key, a_run


async def test_a_key_used_otherwise_makes_neither_run_nor_documents() -> None:
    storage = MemoryStorage()
    await storage.open()
    made = await storage.runs.create(a_run(), a_key())
    with pytest.raises(ConflictError):
        await storage.runs.create(a_run(), a_key(digest=b"other"), documents=[Document("c", "k", 1)])
    assert [*storage.medium.runs] == [made.id]
    assert await storage.documents.get(LOCAL_OWNER, "c", "k") is None


async def test_another_engine_finds_what_was_stored() -> None:
    storage = MemoryStorage()
    await storage.open()
    run = await storage.runs.create(a_run())
    await storage.runs.finish(run.id, RunState.COMPLETED, SNAPSHOT, 5, None)
    storage.crash()
    another = MemoryStorage(storage.medium)
    await another.open()
    found = await another.runs.get(run.id)
    assert found is not None
    assert (found.state, found.snapshot) == (RunState.COMPLETED, SNAPSHOT)
    with pytest.raises(StorageError):
        await another.runs.start(run.id)
