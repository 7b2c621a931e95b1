"""Environments of Python beside the tests' own, for packages whose requirements are at odds with ours."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import uv

from tests.recordings import PROJECT_ROOT


def python_with(lock: str) -> Path:
    """The Python of the environment that `environment_with` gives."""
    return environment_with(lock) / "bin" / "python"


def site_packages_with(lock: str) -> Path:
    """Where that environment has its packages."""
    (found,) = environment_with(lock).glob("lib/python3.*/site-packages")
    return found


def environment_with(lock: str) -> Path:
    """An environment under `.cache` that has what `locks/<lock>.txt` names and nothing else.

    Made when it is not there yet, by one test process for all: by uv, in seconds and with what an earlier clone has
    downloaded; by pip where uv finds no registry, for it is pip that a machine behind a mirror is set up for.
    """
    pins = PROJECT_ROOT / "locks" / f"{lock}.txt"
    cache = PROJECT_ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    made = cache / f"{lock}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:16]}"
    with (cache / f"{lock}.lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not made.is_dir():
            fresh = made.with_suffix(".fresh")
            shutil.rmtree(fresh, ignore_errors=True)
            _fill(fresh, pins)
            fresh.rename(made)
    return made


def _fill(environment: Path, pins: Path) -> None:
    venv.EnvBuilder(symlinks=True).create(environment)
    python = str(environment / "bin" / "python")
    wanted = ["-qq", "--no-deps", "--require-hashes", "-r", str(pins)]
    by_uv = [uv.find_uv_bin(), "pip", "install", "--python", python, *wanted]
    by_pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-compile", *wanted]
    if subprocess.run(by_uv, capture_output=True, timeout=300, check=False).returncode:
        done = subprocess.run(by_pip, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
