"""The process whose disk can not sync any more: what fault 32 demands, asserted where it happens.

    python -m tests.power.broken_disk DATA SWITCH

Syncs fail while there is a file SWITCH; see `shim.c`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.errors import StorageFailed
from headwater.storage.sqlite import SqliteStorage
from headwater.testing.log_contract import read_all
from headwater.testing.run_contract import a_run


async def main(data: Path, break_sync: Callable[[], None], repair_sync: Callable[[], None]) -> None:
    storage = SqliteStorage(data)
    await storage.open()
    told: list[BaseException] = []
    storage.on_failure(told.append)
    run = await storage.runs.create(a_run())
    await storage.log.claim("r", 1)
    await storage.log.append("r", 0, [b"sound"], 1)
    woken: list[int] = []
    storage.log.watch("r", lambda: woken.append(1))
    break_sync()
    lost = storage.log.append("r", 1, [b"lost"], 1)
    with pytest.raises(StorageFailed):
        await lost
    assert [type(error) for error in told] == [StorageFailed]
    assert storage.failed is told[0]
    # The disk is well again, and still nothing is acknowledged: what it holds is not known.
    repair_sync()
    for after in (1, 2):
        with pytest.raises(StorageFailed):
            storage.log.append("r", after, [b"end"], 1, final=True)
    with pytest.raises(StorageFailed):
        await storage.log.claim("r", 2)
    with pytest.raises(StorageFailed):
        await storage.runs.create(a_run())
    with pytest.raises(StorageFailed):
        await storage.runs.request_cancel(run.id, "user")
    assert await read_all(storage.log, "r") == [b"sound"]
    assert await storage.runs.get(run.id) == run
    assert woken == []
    await storage.close()


if __name__ == "__main__":
    switch = Path(sys.argv[2])
    asyncio.run(main(Path(sys.argv[1]), switch.touch, switch.unlink))
