"""Pin every package, with hashes and for every platform, under locks/.

    .venv/bin/python tools/lock.py .venv/bin/uv [--upgrade]

The locks name no registry and no machine: each installs from whatever registry a machine is set up with, and the
hashes say whether what came is what was meant.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

LOCKS = Path("locks")
ADDRESS = re.compile(r"://|--(extra-)?index-url|--find-links|(?m:^-[ief])")
# Each is held to the pins of those before it, so that one environment can have them all.
SETS = (
    ("runtime", ["pyproject.toml"]),
    ("build", ["--group", "build"]),
    ("dev", ["pyproject.toml", "--group", "dev"]),
    ("local", ["--group", "local", "--no-deps"]),
)
#: Held to none: each gets an environment to itself, made by a test (tests/kit/environment.py).
SETS_ALONE = (("litellm", ["--group", "litellm"]), ("node22", ["--group", "node22"]))


def compiled(uv: str, name: str, *options: str) -> Path:
    lock = LOCKS / f"{name}.txt"
    how = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--quiet"]
    subprocess.run([uv, "pip", "compile", *options, *how, "-o", str(lock)], check=True)
    if found := ADDRESS.search(lock.read_text()):
        sys.exit(f"{lock} holds an address or an option of this machine: {found.group()!r}")
    return lock


def main(uv: str, *options: str) -> None:
    LOCKS.mkdir(exist_ok=True)
    constraints: list[str] = []
    for name, sources in SETS:
        lock = compiled(uv, name, *sources, *constraints, *options)
        constraints += ["--constraint", str(lock)]
    for name, sources in SETS_ALONE:
        compiled(uv, name, *sources, *options)
    # `headwater local install` has the package's own copy.
    shutil.copyfile(LOCKS / "local.txt", "src/headwater/local/pins.txt")


if __name__ == "__main__":
    main(*sys.argv[1:])
