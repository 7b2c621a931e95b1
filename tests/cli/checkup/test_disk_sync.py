from __future__ import annotations

from pathlib import Path

import pytest

from headwater.cli.checkup import disk_sync
from headwater.cli.checkup.disk_sync import SAMPLES, check_sync, judge, measure
from headwater.cli.checkup.finding import Level


@pytest.mark.parametrize(
    ("p50_s", "level"), [(1e-6, Level.WARNING), (19e-6, Level.WARNING), (1e-3, Level.OK), (0.5, Level.WARNING)]
)
def test_what_times_say(p50_s: float, level: Level) -> None:
    (finding,) = judge([p50_s] * 10)
    assert finding.level is level
    assert bool(finding.advice) is (level is Level.WARNING)


def test_the_middle_and_the_end_are_told() -> None:
    (finding,) = judge([0.001] * 98 + [0.004, 0.009])
    assert "1.00 ms (p50), 9.00 ms (p99) over 100" in finding.text


def test_one_time_is_enough() -> None:
    assert judge([0.001])[0].level is Level.OK


def test_it_is_measured_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(disk_sync, "_sync", synced.append)
    taken = measure(tmp_path)
    assert len(taken) == len(synced) == SAMPLES
    assert all(each >= 0 for each in taken)
    assert list(tmp_path.iterdir()) == []


def test_a_slow_disk_is_not_asked_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_sync, "LIMIT_S", 0.0)
    assert len(measure(tmp_path)) == 1


def test_the_real_disk_is_judged(tmp_path: Path) -> None:
    (finding,) = check_sync(tmp_path)
    assert finding.level in (Level.OK, Level.WARNING)


def test_a_directory_that_can_not_be_written_is_a_problem(tmp_path: Path) -> None:
    (finding,) = check_sync(tmp_path / "none")
    assert finding.level is Level.PROBLEM
