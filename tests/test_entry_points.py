"""Entry points are found although some distribution's can not be read, and that one is told of."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from headwater.entry_points import find_entries
from tests.installed import install

GROUP = "headwater.test_of_entry_points"
GOOD = f"[{GROUP}]\nacme = acme_headwater:IT\n"


def names(group: str = GROUP) -> tuple[list[str], dict[str, str]]:
    found = find_entries(group)
    return [entry.name for entry in found.entries], dict(found.faults)


def test_without_a_fault_they_are_what_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path, "acme", GOOD)
    assert names() == (["acme"], {})
    assert names("headwater.nothing_of_the_kind") == ([], {})


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (f"[{GROUP}]\nbad x:Y\nworse = x:Y\n# neither\n\n[other]\nz = q:Q\n", ["bad", "worse"]),
        (f"[other]\nz = q:Q\n[{GROUP}]\n= x:Y\nbad\n", ["broken-one", "bad"]),
        (f"[{GROUP}]\nbad = \xff:Y\n".encode("latin-1"), ["broken-one"]),
        # of no concern to this group
        ("[console_scripts]\nbad\n", []),
    ],
)
def test_a_list_that_can_not_be_read_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: str | bytes, told: list[str]
) -> None:
    install(monkeypatch, tmp_path / "good", "acme", GOOD)
    install(monkeypatch, tmp_path / "broken", "Broken.One", broken)
    with pytest.raises((TypeError, UnicodeDecodeError)):
        metadata.entry_points(group=GROUP)
    entries, faults = names()
    assert (entries, [*faults]) == (["acme"], told)
    for why in faults.values():
        assert why.startswith("the file entry_points.txt of the distribution `broken-one` can not be read (")
    # Headwater's own are there too
    assert {"chat"} <= {entry.name for entry in find_entries("headwater.workflows").entries}


def test_of_one_that_is_found_twice_the_first_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path / "later", "acme", f"[{GROUP}]\nolder = x:Y\n")
    install(monkeypatch, tmp_path / "broken", "broken", f"[{GROUP}]\nbad\n")
    install(monkeypatch, tmp_path / "first", "Acme", GOOD)
    assert names()[0] == ["acme"]


def test_the_server_s_program_starts_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Libraries that it stands on look for plug-ins of their own."""
    install(monkeypatch, tmp_path, "broken", "[headwater.providers]\nacme acme:IT\n")
    config = tmp_path / "headwater.toml"
    config.write_text('[[models]]\nname = "m"\nprovider = "acme"\n', encoding="utf-8")
    command = [sys.executable, "-m", "headwater", "doctor", "--offline", "--config", str(config)]
    command += ["--data", str(tmp_path / "data")]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    environ.pop("PYDANTIC_DISABLE_PLUGINS", None)
    told = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert "The plug-in `acme` is disabled: the file entry_points.txt of the distribution `broken`" in told.stdout
    assert "The model `m` can not be called: its plug-in `acme` is disabled." in told.stdout
    assert "Traceback" not in told.stderr


def test_one_without_a_name_does_no_harm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path / "good", "acme", GOOD)
    install(monkeypatch, tmp_path / "broken", "broken", f"[{GROUP}]\nbad\n")
    (tmp_path / "broken" / "broken-1.0.dist-info" / "METADATA").unlink()
    entries, faults = names()
    assert (entries, [*faults]) == (["acme"], ["bad"])
