"""The embedded engine keeps the contract."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headwater.storage.backlog import Backlog
from headwater.storage.contract import Storage
from headwater.storage.sqlite import SqliteStorage
from headwater.testing.storage import StorageContract


class TestSqlite(StorageContract):
    backlog_bytes = 4 << 20

    def make(self, directory: Path) -> SqliteStorage:
        return SqliteStorage(directory, backlog=Backlog(self.backlog_bytes), commit_interval_ms=1, reserve_bytes=4096)

    @pytest.fixture
    async def storage(self, data_dir: Path, no_blocking: object) -> AsyncIterator[SqliteStorage]:
        storage = self.make(data_dir)
        await storage.open()
        yield storage
        await storage.close()

    async def reopen(self, storage: Storage) -> Storage:
        assert isinstance(storage, SqliteStorage)
        await storage.close()
        another = self.make(storage.path.parent)
        await another.open()
        return another


class TestSqliteWithoutJournal(TestSqlite):
    """The same where every record is written out with the next commit."""

    backlog_bytes = 0
