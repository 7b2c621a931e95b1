from __future__ import annotations

import resource
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from headwater.cli.checkup import machine
from headwater.cli.checkup.finding import Findings, Level
from headwater.errors import ConfigError

HOUR_MS = 3_600_000


def level_of(found: Findings) -> Level:
    (finding,) = found
    return finding.level


def test_what_is_installed_here_is_good() -> None:
    assert {finding.level for finding in machine.check_versions()} == {Level.OK}


@pytest.mark.parametrize(("missing", "level"), [("uvloop", Level.NOTE), ("httptools", Level.PROBLEM)])
def test_what_is_missing_is_told(missing: str, level: Level) -> None:
    def find(name: str) -> str:
        if name == missing:
            raise PackageNotFoundError(name)
        return "1.0"

    (finding,) = [each for each in machine.check_versions(find) if each.level is not Level.OK]
    assert finding.level is level
    assert missing in finding.text


@pytest.mark.parametrize(
    ("version", "level"), [((3, 40, 1), Level.NOTE), ((3, 51, 2), Level.NOTE), ((3, 51, 3), Level.OK)]
)
def test_sqlites_known_fault_is_a_note(version: tuple[int, ...], level: Level) -> None:
    assert level_of(machine.check_sqlite(version)) is level


@pytest.mark.parametrize(
    ("hard", "level"), [(1024, Level.WARNING), (65536, Level.OK), (resource.RLIM_INFINITY, Level.OK)]
)
def test_open_files(hard: int, level: Level) -> None:
    assert level_of(machine.check_open_files((256, hard))) is level


def test_a_clock_that_goes_right_is_good() -> None:
    now_ms = time.time_ns() // 1_000_000
    assert level_of(machine.check_clock(None)) is Level.OK
    assert level_of(machine.check_clock(now_ms - 1, now_ms)) is Level.OK


@pytest.mark.parametrize(("newest_ms", "now_ms"), [(None, HOUR_MS), (None, 0)])
def test_a_clock_behind_the_installation_is_a_warning(newest_ms: int | None, now_ms: int) -> None:
    assert level_of(machine.check_clock(newest_ms, now_ms)) is Level.WARNING


def test_a_clock_behind_the_newest_run_is_a_warning() -> None:
    now_ms = time.time_ns() // 1_000_000
    assert level_of(machine.check_clock(now_ms + HOUR_MS, now_ms)) is Level.WARNING


def test_pages(tmp_path: Path) -> None:
    assert level_of(machine.check_pages(tmp_path)) is Level.WARNING
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.html").touch()
    assert level_of(machine.check_pages(tmp_path)) is Level.OK


def test_the_local_model() -> None:
    def find() -> Path:
        raise ConfigError("It is not installed.")

    assert level_of(machine.check_local_model(wanted=False, find=lambda: Path("a.gguf"))) is Level.OK
    assert level_of(machine.check_local_model(wanted=False, find=find)) is Level.NOTE
    assert level_of(machine.check_local_model(wanted=True, find=find)) is Level.PROBLEM
