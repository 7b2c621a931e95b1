"""Which boot of the machine this is.

What was written and not synced is in the kernel's memory: it outlives a process, and not a boot.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

#: Linux, random(4): a fresh UUID for each boot.
_LINUX = Path("/proc/sys/kernel/random/boot_id")
#: macOS, sysctl(3): the same by another name.
_DARWIN = b"kern.bootsessionuuid"
_ID_BYTES_MAX = 64


def boot_id() -> str | None:
    """The same for every process until the machine starts again; None where the system does not say."""
    try:
        found = _of_darwin() if sys.platform == "darwin" else _LINUX.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return found.strip() or None


def _of_darwin() -> str:
    value = ctypes.create_string_buffer(_ID_BYTES_MAX)
    size = ctypes.c_size_t(_ID_BYTES_MAX)
    if ctypes.CDLL(None).sysctlbyname(_DARWIN, value, ctypes.byref(size), None, 0) != 0:
        raise OSError("sysctlbyname")
    return value.value.decode("ascii")
