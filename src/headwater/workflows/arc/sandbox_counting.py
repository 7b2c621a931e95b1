"""Has programs read and counted in a process of its own, which is started when the first one comes."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

import headwater
from headwater.workflows.arc.sandbox_counter import READY
from headwater.workflows.arc.step_count import UncountableError

#: How long a program may take to read, and the process to start.
READ_S: Final = 2.0
START_S: Final = 20.0
#: Of an answer's line. A tick is some seventy bytes, and what it is put beside no less than five.
_LINE_BYTES_MAX: Final = 1 << 20

#: Where this package is: the process knows no other.
_ROOT: Final = Path(headwater.__file__).parents[1]
_SERVE: Final = (
    "import sys; sys.path.append(sys.argv[1]); from headwater.workflows.arc.sandbox_counter import main; main()"
)


#: Of the server's environment the process has what some Pythons need to be found whole.
_LOADER: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class _Answer(msgspec.Struct):
    text: str | None = None
    why: str = ""


class Counting:
    """One process at most; programs take turns. To be used on one event loop."""

    def __init__(self, *, read_s: float = READ_S) -> None:
        self.read_s = read_s
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._is_ready = False

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return None if self._process is None else self._process.pid

    async def begin(self) -> None:
        """Has the process start, if there is none yet, and does not wait until it has. Raises OSError."""
        async with self._turn:
            await self._begun()

    async def open(self) -> None:
        """Has the process started. Raises OSError where none can be had."""
        async with self._turn:
            await self._started()

    async def counted(self, source: str, tick: str) -> str:
        """As `step_count.counted`. Raises `UncountableError` also for a text that its reader does not come back from,
        and OSError where no process can be had.
        """
        line = msgspec.json.encode([source, tick]) + b"\n"
        async with self._turn:
            try:
                # one that has died while it had nothing to do has not seen the program
                answer = await self._asked(line) or await self._asked(line)
            except TimeoutError:
                raise UncountableError("it takes too long to read") from None
        if answer is None:
            raise UncountableError("its reader ends")
        if answer.text is None:
            raise UncountableError(answer.why)
        return answer.text

    async def close(self) -> None:
        """Ends the process. A later program would start another."""
        async with self._turn:
            await self._end()

    async def _asked(self, line: bytes) -> _Answer | None:
        """What the process says to a line; None where it ends instead. Whatever goes wrong, it is there no more."""
        process = await self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        said = b""
        try:
            async with asyncio.timeout(self.read_s):
                # uvloop says of a pipe that is closed what others call a lost connection
                with suppress(ConnectionError, RuntimeError, ValueError):
                    process.stdin.write(line)
                    await process.stdin.drain()
                    said = await process.stdout.readline()
        finally:
            if not said.endswith(b"\n"):
                await self._end()
        return msgspec.json.decode(said, type=_Answer) if said.endswith(b"\n") else None

    async def _started(self) -> Process:
        """The process, when it is ready. Raises OSError where it does not come to that."""
        process = await self._begun()
        if self._is_ready:
            return process
        assert process.stdout is not None
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(START_S):
                    self._is_ready = await process.stdout.readline() == READY
        finally:
            if not self._is_ready:
                await self._end()
        if not self._is_ready:
            raise ChildProcessError("the process that reads programs does not start")
        return process

    async def _begun(self) -> Process:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", "-c", _SERVE, str(_ROOT),
                stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=_LINE_BYTES_MAX,
                env={name: os.environ[name] for name in _LOADER if name in os.environ},
            )  # fmt: skip
        return self._process

    async def _end(self) -> None:
        process, self._process, self._is_ready = self._process, None, False
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
