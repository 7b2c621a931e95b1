"""Environments of Python beside the tests' own, for packages whose requirements are at odds with ours."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import uv

from tests.recordings import PROJECT_ROOT


def python_with(lock: str) -> Path:
    """The Python of an environment under `.cache` that has what `locks/<lock>.txt` names, and nothing else.

    Made when it is not there yet: by uv, in seconds and with what an earlier clone has downloaded; by pip where uv
    finds no registry, for it is pip that a machine behind a mirror is set up for.
    """
    pins = PROJECT_ROOT / "locks" / f"{lock}.txt"
    cache = PROJECT_ROOT / ".cache"
    target = cache / f"{lock}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:16]}"
    python = Path("bin", "python")
    if target.is_dir():
        return target / python
    cache.mkdir(exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{lock}-", dir=cache))
    try:
        venv.EnvBuilder(symlinks=True).create(fresh)
        wanted = ["-qq", "--no-deps", "--require-hashes", "-r", str(pins)]
        by_uv = [uv.find_uv_bin(), "pip", "install", "--python", str(fresh / python), *wanted]
        by_pip = [sys.executable, "-m", "pip", "--python", str(fresh / python), "install", "--no-compile", *wanted]
        if subprocess.run(by_uv, capture_output=True, timeout=300, check=False).returncode:
            done = subprocess.run(by_pip, capture_output=True, text=True, timeout=600, check=False)
            assert done.returncode == 0, done.stderr
        try:
            fresh.rename(target)
        except OSError:
            # Another test process was first; its environment is as good.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target / python
