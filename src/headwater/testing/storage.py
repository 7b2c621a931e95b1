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

It needs pytest-asyncio in auto mode, `close` to bear being called twice, and engines with the limits
`headwater.testing.stream_contract.SMALL` of streams.
"""

from __future__ import annotations

import asyncio

from headwater.errors import ConflictError, Fenced, LogMissing
from headwater.storage.contract import Begun, LogState, Storage
from headwater.testing.api_key_contract import ApiKeyContract
from headwater.testing.document_contract import DocumentContract
from headwater.testing.log_contract import LogContract, refuses
from headwater.testing.run_contract import RunContract, a_key, a_run
from headwater.testing.stream_contract import StreamContract


class StorageContract(LogContract, RunContract, StreamContract, DocumentContract, ApiKeyContract):
    """Every test of the five contracts, and of what ties them together."""

    async def reopen(self, storage: Storage) -> Storage:
        raise NotImplementedError

    async def test_an_engine_that_is_well_says_so(self, storage: Storage) -> None:
        assert storage.failed is None
        assert not storage.full
        assert storage.intact

    async def test_what_outlives_a_process_is_intact(self, storage: Storage) -> None:
        await storage.settle()
        storage = await self.reopen(storage)
        assert storage.intact
        await storage.settle()
        await storage.close()

    async def test_a_run_begins_with_its_log(self, storage: Storage) -> None:
        run = a_run(epoch=1)
        assert await storage.begin(run, a_key()) == Begun(run, LogState(0, False, 1, 1))
        assert await storage.runs.get(run.id) == run
        await storage.log.append(run.id, 0, [b"first"], 1)
        with refuses(Fenced):
            await storage.log.claim(run.id, 1)
        storage = await self.reopen(storage)
        assert await storage.runs.get(run.id) == run
        assert (await storage.log.state(run.id)).tail == 1
        await storage.close()

    async def test_a_key_that_made_a_run_begins_no_other(self, storage: Storage) -> None:
        begun = await asyncio.gather(*(storage.begin(a_run(epoch=1), a_key()) for _ in range(20)))
        (first,) = {each.run.id for each in begun}
        assert [each.log for each in begun if each.log is not None] == [LogState(0, False, 1, 1)]
        other = a_run(epoch=1)
        with refuses(ConflictError):
            await storage.begin(other, a_key(digest=b"another body"))
        assert await storage.runs.get(other.id) is None
        with refuses(LogMissing):
            await storage.log.state(other.id)
        assert (await storage.log.state(first)).epoch == 1

    async def test_closing_sees_through_what_was_appended(self, storage: Storage) -> None:
        await storage.log.claim("r", 1)
        receipt = storage.log.append("r", 0, [b"last words"], 1, final=True)
        await storage.close()
        await receipt
