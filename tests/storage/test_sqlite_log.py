"""What is finished or idle leaves memory, and comes back from the disk as it was."""

from pathlib import Path

import pytest

from headwater.errors import LogClosed, LogTrimmed
from headwater.storage import sqlite_log
from headwater.storage.contract import wait
from headwater.storage.sqlite import SqliteStorage
from headwater.storage.sqlite_log import SqliteLog
from headwater.testing.log_contract import read_all, records
from tests.storage.engine import engine, fill


def log_of(storage: SqliteStorage) -> SqliteLog:
    assert isinstance(storage.log, SqliteLog)
    return storage.log


async def rest(storage: SqliteStorage) -> None:
    """Lets the engine's own ticks go by until it has nothing left to write out or let go of."""
    log = log_of(storage)
    while log.backlog.has_work:
        log.tick()
        await storage.log.claim("other", log.next_journal_id)


async def test_an_ended_run_leaves_memory(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        await fill(storage, "r", records(1, 500), final=True, each=False)
        assert log_of(storage).records_in_memory == 500
        await rest(storage)
        assert log_of(storage).records_in_memory == 0
        assert storage.log.peek("r", 0) is None
        assert await read_all(storage.log, "r") == records(1, 500)
        page = storage.log.peek("r", 500)
        assert page is not None
        assert page.at_end
        with pytest.raises(LogClosed):
            storage.log.append("r", 500, [b"x"], 1)


async def test_an_idle_run_leaves_memory_and_goes_on(data_dir: Path) -> None:
    async with engine(data_dir, idle_s=0.0) as storage:
        await fill(storage, "r", records(1, 20))
        await rest(storage)
        assert log_of(storage).records_in_memory == 0
        await storage.log.append("r", 20, records(21, 22), 1)
        assert log_of(storage).records_in_memory == 2
        assert storage.log.peek("r", 19) is None
        assert await read_all(storage.log, "r") == records(1, 22)


async def test_a_busy_run_keeps_no_more_than_the_journal_does(data_dir: Path) -> None:
    async with engine(data_dir, journal_bytes=20_000) as storage:
        log = log_of(storage)
        await storage.log.claim("r", 1)
        for seq in range(400):
            await storage.log.append("r", seq, [bytes(1000)], 1)
            if seq % 20 == 0:
                log.tick()
            assert log.backlog.journal_size < 30_000
            assert log.records_in_memory <= 100
        assert await read_all(storage.log, "r") == [bytes(1000)] * 400


async def test_only_so_many_ended_logs_are_remembered(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_log, "ENDED_MAX", 3)
    async with engine(data_dir, journal_bytes=0) as storage:
        for number in range(12):
            await fill(storage, f"r{number}", records(1, 2), final=True)
            await rest(storage)
        assert log_of(storage).tails_in_memory <= 5
        for number in range(12):
            assert await read_all(storage.log, f"r{number}") == records(1, 2)
            assert (await storage.log.state(f"r{number}")).closed


async def test_waiting_for_an_ended_log_that_left_memory_returns(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        await fill(storage, "r", records(1, 2), final=True)
        await rest(storage)
        await wait(storage.log, "r", 2)
        await wait(storage.log, "r", 0)


async def test_what_was_trimmed_before_it_was_written_out_stays_trimmed(data_dir: Path) -> None:
    async with engine(data_dir) as storage:
        await fill(storage, "r", records(1, 10))
        await storage.log.trim("r", 11)
        await storage.log.append("r", 10, records(11, 12), 1, final=True)
        await rest(storage)
        assert await read_all(storage.log, "r", 10) == records(11, 12)
        with pytest.raises(LogTrimmed) as caught:
            await storage.log.read("r", 9)
        assert caught.value.first == 11
