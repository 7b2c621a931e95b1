"""Make an environment that has the built wheel, and the tests' tools, but not the sources.

    .venv/bin/python tools/wheel_venv.py build/wheel .venv-test

The tools are not installed a second time: a path file lends those of the environment that runs this script. Python
does not read path files in directories that a path file added, so the editable install there stays out of sight.
"""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path


def site_packages(python: Path) -> Path:
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.run([python, "-c", script], check=True, capture_output=True, text=True).stdout.strip())


def main(wheels: Path, environment: Path) -> None:
    (wheel,) = wheels.glob("*.whl")
    venv.EnvBuilder(clear=True, symlinks=True).create(environment)
    python = environment.absolute() / "bin" / "python"
    install = ["install", "-qq", "--disable-pip-version-check", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True)
    (site_packages(python) / "tools.pth").write_text(sysconfig.get_path("purelib") + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
