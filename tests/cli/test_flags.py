"""`headwater flags`: what it says of each flag is what a server that starts would do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headwater.cli import app
from headwater.settings import FlagSettings, load_settings

OURS = "HEADWATER_FLAGS__SSE_STREAMING"
OLDER = "ENABLE_SSE_STREAMING"


@pytest.fixture
def off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that switches the flag off, in an environment that says nothing."""
    for variable in (OURS, OLDER, "HEADWATER_FLAGS"):
        monkeypatch.delenv(variable, raising=False)
    path = tmp_path / "h.toml"
    path.write_text("[flags]\nsse_streaming = false\n")
    return path


def listed(*arguments: str) -> dict[str, Any]:
    """The flag as programs see it."""
    done = CliRunner().invoke(app, ["flags", "--json", *arguments])
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)["flags"]
    assert [flag["name"] for flag in found] == list(FlagSettings.model_fields)
    assert all(flag["about"] for flag in found)
    return found[0]


def test_each_source_is_told_and_the_one_that_counts_is_named(off: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> tuple[bool, str, str | None]:
        flag = listed("--config", str(off))
        assert flag["on"] is load_settings(off).flags.sse_streaming
        return flag["on"], flag["source"], flag["named"]

    assert told() == (False, "file", str(off))
    monkeypatch.setenv(OLDER, "1")
    assert told() == (True, "environment", OLDER)
    monkeypatch.setenv("HEADWATER_FLAGS", '{"sse_streaming": false}')
    assert told() == (False, "environment", "HEADWATER_FLAGS")
    monkeypatch.setenv(OURS.lower(), "true")
    assert told() == (True, "environment", OURS.lower())


@pytest.mark.usefixtures("off")
def test_without_a_word_it_is_the_default() -> None:
    flag = listed()
    assert (flag["on"], flag["source"], flag["named"]) == (True, "default", None)


def test_the_variables_that_are_named_do_set_it(off: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in listed("--config", str(off))["variables"]:
        with monkeypatch.context() as patch:
            patch.setenv(variable, "on")
            assert listed("--config", str(off))["named"] == variable


def test_a_person_reads_state_reason_and_remedy(off: Path) -> None:
    done = CliRunner().invoke(app, ["flags", "--config", str(off)])
    first, about, how = done.stdout.splitlines()
    assert first.split() == ["sse_streaming", "off", "by", str(off)]
    assert "Event streams" in about
    assert OURS in how
    assert OLDER in how
    assert "by default" in CliRunner().invoke(app, ["flags"]).stdout


def test_what_a_server_would_refuse_is_refused(off: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OLDER, "maybe")
    done = CliRunner().invoke(app, ["flags", "--config", str(off)])
    assert done.exit_code == 1
    assert OLDER in done.stderr
