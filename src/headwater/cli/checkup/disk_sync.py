"""The disk's sync: what each commit of the log waits for, and whether it is one at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from headwater.cli.checkup.finding import Findings

SAMPLES = 100
#: The measurement ends after so long, whatever the disk.
LIMIT_S = 1.0
_BLOCK = 8192
_BLOCKS = 32

#: No disk that keeps what it was given through a power cut is as fast as this.
UNREAL_S = 20e-6
#: Above this a person sees that tokens come in lumps.
SLOW_S = 20e-3


def check_sync(path: Path) -> Findings:
    """Measures in this directory, in a file that is gone afterwards."""
    try:
        return judge(measure(path))
    except OSError as error:
        found = Findings("disk sync")
        found.problem(f"{path} can not be written to: {error.strerror}.", "Look at the disk.")
        return found


def measure(path: Path) -> list[float]:
    """How long each of some syncs took, in seconds: a page is overwritten in place, as a commit does. OSError."""
    taken: list[float] = []
    with tempfile.NamedTemporaryFile(dir=path, prefix="headwater-doctor-", suffix=".tmp") as file:
        number = file.fileno()
        os.write(number, bytes(_BLOCK * _BLOCKS))
        os.fsync(number)
        ends_at = time.perf_counter() + LIMIT_S
        for at in range(SAMPLES):
            os.pwrite(number, os.urandom(_BLOCK), at % _BLOCKS * _BLOCK)
            began = time.perf_counter()
            _sync(number)
            now = time.perf_counter()
            taken.append(now - began)
            if now > ends_at:
                break
    return taken


def _sync(number: int) -> None:
    if sys.platform == "darwin":
        # A plain fsync there answers before the disk has it.
        with contextlib.suppress(OSError):
            fcntl.fcntl(number, fcntl.F_FULLFSYNC)
            return
        os.fsync(number)
    else:
        os.fdatasync(number)


def judge(taken: Sequence[float]) -> Findings:
    """What these times, in seconds and at least one of them, say about the disk."""
    found = Findings("disk sync")
    ordered = sorted(taken)
    p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    said = f"A sync takes {_ms(p50)} (p50), {_ms(p99)} (p99) over {len(ordered)}"
    if p50 < UNREAL_S:
        found.warning(
            f"{said}: no disk is so fast, so a power cut may lose what was acknowledged.",
            "Is it a disk in memory (tmpfs), a virtual machine that ignores syncs, or run under eatmydata?",
        )
    elif p50 > SLOW_S:
        found.warning(
            f"{said}: every token waits for one, so answers come in lumps.",
            'Use a local SSD; or log.durability = "process", which survives a crash but no power cut.',
        )
    else:
        found.ok(f"{said}; each commit waits for one.")
    return found


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"
