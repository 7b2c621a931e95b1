"""The data directory: held by one server at a time, with some space kept back for endings."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path
from typing import Final

from headwater.errors import ConfigError

LOCK_NAME = "headwater.lock"
RESERVE_NAME = "headwater.reserve"
#: The boot under which what is here was acknowledged before it was synced; there only where that was so.
BOOT_NAME = "headwater.boot"

#: How often is looked whether whoever has it has let go, in seconds.
_LOOK_S: Final = 0.02


class InUseError(ConfigError):
    """Another server has the directory."""


class DataDirectory:
    """An exclusive hold of a directory, and a file in it that is let go of when the disk is full.

    Every method blocks.
    """

    def __init__(self, path: Path, reserve_bytes: int) -> None:
        self.path = path
        self.reserve_bytes = reserve_bytes
        self._lock: int | None = None

    def hold(self, wait_s: float = 0.0) -> None:
        """Makes the directory if need be and locks it. Raises `ConfigError` where it can not be used.

        Raises `InUseError` where another has it, and still has it after `wait_s`.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"the data directory {self.path} can not be used: {error.strerror}") from error
        until = time.monotonic() + wait_s
        while not self._is_locked(lock):
            if time.monotonic() >= until:
                os.close(lock)
                raise InUseError(
                    f"the data directory {self.path} is in use by another server: stop it, or choose another directory"
                )
            time.sleep(_LOOK_S)
        self._lock = lock

    def _is_locked(self, lock: int) -> bool:
        """Whether it is ours now."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EACCES}:
                return False
            os.close(lock)
            raise ConfigError(f"the data directory {self.path} can not be locked: {error.strerror}") from error
        return True

    def let_go(self) -> None:
        """Unlocks. The file stays: removing it would let two servers lock two files of one name."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def sync(self) -> None:
        """Makes the names in the directory, and its own name, durable."""
        for path in (self.path, self.path.parent):
            directory = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def boot(self) -> str | None:
        """What `note_boot` has noted, None where there is nothing; "" for what can not be read, which is no boot."""
        try:
            return (self.path / BOOT_NAME).read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            return ""

    def note_boot(self, boot: str | None) -> None:
        """Durable on return. What a crash leaves half written is no boot, so that nothing is believed by it."""
        path = self.path / BOOT_NAME
        if boot is None:
            path.unlink(missing_ok=True)
        else:
            with path.open("w", encoding="ascii") as file:
                file.write(boot)
                file.flush()
                os.fsync(file.fileno())
        self.sync()

    def make_reserve(self) -> bool:
        """Takes the reserve's space, unless it is there already; False where there is not enough.

        As much again has to be free, so that a disk does not count as having space when only the
        reserve fits.
        """
        path = self.path / RESERVE_NAME
        try:
            if path.stat().st_blocks * 512 >= self.reserve_bytes:
                return True
        except FileNotFoundError:
            pass
        space = os.statvfs(self.path)
        if space.f_bavail * space.f_frsize < 2 * self.reserve_bytes:
            return False
        reserve = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _allocate(reserve, self.reserve_bytes)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            self.release_reserve()
            return False
        finally:
            os.close(reserve)
        return True

    def release_reserve(self) -> bool:
        """Gives the reserve's space to whoever needs it; False where there was none."""
        try:
            (self.path / RESERVE_NAME).unlink()
        except FileNotFoundError:
            return False
        return True


def _allocate(file: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    # macOS has no posix_fallocate; written zeros take the space just as well.
    block = bytes(1 << 20)
    for start in range(0, size, len(block)):
        os.pwrite(file, block[: size - start], start)
