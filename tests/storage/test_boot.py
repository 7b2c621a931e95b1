"""The boot's id is the same for every process, and there where a test runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headwater.storage import boot
from headwater.storage.directory import BOOT_NAME, DataDirectory
from headwater.storage.sqlite import Durability, SqliteStorage


def test_another_process_finds_the_same() -> None:
    command = [sys.executable, "-c", "from headwater.storage.boot import boot_id; print(boot_id())"]
    other = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert other == boot.boot_id() != "None"


def test_a_system_that_does_not_say_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot, "_LINUX", tmp_path / "nothing")
    monkeypatch.setattr(sys, "platform", "linux")
    assert boot.boot_id() is None


async def _session(data: Path, durability: Durability, *, settles: bool = True) -> bool:
    """Whether a server finds all that was acknowledged; it serves, and goes."""
    storage = SqliteStorage(data, durability=durability)
    await storage.open()
    intact = storage.intact
    if settles:
        await storage.settle()
    await storage.close()
    return intact


@pytest.mark.parametrize(
    ("before", "after", "intact"),
    [("power", "power", True), ("power", "process", True), ("process", "process", False), ("process", "power", False)],
)
async def test_what_was_not_synced_may_be_lost_over_a_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Durability, after: Durability, intact: bool
) -> None:
    assert await _session(tmp_path, before)
    assert await _session(tmp_path, before), "the same boot"
    monkeypatch.setattr("headwater.storage.sqlite_medium.boot_id", lambda: "another boot")
    # until a start has seen to what it found, the next one finds the same
    assert await _session(tmp_path, after, settles=False) is intact
    assert await _session(tmp_path, after) is intact
    assert await _session(tmp_path, after)


async def test_where_the_boot_is_not_known_nothing_is_taken_for_granted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headwater.storage.sqlite_medium.boot_id", lambda: None)
    assert await _session(tmp_path, "process")
    assert not await _session(tmp_path, "process")


async def test_a_note_that_can_not_be_read_is_no_boot(tmp_path: Path) -> None:
    assert await _session(tmp_path, "process")
    (tmp_path / BOOT_NAME).write_bytes(b"\xff")
    assert DataDirectory(tmp_path, 0).boot() == ""
    assert not await _session(tmp_path, "process")
    assert await _session(tmp_path, "process")


async def test_with_every_commit_synced_there_is_nothing_to_note(tmp_path: Path) -> None:
    await _session(tmp_path, "process")
    assert (tmp_path / BOOT_NAME).exists()
    await _session(tmp_path, "power")
    assert not (tmp_path / BOOT_NAME).exists()
