"""The file that starts what programs run in: there once, whole, and nobody else's."""

from __future__ import annotations

import errno
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from headwater.workflows.arc import sandbox_launcher, sandbox_worker
from headwater.workflows.arc.sandbox_launcher import launcher


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "with a blank"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_it_is_made_once_and_again_where_it_has_gone() -> None:
    file = launcher()
    made = file.stat().st_ino
    assert launcher() == file
    assert file.stat().st_ino == made
    file.unlink()
    assert launcher() == file
    assert file.is_file()


def test_nothing_is_left_beside_it(temporary: Path) -> None:
    file = launcher()
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert list(temporary.iterdir()) == [file.parent]


def test_nothing_is_left_where_it_can_not_be_written(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        launcher()
    (folder,) = temporary.iterdir()
    assert list(folder.iterdir()) == []


def test_it_is_the_owners_alone() -> None:
    file = launcher()
    assert stat.S_IMODE(file.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_another_installation_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    file = launcher()
    monkeypatch.setattr(sandbox_worker, "__file__", "elsewhere.py")
    assert launcher() != file


def test_it_becomes_the_interpreter() -> None:
    done = subprocess.run([launcher(), "--version"], capture_output=True, text=True, timeout=20, check=True)
    assert "monty" in done.stdout


def test_without_the_interpreter_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_launcher, "_DISTRIBUTION", "no-such-distribution")
    with pytest.raises(FileNotFoundError):
        launcher()


def test_it_is_found_where_its_distribution_is_and_not_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that sees another one's packages has other programs of its own."""
    file = launcher()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "prefix", "elsewhere")
    assert launcher() == file


def test_a_folder_that_others_may_write_in_is_not_used() -> None:
    folder = launcher().parent
    folder.chmod(0o770)
    with pytest.raises(PermissionError):
        launcher()


def test_a_link_in_its_place_is_not_followed(temporary: Path, tmp_path: Path) -> None:
    folder = launcher().parent
    shutil.rmtree(folder)
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    folder.symlink_to(theirs)
    with pytest.raises(PermissionError):
        launcher()
    assert list(theirs.iterdir()) == []
