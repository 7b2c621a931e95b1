"""The machine and the installation: versions, open files, the clock, the pages, the local model."""

from __future__ import annotations

import platform
import resource
import sqlite3
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import headwater
from headwater.cli.checkup.finding import Findings
from headwater.errors import ConfigError
from headwater.local.packages import weights

#: Readers are open files; fewer than this are soon all taken.
FILES_LOW = 4096
#: What the speed of the server rests on.
_PACKAGES = ("uvloop", "httptools", "uvicorn", "starlette", "aiohttp", "msgspec", "pydantic")
#: Before it, two connections that write or checkpoint at the same moment could lose a commit (the WAL-reset bug).
_SQLITE_MENDED = (3, 51, 3)
#: How far a clock may be behind what was written by it earlier.
_CLOCK_SLACK_MS = 60_000


def check_versions(find: Callable[[str], str] = version) -> Findings:
    """What is installed. `find` gives a distribution's version, or raises `PackageNotFoundError`."""
    found = Findings("versions")
    found.ok(f"Headwater {headwater.__version__}, Python {platform.python_version()} on {sys.platform}.")
    there: list[str] = []
    for name in _PACKAGES:
        try:
            there.append(f"{name} {find(name)}")
        except PackageNotFoundError:
            if name == "uvloop":
                found.note("uvloop is not installed: the server runs on asyncio's own loop, which is slower.")
            else:
                found.problem(f"{name} is not installed.", "Install Headwater again.")
    found.ok(", ".join(there) + ".")
    return found


def check_sqlite(version_info: tuple[int, ...] = sqlite3.sqlite_version_info) -> Findings:
    """SQLite's version, and what it means here."""
    found = Findings("versions")
    said = f"SQLite {'.'.join(map(str, version_info))}"
    if version_info < _SQLITE_MENDED:
        found.note(f"{said} has a known fault where two programs write at once. Here only the server writes.")
    else:
        found.ok(f"{said}.")
    return found


def check_open_files(limits: tuple[int, int] | None = None) -> Findings:
    """How many files may be open at once: `limits` are the soft and the hard limit."""
    found = Findings("limits")
    _, hard = limits or resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        found.ok("As many files may be open as wanted; each reader is one.")
    elif hard < FILES_LOW:
        found.warning(
            f"At most {hard} files may be open, and each reader is one.",
            "Raise the hard limit: `ulimit -Hn`, or LimitNOFILE= in the service's unit.",
        )
    else:
        found.ok(f"{hard} files may be open; each reader is one.")
    return found


def check_clock(newest_ms: int | None, now_ms: int | None = None) -> Findings:
    """Whether the clock is behind this installation, or behind the newest run (both in ms since 1970)."""
    found = Findings("clock")
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    installed_ms = Path(headwater.__file__).stat().st_mtime_ns // 1_000_000
    advice = "Set the clock, by NTP if possible. Times and the order of runs are told by it; limits are not."
    if now_ms < installed_ms - _CLOCK_SLACK_MS:
        found.warning("The clock is behind the time at which Headwater was installed.", advice)
    elif newest_ms is not None and now_ms < newest_ms - _CLOCK_SLACK_MS:
        found.warning("The clock is behind the time of the newest run.", advice)
    else:
        found.ok("The clock is ahead of everything that was written by it.")
    return found


def check_pages(package: Path | None = None) -> Findings:
    """Whether the pages were built into the package."""
    found = Findings("pages")
    pages = (package or Path(headwater.__file__).parent) / "pages"
    if (pages / "index.html").is_file():
        found.ok("The pages are in the package.")
    else:
        found.warning("The pages were not built into this package; the API works without.", "make serve builds them.")
    return found


def check_local_model(*, wanted: bool, find: Callable[[], Path] = weights) -> Findings:
    """Whether the small real model can be served. `wanted` is whether the settings ask for it."""
    found = Findings("local model")
    try:
        path = find()
    except ConfigError as error:
        if wanted:
            found.problem(error.message, "headwater local install")
        else:
            found.note(f"{error.message}")
    else:
        found.ok(f"It is installed: {path.name}. `headwater serve --local` serves it.")
    return found
