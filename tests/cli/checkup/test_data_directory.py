from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from headwater.cli.checkup import data_directory
from headwater.cli.checkup.data_directory import check_directory, is_held
from headwater.cli.checkup.finding import Findings, Level
from headwater.storage.directory import DataDirectory


def levels(found: Findings) -> list[Level]:
    return [finding.level for finding in found]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture(autouse=True)
def space(monkeypatch: pytest.MonkeyPatch) -> None:
    leave(monkeypatch, 100 << 30)


def leave(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """The disk's answer: what this machine really has is not for a test to rely on."""
    answer = SimpleNamespace(f_bavail=free, f_frsize=1)
    monkeypatch.setattr(data_directory.os, "statvfs", lambda _: answer)  # type: ignore[attr-defined]  # the module's os


def test_a_directory_that_nobody_has_is_good(data: Path) -> None:
    found, is_ours = check_directory(data)
    assert (levels(found), is_ours) == ([Level.OK, Level.OK], True)


def test_one_that_a_server_has_is_only_read(data: Path) -> None:
    server = DataDirectory(data, 0)
    assert not is_held(data)
    server.hold()
    assert is_held(data)
    found, is_ours = check_directory(data)
    assert (levels(found), is_ours) == ([Level.OK, Level.NOTE], False)
    server.let_go()
    assert not is_held(data)
    # looking has taken nothing
    server.hold()
    server.let_go()


def test_one_that_is_not_there_is_made_by_the_start(tmp_path: Path) -> None:
    found, is_ours = check_directory(tmp_path / "a" / "b")
    assert (levels(found), is_ours) == ([Level.OK, Level.OK], False)
    assert not (tmp_path / "a").exists()


def test_one_that_can_not_be_made_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert levels(check_directory(file / "data")[0]) == [Level.PROBLEM]
    assert levels(check_directory(file)[0]) == [Level.PROBLEM]


def test_one_that_others_can_look_into_is_a_warning(data: Path) -> None:
    data.chmod(0o755)
    found, is_ours = check_directory(data)
    assert Level.WARNING in levels(found)
    assert is_ours


def test_anothers_directory_is_a_warning(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: data.stat().st_uid + 1)
    (warning,) = [finding for finding in check_directory(data)[0] if finding.level is Level.WARNING]
    assert "belongs to the user" in warning.text


def test_one_that_can_not_be_written_is_a_problem(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The superuser may write anywhere, so it is the system's answer that is put here.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found, is_ours = check_directory(data)
    assert (levels(found), is_ours) == ([Level.PROBLEM], False)


@pytest.mark.parametrize(
    ("free", "level"), [(100 << 20, Level.WARNING), (15 << 20, Level.PROBLEM), (0, Level.PROBLEM), (2 << 30, Level.OK)]
)
def test_space(data: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level) -> None:
    leave(monkeypatch, free)
    assert levels(check_directory(data)[0]) == [level, Level.OK]


def test_a_lock_that_does_not_work_is_a_problem(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    DataDirectory(data, 0).hold()
    monkeypatch.setattr(data_directory, "is_held", refuse)
    found, is_ours = check_directory(data)
    assert (levels(found), is_ours) == ([Level.OK, Level.PROBLEM], False)
