"""The embedded engine keeps the contract, whatever the disk and other processes do (faults 31, 33)."""

import asyncio
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from headwater.domain.run import RunState
from headwater.errors import ConfigError, Fenced, SeqConflict, StorageFailed, StorageFull
from headwater.storage import schema, sqlite_medium
from headwater.storage.backlog import Backlog
from headwater.storage.contract import Storage
from headwater.storage.directory import DataDirectory
from headwater.storage.sqlite import SqliteStorage
from headwater.testing.log_contract import read_all, records
from headwater.testing.run_contract import SNAPSHOT, a_key, a_run
from headwater.testing.storage import StorageContract
from headwater.testing.stream_contract import SMALL
from tests.storage.engine import engine, fill


class TestSqlite(StorageContract):
    backlog_bytes = 4 << 20

    def make(self, directory: Path) -> SqliteStorage:
        return SqliteStorage(
            directory,
            backlog=Backlog(self.backlog_bytes),
            commit_interval_ms=1,
            reserve_bytes=4096,
            stream_limits=SMALL,
        )

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


async def test_a_second_server_is_refused_and_the_first_goes_on(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_medium, "HOLD_S", 0.05)
    async with engine(data_dir) as storage:
        second = SqliteStorage(data_dir)
        with pytest.raises(ConfigError, match=str(data_dir)):
            await second.open()
        await second.close()
        await fill(storage, "r", records(1, 3))
    async with engine(data_dir) as storage:
        assert await read_all(storage.log, "r") == records(1, 3)


async def test_a_command_that_has_the_directory_for_a_moment_keeps_no_server_from_starting(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_medium, "HOLD_S", 60.0)
    command, waited = DataDirectory(data_dir, 0), list[float]()

    def sleep(time_s: float) -> None:
        waited.append(time_s)
        command.let_go()

    monkeypatch.setattr("time.sleep", sleep)
    command.hold()
    async with engine(data_dir) as storage:
        await fill(storage, "r", records(1, 3))
    assert len(waited) == 1


async def test_a_lock_that_another_process_holds_is_waited_for(data_dir: Path) -> None:
    """Fault 33, the part that ends well."""
    async with engine(data_dir) as storage:
        await storage.log.claim("r", 1)
        other = sqlite3.connect(storage.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        receipt = storage.log.append("r", 0, [b"x"], 1)
        asyncio.get_running_loop().call_later(0.1, other.execute, "ROLLBACK")
        await receipt
        other.close()
        assert await read_all(storage.log, "r") == [b"x"]


async def test_a_lock_that_is_never_let_go_of_stops_the_engine(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 33, the part that does not: the wait is bounded, and what was durable can still be read."""
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_MS", 50)
    async with engine(data_dir) as storage:
        await fill(storage, "r", [b"x"])
        other = sqlite3.connect(storage.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageFailed):
            await storage.log.append("r", 1, [b"y"], 1)
        assert storage.failed is not None
        assert await read_all(storage.log, "r") == [b"x"]
        other.close()


@pytest.mark.parametrize("mode", ["EXCLUSIVE", "IMMEDIATE"])
@pytest.mark.parametrize("age", ["new", "old"])
async def test_a_database_that_another_program_keeps_locked_is_not_opened(
    data_dir: Path, mode: str, age: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait is the opening's own, and the directory is let go of."""
    monkeypatch.setattr(schema, "OPENING_BUSY_TIMEOUT_MS", 50)
    path = data_dir / schema.FILE_NAME
    if age == "new":
        await asyncio.to_thread(data_dir.mkdir, exist_ok=True)
    else:
        async with engine(data_dir) as storage:
            await fill(storage, "r", [b"x"])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(f"BEGIN {mode}")
    with pytest.raises(ConfigError, match="locked by another program"):
        await SqliteStorage(data_dir).open()
    other.execute("ROLLBACK")
    other.close()
    async with engine(data_dir) as storage:
        await fill(storage, "s", [b"y"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a small tmpfs, to fill a disk without filling this one")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.linux
async def test_a_full_disk_refuses_what_is_new_ends_what_runs_and_recovers(small_disk: Path) -> None:
    """Fault 31."""
    async with engine(small_disk / "data", journal_bytes=1 << 20, reserve_bytes=4 << 20) as storage:
        log, runs = storage.log, [f"r{number}" for number in range(20)]
        rows = [await storage.runs.create(a_run()) for _ in runs]
        for run in runs:
            await log.claim(run, 1)
        durable = await append_until_full(storage, runs)
        assert storage.full
        assert storage.failed is None
        for run in runs:
            state = await log.state(run)
            assert state.tail == durable[run]
            with pytest.raises(StorageFull):
                log.append(run, state.tail, [b"more"], 1)
            with pytest.raises(SeqConflict):
                log.append(run, state.tail + 1, [b"built on what was lost"], 1, final=True)
        with pytest.raises(StorageFull):
            await storage.runs.create(a_run())
        for run, row in zip(runs, rows, strict=True):
            await log.append(run, durable[run], [b"end"], 1, final=True)
            await storage.runs.request_cancel(row.id, "user")
            await storage.runs.finish(row.id, RunState.FAILED, SNAPSHOT, 5, None)
        for run in runs:
            found = await read_all(log, run)
            assert found == [BIG] * durable[run] + [b"end"]
        (small_disk / "ballast").unlink()
        await until_there_is_space(storage)
        await storage.runs.create(a_run())
        await fill(storage, "new", records(1, 3))
    async with engine(small_disk / "data", reserve_bytes=4 << 20) as storage:
        assert await read_all(storage.log, runs[19]) == [BIG] * durable[runs[19]] + [b"end"]
        assert await read_all(storage.log, "new") == records(1, 3)


BIG = bytes(range(256)) * 40


async def until_there_is_space(storage: SqliteStorage) -> None:
    while storage.full:  # noqa: ASYNC110 - the engine looks at the disk now and then, and tells nobody
        await asyncio.sleep(0.05)  # paces: until it has looked again


async def append_until_full(storage: SqliteStorage, runs: list[str]) -> dict[str, int]:
    """Fills half of the disk with something else and the rest with records; how many of each run were acknowledged."""
    (storage.path.parent.parent / "ballast").write_bytes(bytes(10 << 20))
    durable = dict.fromkeys(runs, 0)
    while True:
        receipts = {}
        try:
            for run in runs:
                receipts[run] = storage.log.append(run, durable[run], [BIG], 1)
            for run, receipt in receipts.items():
                await receipt
                durable[run] += 1
        except StorageFull:
            return durable


@pytest.mark.linux
async def test_a_start_on_a_disk_without_a_byte_left_serves_what_there_is(small_disk: Path) -> None:
    """SQLite can not even make its files beside the database: that is what the reserve is let go of for."""
    async with engine(small_disk / "data", reserve_bytes=4 << 20) as storage:
        await fill(storage, "r", records(1, 3))
    with pytest.raises(OSError, match="No space left"), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))
    async with engine(small_disk / "data", reserve_bytes=4 << 20) as storage:
        assert storage.full
        assert await read_all(storage.log, "r") == records(1, 3)
        with pytest.raises(StorageFull):
            await storage.runs.create(a_run())
        (small_disk / "ballast").unlink()
        await until_there_is_space(storage)
        await storage.runs.create(a_run())


@pytest.mark.linux
async def test_a_start_on_a_disk_without_room_for_the_reserve_takes_nothing_new(small_disk: Path) -> None:
    async with engine(small_disk / "data", reserve_bytes=64 << 20) as storage:
        assert storage.full
        with pytest.raises(StorageFull):
            await storage.runs.create(a_run())
        await storage.log.claim("r", 1)
        await storage.log.append("r", 0, [b"end"], 1, final=True)
        assert await read_all(storage.log, "r") == [b"end"]


async def test_many_changes_at_once_are_spread_over_commits(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.storage.sqlite_medium.CHANGES_S", 0.0)
    async with engine(data_dir) as storage:
        runs = [a_run() for _ in range(20)]
        begun = await asyncio.gather(*(storage.begin(run, a_key(run.id)) for run in runs))
        assert [each.run.id for each in begun] == [run.id for run in runs]
        keys = {run.id: await storage.runs.find(a_key(run.id)) for run in runs}
        assert all(found is not None and found.id == name for name, found in keys.items())


async def test_a_run_whose_log_belongs_to_another_epoch_is_not_begun(data_dir: Path) -> None:
    run = a_run()
    async with engine(data_dir) as storage:
        await storage.log.claim(run.id, 5)
    async with engine(data_dir) as storage:
        for _ in range(2):
            with pytest.raises(Fenced):
                await storage.begin(run, a_key())
            assert await storage.runs.get(run.id) is None
            assert await storage.runs.find(a_key()) is None
