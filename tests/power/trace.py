"""What a process asked of the disk and sent to sockets, as `shim.c` recorded it.

`traced(…)` gives the environment that makes a process record; `read_trace` reads the record. A test that
shows "nothing is sent before it is synced" looks for a marker (bytes that are in one record only) with
`unsynced_sends`.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import pytest

_HEAD = struct.Struct("<IIIIQ")
_CREATED, _DIRECTORY = 1, 2


class Kind(IntEnum):
    OPEN = 1
    WRITE = 2
    TRUNCATE = 3
    ALLOCATE = 4
    SYNC = 5
    UNLINK = 6
    RENAME = 7
    SEND = 8


class Operation(NamedTuple):
    """One call that succeeded. `path` is the file's, or that of what was opened or unlinked; "" for sockets."""

    kind: Kind
    fd: int
    path: str
    #: where a write begins; the new size of a file that is truncated or allocated
    offset: int
    data: bytes
    created: bool
    directory: bool


def build_shim(directory: Path) -> Path:
    """Compiles the shim. Skips where that can not be."""
    compiler = shutil.which("cc")
    if compiler is None:
        if os.environ.get("CI") == "true":
            raise AssertionError("continuous integration needs a C compiler (cc) for the power-cut test")
        pytest.skip("needs a C compiler (cc) to record what is written and synced")
    library = directory / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run(
        [
            compiler,
            "-shared",
            "-fPIC",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-o",
            library,
            source,
            "-ldl",
            "-lpthread",
        ],
        check=True,
    )
    return library


def traced(shim: Path, trace: Path, root: Path, *, sockets: bool = False) -> dict[str, str]:
    """The environment of a process that records what it does below `root` (and sends to sockets) in `trace`."""
    environment = {**os.environ, "LD_PRELOAD": str(shim), "HEADWATER_TRACE": str(trace)}
    environment["HEADWATER_TRACE_ROOT"] = str(root)
    if sockets:
        environment["HEADWATER_TRACE_SOCKETS"] = "1"
    return environment


def read_trace(trace: Path) -> Iterator[Operation]:
    """The operations, in the order in which they happened. A torn last one (the process was killed) is left out."""
    data, at, paths = trace.read_bytes(), 0, dict[int, str]()
    while at + _HEAD.size <= len(data):
        kind, fd, flags, length, offset = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + length > len(data):
            return
        payload = data[at : at + length]
        at += length
        if kind in {Kind.OPEN, Kind.UNLINK}:
            path = os.fsdecode(payload)
            if kind == Kind.OPEN:
                paths[fd] = path
            payload = b""
        else:
            path = "" if kind == Kind.SEND else paths[fd]
        yield Operation(Kind(kind), fd, path, offset, payload, bool(flags & _CREATED), bool(flags & _DIRECTORY))


def unsynced_sends(operations: Iterable[Operation], marker: re.Pattern[bytes], *, to: str = "") -> dict[bytes, str]:
    """The markers that were sent before a sync covered them, each with what went wrong. Empty is good.

    A marker is what the pattern matches; it has to differ from record to record. It is covered once a
    file that it was written to was synced after that write. Let it be twice in its record: the end of
    a database page may cut one in two. `to` is the file that stands for the reader; sockets do by default.
    """
    unsynced, synced, sent, wrong = dict[str, set[bytes]](), set[bytes](), set[bytes](), dict[bytes, str]()
    for operation in operations:
        if operation.kind == Kind.SEND or (to and operation.kind == Kind.WRITE and operation.path == to):
            for found in set(marker.findall(operation.data)) - sent:
                sent.add(found)
                if found not in synced:
                    written = any(found in markers for markers in unsynced.values())
                    wrong[found] = "written but not synced" if written else "never written"
        elif operation.kind == Kind.WRITE:
            unsynced.setdefault(operation.path, set()).update(marker.findall(operation.data))
        elif operation.kind == Kind.SYNC:
            synced |= unsynced.pop(operation.path, set())
    return wrong
