"""The reference engine's documents: durable when the commit is, and refused while there is no space."""

from __future__ import annotations

import asyncio

import pytest

from headwater.domain.document import Document
from headwater.domain.run import LOCAL_OWNER, RunState
from headwater.errors import StorageFull
from headwater.storage.memory import MemoryStorage
from headwater.testing.run_contract import SNAPSHOT, a_run


async def test_a_crash_loses_what_was_not_committed() -> None:
    storage = MemoryStorage(commit_delay=lambda: 60.0)
    await storage.open()
    storing = asyncio.ensure_future(storage.documents.put(LOCAL_OWNER, [Document("c", "k", 1)]))
    await asyncio.sleep(0)  # paces: the change joins the group that will not be committed
    storage.crash()
    storing.cancel()
    another = MemoryStorage(storage.medium)
    await another.open()
    assert await another.documents.get(LOCAL_OWNER, "c", "k") is None


async def test_without_space_runs_end_with_their_documents_and_nothing_else_is_stored() -> None:
    storage = MemoryStorage()
    await storage.open()
    run = await storage.runs.create(a_run())
    storage.full = True
    with pytest.raises(StorageFull):
        await storage.documents.put(LOCAL_OWNER, [Document("c", "k", 1)])
    with pytest.raises(StorageFull):
        await storage.runs.create(a_run(), documents=[Document("c", "k", 1)])
    await storage.runs.finish(run.id, RunState.FAILED, SNAPSHOT, 5, None, documents=[Document("c", "end", 2)])
    assert [each.key for each in (await storage.documents.list(LOCAL_OWNER, "c")).documents] == ["end"]
