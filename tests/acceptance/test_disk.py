"""Faults 31 to 34 on a real disk: full, unable to sync, locked by somebody else, and with a page that went bad."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from headwater.app import EXIT_STORAGE
from headwater.storage.schema import BUSY_TIMEOUT_MS, FILE_NAME
from tests.acceptance.scene import Scene, error_of, figure, in_ci, until
from tests.kit.answer import parse
from tests.kit.client import Answer, call, start_run
from tests.kit.history import Down, SpaceBack, SpaceGone, Up
from tests.kit.product import Product

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

DISK_BYTES = 40 << 20
AS_JSON = {"accept": "application/json"}


def said(words: int, delay_ms: float) -> dict[str, Any]:
    return {"settings": {"extra": {"simulated": {"words": words, "delay_ms": delay_ms, "format": "plain"}}}}


def need(there: bool, reason: str) -> None:
    """Skips where the machine lacks something, but not in continuous integration, which must have it."""
    if not there:
        if in_ci():
            pytest.fail(f"continuous integration must have this: {reason}")
        pytest.skip(reason)


# ── 31: full ────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of its own, in memory, of `DISK_BYTES`."""
    place.mkdir(mode=0o700, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    need(mounted, "needs the right to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


class Ballast:
    """A file that takes all the space there is, and gives it back."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ballast"

    def fill(self) -> None:
        with self._path.open("ab") as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        os.write(file.fileno(), bytes(size))
                except OSError:
                    continue  # full for pieces of this size

    def drop(self) -> None:
        self._path.unlink()


@pytest.mark.linux
async def test_a_full_disk_refuses_new_runs_and_serves_old_ones(data_dir: Path) -> None:
    with small_disk(data_dir):
        async with Product(data_dir) as product:
            scene, ballast = Scene(product), Ballast(data_dir)
            old = await scene.start("Old", **said(20, 0))
            before = await scene.payloads(old)
            live = [await scene.start(f"Live {n}", **said(600, 5)) for n in range(4)]
            readers = [scene.reader(run) for run in live]
            readings = [asyncio.create_task(reader.read_on(scene.port)) for reader in readers]

            async def all_read() -> bool:
                return all(len(reader.payloads) > 5 for reader in readers)

            await until(all_read, "some records of each")
            scene.history.note(SpaceGone())
            ballast.fill()
            refused: list[Answer] = []

            async def refuses() -> bool:
                # What is let go of at the first want of space is filled as well.
                ballast.fill()
                refused.append(await start_run(scene.port, "New", **said(3, 0)))
                if refused[-1].status == 201:
                    scene.note_start("New", refused[-1])
                return refused[-1].status == 507

            await until(refuses, "a refusal")
            assert (refused[-1].json()["code"], refused[-1].json()["retryable"]) == ("STORAGE_FULL", True)
            assert {answer.status for answer in refused} <= {201, 507}
            # Readers are served: a run that has ended, and what is known of those that go on.
            assert await scene.payloads(old) == before
            again = scene.reader(old)
            assert await again.read(scene.port) == "end"
            for run in live:
                assert (await call(scene.port, "GET", f"/api/v1/runs/{run}")).status == 200
            assert product.process.returncode is None
            ballast.drop()
            scene.history.note(SpaceBack())

            async def accepts() -> bool:
                answer = await start_run(scene.port, "Space", **said(3, 0))
                if answer.status == 201:
                    scene.note_start("Space", answer)
                assert answer.status in (201, 507)
                return answer.status == 201

            await until(accepts, "new runs to be taken again")
            await asyncio.gather(*readings)
            for reader in readers:
                final = parse(reader.payloads[-1])
                # Cut for want of space, or it had enough: in any case an end, and all that was seen is there.
                assert final.type == "complete" or error_of(final) == "STORAGE", final
            assert product.starts == 1
            await scene.judge()


# ── 32: a sync fails ────────────────────────────────────────────────────────────────────────────


def is_traced(pid: int) -> bool:
    """Whether all threads of the process have a tracer."""
    lines = [line for status in Path(f"/proc/{pid}/task").glob("*/status") for line in status.read_text().splitlines()]
    return all(not line.endswith("\t0") for line in lines if line.startswith("TracerPid"))


@asynccontextmanager
async def broken_syncs(pid: int) -> AsyncIterator[None]:
    """From here on every sync of that process fails with EIO."""
    strace = shutil.which("strace")
    need(strace is not None, "needs strace")
    assert strace is not None
    inject = "inject=fdatasync,fsync:error=EIO"
    tracer = await asyncio.create_subprocess_exec(
        strace, "-f", "-q", "-p", str(pid), "-e", "trace=fdatasync,fsync", "-e", inject, stderr=subprocess.PIPE
    )

    async def attached() -> bool:
        need(tracer.returncode is None, "needs the right to trace a process")
        return is_traced(pid)

    await until(attached, "the tracer")
    drain = asyncio.create_task(tracer.communicate())
    try:
        yield
    finally:
        if tracer.returncode is None:
            tracer.terminate()
        await drain


@pytest.mark.linux
async def test_a_failed_sync_stops_the_server(data_dir: Path) -> None:
    async with Product(data_dir) as product:
        scene = Scene(product)
        live = [await scene.start(f"Live {n}", **said(2000, 5)) for n in range(4)]
        readers = [scene.reader(run) for run in live]
        readings = [asyncio.create_task(reader.read(scene.port)) for reader in readers]

        async def all_read() -> bool:
            return all(len(reader.payloads) > 5 for reader in readers)

        await until(all_read, "some records of each")
        # So that starts wait for the same broken commit, and there is somebody to be told.
        starts: list[asyncio.Task[Any]] = []
        async with broken_syncs(product.pid):
            had = [len(reader.payloads) for reader in readers]
            starts += [asyncio.create_task(start_run(scene.port, f"After {n}", **said(3, 0))) for n in range(5)]
            async with asyncio.timeout(20):
                assert await product.process.wait() == EXIT_STORAGE
            told = await asyncio.gather(*starts, return_exceptions=True)
        # Nothing is acknowledged after it, to nobody.
        for answer in told:
            if isinstance(answer, BaseException):
                assert isinstance(answer, OSError | EOFError), answer
            else:
                assert (answer.status, answer.json()["code"]) == (503, "STORAGE")
        for reading in readings:
            assert await reading in ("cut", "end")
        assert not any(reader.ended for reader in readers)
        assert "storage failed" in product.log_text
        scene.history.note(Down())
        scene.history.note(Up())
        await product.start()
        assert await figure(scene.port, "headwater_runs_recovered_total", 'as="interrupted"') >= len(live)
        for reader, count in zip(readers, had, strict=True):
            assert len(reader.payloads) >= count
            assert await reader.read_on(scene.port) == "end"
            assert error_of(parse(reader.payloads[-1])) == "INTERRUPTED"
        assert (await scene.end(await scene.start("Well again", **said(3, 0)))).type == "complete"
        await scene.judge()


# ── 33: locked ──────────────────────────────────────────────────────────────────────────────────


def locked(data: Path) -> sqlite3.Connection:
    """Somebody else who writes to the database, and does not let go."""
    other = sqlite3.connect(data / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


async def test_a_lock_is_waited_for(data_dir: Path) -> None:
    """Nothing is shown meanwhile, and nothing lost."""
    async with Product(data_dir) as product:
        scene = Scene(product)
        run = await scene.start("Live", **said(100, 5))
        reader = scene.reader(run)
        reading = asyncio.create_task(reader.read(scene.port))

        async def has_read() -> bool:
            return len(reader.payloads) > 5

        await until(has_read, "some records")
        other = locked(data_dir)
        start = asyncio.create_task(start_run(scene.port, "Waits", **said(3, 0)))
        await asyncio.sleep(0.3)  # paces: the lock is held so long
        had = len(reader.payloads)
        assert not start.done()
        other.execute("ROLLBACK")
        other.close()
        scene.note_start("Waits", await start)
        assert await reading == "end"
        assert len(reader.payloads) > had
        assert parse(reader.payloads[-1]).type == "complete"
        await scene.judge()


@pytest.mark.slow
async def test_a_lock_that_stays_ends_in_a_typed_failure(data_dir: Path) -> None:
    """The wait is bounded; then it is as with a failed sync."""
    async with Product(data_dir) as product:
        scene = Scene(product)
        run = await scene.start("Live", **said(2000, 5))
        reader = scene.reader(run)
        reading = asyncio.create_task(reader.read(scene.port))

        async def has_read() -> bool:
            return len(reader.payloads) > 5

        await until(has_read, "some records")
        other = locked(data_dir)
        start = asyncio.create_task(start_run(scene.port, "Too long", **said(3, 0)))
        async with asyncio.timeout(BUSY_TIMEOUT_MS / 1000 + 15):
            assert await product.process.wait() == EXIT_STORAGE
        answer = (await asyncio.gather(start, return_exceptions=True))[0]
        if isinstance(answer, BaseException):
            assert isinstance(answer, OSError | EOFError), answer
        else:
            assert (answer.status, answer.json()["code"]) == (503, "STORAGE")
        other.close()
        await reading
        assert not reader.ended
        await product.start()
        assert await reader.read_on(scene.port) == "end"
        assert error_of(parse(reader.payloads[-1])) == "INTERRUPTED"
        await scene.judge()


@pytest.mark.slow
async def test_a_start_on_a_locked_database_is_refused_in_words(data_dir: Path) -> None:
    async with Product(data_dir) as product:
        await start_run(product.port, "Hello")
        assert await product.terminate() == 0
    other = locked(data_dir)
    try:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "headwater", "serve", "--port", "0", "--data", str(data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        async with asyncio.timeout(BUSY_TIMEOUT_MS / 1000 + 15):
            out, _ = await process.communicate()
    finally:
        other.close()
    assert process.returncode not in (0, None)
    assert b"Traceback" not in out
    assert b"locked" in out


# ── 34: a bad page ──────────────────────────────────────────────────────────────────────────────


def spoil(data: Path, payload: bytes) -> int:
    """Flips a bit in the middle of every place where the database's file holds these bytes; how many there were."""
    path, found = data / FILE_NAME, 0
    content = bytearray(path.read_bytes())
    place = content.find(payload)
    while place >= 0:
        content[place + len(payload) // 2] ^= 0x01
        found += 1
        place = content.find(payload, place + 1)
    path.write_bytes(content)
    return found


async def test_a_spoiled_record_is_never_served(data_dir: Path) -> None:
    async with Product(data_dir) as product:
        scene = Scene(product)
        # One after the other, so that they share no commit.
        good = await scene.start("Good", **said(40, 1))
        kept = await scene.payloads(good)
        bad = await scene.start("Bad", **said(40, 1))
        lost = await scene.payloads(bad)
        assert await product.terminate() == 0
        place = next(n for n, each in enumerate(lost) if n > 20 and parse(each).type == "chunk" and each not in kept)
        assert spoil(data_dir, lost[place]) > 0
        await product.start()
        path = f"/api/v1/runs/{bad}/events"
        # Page by page as far as it goes: nothing is left out, and the end of it is told.
        served: list[bytes] = []
        while True:
            page = await call(scene.port, "GET", f"{path}?after={len(served)}&limit=1", headers=AS_JSON)
            if page.status != 200:
                break
            served += [each for each in lost if each in page.body]
            assert served == lost[: len(served)]
            assert len(served) <= place
        assert (page.status, page.json()["code"]) == (503, "STORAGE")
        # A stream breaks off there, or is refused; it neither skips nor ends as if that were all.
        reader = scene.reader(bad)
        assert await reader.read(scene.port) in ("refused", "cut")
        assert reader.payloads == served
        assert not reader.ended
        # Others are not touched, and the server goes on.
        assert await scene.payloads(good) == kept
        del scene.runs[bad]
        assert (await scene.end(await scene.start("New", **said(3, 0)))).type == "complete"
        assert product.process.returncode is None
        await scene.judge()
