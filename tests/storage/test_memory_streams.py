"""The reference engine's streams: durable when the commit is, and refused while there is no space."""

from __future__ import annotations

import pytest

from headwater.domain.run import LOCAL_OWNER
from headwater.domain.stream import Append, StreamConfig, StreamName
from headwater.errors import NotFoundError, StorageFull
from headwater.storage.memory import MemoryStorage

NAME = StreamName(LOCAL_OWNER, "s")
TEXT = StreamConfig("text/plain")


async def test_a_crash_loses_what_was_not_committed() -> None:
    storage = MemoryStorage()
    await storage.open()
    await storage.streams.create(NAME, TEXT, b"one", 0)
    storage.crash()
    another = MemoryStorage(storage.medium)
    await another.open()
    assert (await another.streams.read(NAME, 0, 0)).payloads == [b"one"]
    with pytest.raises(NotFoundError):
        await another.streams.state(NAME._replace(name="t"), 0)


async def test_without_space_streams_can_be_closed_and_deleted_only() -> None:
    storage = MemoryStorage()
    await storage.open()
    await storage.streams.create(NAME, TEXT, b"one", 0)
    storage.full = True
    with pytest.raises(StorageFull):
        await storage.streams.append(NAME, Append(b"two", "text/plain"), 0)
    with pytest.raises(StorageFull):
        await storage.streams.create(NAME._replace(name="t"), TEXT, b"", 0)
    assert (await storage.streams.append(NAME, Append(None, close=True), 0)).stream.closed
    await storage.streams.delete(NAME, 0)


async def test_watchers_are_let_go() -> None:
    storage = MemoryStorage()
    stop = storage.streams.watch(NAME, lambda: None)
    assert storage.streams.watcher_count == 1
    stop()
    assert storage.streams.watcher_count == 0
