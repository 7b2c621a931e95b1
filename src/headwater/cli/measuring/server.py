"""The server that is measured, in a process of its own: `python -m headwater.cli.measuring.server DIRECTORY`.

A line on its standard input is answered by what it has used so far. It ends with its input, and takes its directory
along: whoever started it may die in any way, and neither stays behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from headwater.errors import HeadwaterError

#: What is still open when it is told to end is of interest to nobody.
_DRAIN_S: Final = 0.5
START_LIMIT_S: Final = 30.0
END_LIMIT_S: Final = 10.0
_LISTENS: Final = b"Headwater listens on "
_LOG_CHARS_MAX: Final = 400


class Usage(msgspec.Struct, frozen=True):
    """CPU seconds of all threads since the process began, the kernel's included, and bytes of memory: what is resident
    now (Linux) or was at most until now (macOS)."""

    cpu_s: float
    memory_bytes: int

    @classmethod
    def now(cls) -> Usage:
        used = resource.getrusage(resource.RUSAGE_SELF)
        if sys.platform == "darwin":
            memory = used.ru_maxrss
        else:
            memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return cls(used.ru_utime + used.ru_stime, memory)


class BenchError(HeadwaterError):
    """The server that was to be measured did not start, or has ended."""


class OwnServer:
    """A server that was started to be measured; made by `own_server`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.url = url
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def usage(self) -> Usage:
        """What it has used so far. Raises `BenchError`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(b"\n")
            await self._process.stdin.drain()
        if not (line := await self._process.stdout.readline()):
            raise BenchError("The server has ended while it was measured")
        return msgspec.json.decode(line, type=Usage)


@contextlib.asynccontextmanager
async def own_server(directory: Path) -> AsyncIterator[OwnServer]:
    """A server with the settings that it has by default, its log in a new directory in this one, gone afterwards.

    Raises `BenchError` with its own words where it does not start, `OSError` where nothing can be made there.
    """
    environ = {name: value for name, value in os.environ.items() if not name.upper().startswith("HEADWATER_")}
    with (
        tempfile.TemporaryDirectory(dir=directory, prefix="headwater-bench-", ignore_cleanup_errors=True) as own,
        tempfile.TemporaryFile() as log,
    ):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__, own),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environ,
            # Another group than ours: Ctrl-C is for us, and then the end of its input for it.
            process_group=0,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_LIMIT_S):
                    line = await process.stdout.readline()
            if not line.startswith(_LISTENS):
                log.seek(0)
                said = log.read().decode(errors="replace").strip()[-_LOG_CHARS_MAX:]
                raise BenchError(f"The server did not start: {said or 'it said nothing'}")
            yield OwnServer(process, line.removeprefix(_LISTENS).decode().strip())
        finally:
            process.stdin.close()
            await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(END_LIMIT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def main(directory: Path) -> int:
    """Serves until the input ends; returns the exit code."""
    # Where it has to end before it listens, it still takes its directory along.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    threading.Thread(target=_answer, daemon=True).start()
    try:
        from headwater.app import serve
        from headwater.settings import load_settings

        server = {"port": 0, "drain_s": _DRAIN_S}
        return serve(load_settings(overrides={"data": directory / "data", "server": server}))
    except HeadwaterError as error:
        sys.stderr.write(error.message)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _answer() -> None:
    # Unbuffered: a read ahead of what was asked would be answered too early.
    while os.read(sys.stdin.fileno(), 1):
        sys.stdout.buffer.write(msgspec.json.encode(Usage.now()) + b"\n")
        sys.stdout.buffer.flush()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
