"""The kit that every storage engine must pass.

    class TestMyStorage(StorageContract):
        @pytest.fixture
        async def storage(self):
            storage = MyStorage(…)
            await storage.open()
            yield storage
            await storage.close()

        async def reopen(self, storage):
            await storage.close()
            another = MyStorage(…)          # on the same medium
            await another.open()
            return another

It needs pytest-asyncio in auto mode, and `close` to bear being called twice.
"""

from __future__ import annotations

from headwater.storage.contract import Storage
from headwater.testing.log_contract import LogContract
from headwater.testing.run_contract import RunContract


class StorageContract(LogContract, RunContract):
    """Every test of both contracts, and of what ties them together."""

    async def reopen(self, storage: Storage) -> Storage:
        raise NotImplementedError

    async def test_an_engine_that_is_well_says_so(self, storage: Storage) -> None:
        assert storage.failed is None
        assert not storage.full

    async def test_closing_sees_through_what_was_appended(self, storage: Storage) -> None:
        await storage.log.claim("r", 1)
        receipt = storage.log.append("r", 0, [b"last words"], 1, final=True)
        await storage.close()
        await receipt
