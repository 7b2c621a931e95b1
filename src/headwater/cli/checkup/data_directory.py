"""The data directory: whether it can be used, by whom, how much space it has, and whether a server has it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from headwater.cli.checkup.finding import Findings
from headwater.storage.directory import LOCK_NAME

#: Below the first a start takes no new runs (the reserve, and as much again); below the second it is soon so.
SPACE_BYTES_MIN = 16 << 20
SPACE_BYTES_LOW = 1 << 30


def check_directory(path: Path) -> tuple[Findings, bool]:
    """What was found, and whether the directory may be written to: it is there, ours, and no server has it."""
    found = Findings("data directory")
    if not path.exists():
        _check_creatable(path, found)
        return found, False
    if not path.is_dir():
        found.problem(f"{path} is not a directory.", "Choose another with --data.")
        return found, False
    status = path.stat()
    if status.st_uid != os.geteuid():
        found.warning(
            f"{path} belongs to the user {status.st_uid}, and this is the user {os.geteuid()}.",
            "Run the server, and this command, as the user that owns it.",
        )
    if status.st_mode & 0o077:
        found.warning(f"Others on this machine can look into {path}.", f"chmod 700 {path}")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        found.problem(f"{path} can not be read and written.", "Give it to the user that the server runs as.")
        return found, False
    _check_space(path, found)
    try:
        held = is_held(path)
    except OSError as error:
        found.problem(
            f"{path} can not be locked: {error.strerror}.",
            "Put it on a local disk: not every network file system locks.",
        )
        return found, False
    if held:
        found.note(f"A server has {path}; it is only read here.")
        return found, False
    found.ok(f"{path} can be used, and no server has it.")
    return found, True


def is_held(path: Path) -> bool:
    """Whether a running server holds the directory's lock. Takes the lock for an instant where none does. OSError."""
    try:
        lock = os.open(path / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _check_creatable(path: Path, found: Findings) -> None:
    parent = next(each for each in path.absolute().parents if each.exists())
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        found.ok(f"{path} is not there yet; the first start makes it.")
        _check_space(parent, found)
    else:
        found.problem(
            f"{path} is not there and can not be made in {parent}.",
            "Make it for the user that the server runs as, or choose another with --data.",
        )


def _check_space(path: Path, found: Findings) -> None:
    space = os.statvfs(path)
    free = space.f_bavail * space.f_frsize
    said = f"{free / 1e9:.1f} GB are free."
    if free < SPACE_BYTES_MIN:
        found.problem(f"The disk is full: {free / 1e6:.1f} MB are free.", "No run can be started until there is space.")
    elif free < SPACE_BYTES_LOW:
        found.warning(said, "A run takes about as much as its text, twice over; make some room.")
    else:
        found.ok(said)
