from __future__ import annotations

import os
from pathlib import Path

import pytest

from headwater.client import FileCursorStore


def test_a_cursor_is_there_for_another_process(tmp_path: Path) -> None:
    store = FileCursorStore(tmp_path / "cursors")
    assert store.load("run_1") is None
    store.save("run_1", 41)
    store.save("run_1", 42)
    assert FileCursorStore(tmp_path / "cursors").load("run_1") == 42
    store.forget("run_1")
    store.forget("run_1")
    assert store.load("run_1") is None


def test_an_id_is_never_a_path(tmp_path: Path) -> None:
    store = FileCursorStore(tmp_path / "a" / "cursors")
    for run in ("../../escaped", "/etc/x", "a b", "..", "é"):
        store.save(run, 7)
        assert store.load(run) == 7
    assert sorted(store.runs()) == sorted(["../../escaped", "/etc/x", "a b", "..", "é"])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["cursors"]


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "9" * 30, "\xff", "4 2"])
def test_what_is_no_cursor_is_not_there(tmp_path: Path, text: str) -> None:
    store = FileCursorStore(tmp_path)
    store.save("run_1", 1)
    next(iter(tmp_path.iterdir())).write_text(text, encoding="latin-1")
    assert store.load("run_1") is None


def test_the_run_saved_longest_ago_goes(tmp_path: Path) -> None:
    store = FileCursorStore(tmp_path, runs_max=2)
    for place, run in enumerate(("run_1", "run_2", "run_3")):
        store.save(run, 1)
        # So that the order does not hang on how finely the file system keeps time.
        os.utime(tmp_path / f"{run}.cursor", (place, place))
    assert store.runs() == ["run_2", "run_3"]
    with pytest.raises(ValueError):
        FileCursorStore(tmp_path, runs_max=0)


def test_nothing_but_cursors_is_left_behind(tmp_path: Path) -> None:
    store = FileCursorStore(tmp_path)
    for cursor in range(20):
        store.save("run_1", cursor)
    assert [path.name for path in tmp_path.iterdir()] == ["run_1.cursor"]
