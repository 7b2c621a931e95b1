"""The data directory is held by one server, and its reserve is real space."""

import os
from pathlib import Path

import pytest

from headwater.errors import ConfigError
from headwater.storage.directory import RESERVE_NAME, DataDirectory, InUseError


def test_a_second_holder_is_refused_by_name(tmp_path: Path) -> None:
    first, second = DataDirectory(tmp_path / "data", 0), DataDirectory(tmp_path / "data", 0)
    first.hold()
    with pytest.raises(ConfigError, match=str(tmp_path / "data")):
        second.hold()
    first.let_go()
    second.hold()
    second.let_go()


def test_who_may_wait_has_it_once_it_is_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = DataDirectory(tmp_path, 0), DataDirectory(tmp_path, 0)
    first.hold()
    slept = list[float]()

    def sleep(time_s: float) -> None:
        slept.append(time_s)
        if len(slept) == 3:
            first.let_go()

    monkeypatch.setattr("time.sleep", sleep)
    second.hold(60)
    assert len(slept) == 3
    second.let_go()


def test_who_has_waited_long_enough_is_refused(tmp_path: Path) -> None:
    first, second = DataDirectory(tmp_path, 0), DataDirectory(tmp_path, 0)
    first.hold()
    with pytest.raises(InUseError):
        second.hold(0.05)
    first.let_go()
    second.hold()
    second.let_go()


def test_the_directory_is_its_owners_only(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "some" / "data", 0)
    directory.hold()
    assert (tmp_path / "some" / "data").stat().st_mode & 0o077 == 0
    directory.let_go()


def test_a_directory_that_can_not_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError):
        DataDirectory(tmp_path / "file" / "data", 0).hold()


def test_the_reserve_takes_space_and_gives_it_back(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path, 1 << 20)
    assert directory.make_reserve()
    assert (tmp_path / RESERVE_NAME).stat().st_blocks * 512 >= 1 << 20
    assert directory.make_reserve()
    assert directory.release_reserve()
    assert not directory.release_reserve()
    assert not (tmp_path / RESERVE_NAME).exists()


def test_no_reserve_is_made_where_it_would_not_fit(tmp_path: Path) -> None:
    space = os.statvfs(tmp_path)
    directory = DataDirectory(tmp_path, space.f_bavail * space.f_frsize)
    assert not directory.make_reserve()
    assert not (tmp_path / RESERVE_NAME).exists()
