"""Runs programs that a model wrote: `transform(grid)`, on grid after grid, in a process that is not the server's.

The interpreter is Monty (github.com/pydantic/monty): a Python without files, network, processes or environment, whose
time, memory and depth are bounded from within; a watchdog outside kills the process of one that does not come to its
limit by itself. It has no limit on steps, so they are counted by the program itself, into which the count is put
(`step_count`) before it is run. A process that hit a limit is thrown away. Each program begins in a session of its own.

What a program gives back is never taken as a value: a list of 40 lists, each of which holds the one before twice, is
small there and a million million values here. So the sandbox makes text of it, by syntax that no program can redefine,
and the text is read here.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Hashable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import structlog
from pydantic_monty import (
    AsyncMonty,
    AsyncMontySession,
    CollectString,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySyntaxError,
)

from headwater.errors import ErrorCode, UnavailableError
from headwater.workflows.arc.sandbox_counting import Counting
from headwater.workflows.arc.sandbox_launcher import launcher
from headwater.workflows.arc.sandbox_steps import FUNCTION, Steps
from headwater.workflows.arc.step_count import UncountableError
from headwater.workflows.arc.task import Grid, is_grid
from headwater.workflows.arc.turns import Turns

_log = structlog.get_logger(__name__)

#: Of what a program's failure is told.
ERROR_CHARS_MAX: Final = 300
#: The longest text of a grid: 30 rows of 30 digits, each with a blank or a line's end. More is no grid.
_TEXT_CHARS_MAX: Final = 30 * 30 * 2
#: How long a process may go on past a limit that it should have come to by itself.
GRACE_S: Final = 0.5
#: A process is replaced after so many programs, whatever they did.
PROGRAMS_PER_PROCESS: Final = 200
#: How often a program may look for what it has not. There is nothing outside that it could be given, but a module that
#: is missing is asked for there, and a program may well try one in each call.
_SUSPENSIONS_MAX: Final = 100
#: A statement without a value: else the program's last expression would be sent here, as large as it likes.
_NO_VALUE: Final = "\npass\n"
_LIMIT_ERRORS: Final = (TimeoutError, MemoryError, RecursionError)
_NO_PROCESS: Final = (MontyError, OSError, RuntimeError, TimeoutError)


class Limits(NamedTuple):
    """What a program may take."""

    #: for one grid, in seconds of its own work
    call_s: float = 1.0
    #: for all its grids
    program_s: float = 4.0
    #: for one grid (`step_count` says what one is); the same program takes as many for the same grid everywhere
    steps: int = 1_000_000
    memory_bytes: int = 64 << 20
    #: calls within calls
    depth: int = 200
    #: of what it prints, which nobody reads
    printed_bytes: int = 64 << 10
    source_bytes: int = 16 << 10


class Outcome(NamedTuple):
    """What a program made of one grid: a grid, or a sentence that says why none."""

    grid: Grid | None
    error: str = ""


class Sandbox:
    """A bounded pool of processes, started when the first program comes. To be used on one event loop."""

    def __init__(self, limits: Limits | None = None, *, processes: int = 2) -> None:
        self.limits = limits or Limits()
        self._processes = processes
        self._turns = Turns(processes)
        self._counting = Counting()
        self._opening = asyncio.Lock()
        self._open: AsyncMonty | None = None

    async def open(self) -> None:
        """Starts what programs need, if it is not there yet. Raises `UnavailableError` where it can not be had."""
        try:
            await self._counting.begin()
            await self._pool()
            await self._counting.open()
        except _NO_PROCESS as error:
            raise _unavailable(error) from None

    async def run(self, source: str, grids: Sequence[Grid], owner: Hashable = None) -> list[Outcome]:
        """What the program makes of each grid, in order; each gets a copy of its own.

        Where more programs come than there are processes, owners take turns, each with a program.
        A fault of the program is an `Outcome`, never an exception; after a limit the grids that are left are not tried.
        Raises `UnavailableError` where no process can be had: nothing is ever run anywhere else.
        """
        if len(source.encode(errors="replace")) > self.limits.source_bytes:
            return _all(grids, f"The program is longer than {self.limits.source_bytes} bytes.")
        # UTF-8 has no word for half a surrogate pair, and so no program has one
        source = source.encode(errors="replace").decode()
        try:
            async with self._turns.turn(owner):
                if self._open is None:
                    # while the one starts, so does the other
                    await self._counting.begin()
                    await self._pool()
                return await self._run(await self._text(source), grids)
        except _NO_PROCESS as error:
            raise _unavailable(error) from None

    async def _text(self, source: str) -> _Text:
        steps = Steps(self.limits.steps)
        try:
            return _Text(await self._counting.counted(source + _NO_VALUE, steps.tick), steps)
        except UncountableError as error:
            return _Text(steps.refused(source), steps, str(error))

    async def _run(self, text: _Text, grids: Sequence[Grid]) -> list[Outcome]:
        for _ in range(self._processes):
            # one that has died while it had nothing to do, as where memory is short, has not begun the program
            with suppress(MontyCrashedError):
                return await self._run_in_next(text, grids)
        return await self._run_in_next(text, grids)

    async def _run_in_next(self, text: _Text, grids: Sequence[Grid]) -> list[Outcome]:
        async with await self._session() as session:
            return await _Program(session, self.limits, text).run(grids)

    async def close(self) -> None:
        """Ends every process. A later program would start new ones."""
        await self._counting.close()
        async with self._opening:
            opened, self._open = self._open, None
            if opened is not None:
                await opened.__aexit__(None, None, None)

    async def _session(self) -> AsyncMontySession:
        """What a program runs in, once it is entered. Raises as `_pool` does."""
        pool = await self._pool()
        return pool.checkout(
            script_name="program.py",
            limits={
                "max_feed_duration_secs": self.limits.call_s,
                "max_memory": self.limits.memory_bytes,
                # the count's own call, where it is over, is one more
                "max_recursion_depth": self.limits.depth + 1,
                "max_suspensions": _SUSPENSIONS_MAX,
            },
            os_policy={"sleep": "zero", "random_start": {"seed": 0}},
            assert_message_annotations=False,
        )

    async def _pool(self) -> AsyncMonty:
        """The pool. Raises OSError, `MontyError` where there can be none."""
        # looked for each time: who tidies up temporary files may have taken it from a pool that starts more with it
        started_by = await asyncio.to_thread(launcher)
        async with self._opening:
            if self._open is None:
                pool = AsyncMonty(
                    binary_path=started_by,
                    min_processes=1,
                    max_processes=self._processes,
                    max_checkouts_per_worker=PROGRAMS_PER_PROCESS,
                    feed_duration_limit_grace=GRACE_S,
                    turn_duration_limit_grace=GRACE_S,
                )
                self._open = await pool.__aenter__()
            return self._open


class _Text(NamedTuple):
    """What is run of a program. Of one that can not be counted nothing is: the interpreter only reads `code`, and where
    it finds no fault `why` is told.
    """

    code: str
    steps: Steps
    why: str = ""


class _Program:
    """One program in its session."""

    def __init__(self, session: AsyncMontySession, limits: Limits, text: _Text) -> None:
        self._session = session
        self._limits = limits
        self._text = text
        # Taken now: it is not told while a program runs.
        self._process = session.worker_pid
        self._is_over = False

    async def run(self, grids: Sequence[Grid]) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.program_s
        try:
            if (fault := await self._fault()) is not None:
                return _all(grids, fault)
            outcomes: list[Outcome] = []
            for grid in grids:
                if not self._is_over and loop.time() > until:
                    self._throw_away()
                    outcomes.append(
                        Outcome(None, f"TimeoutError: more than {self._limits.program_s:g} s for all grids")
                    )
                elif self._is_over:
                    outcomes.append(Outcome(None, "Not run: the program had hit a limit before."))
                else:
                    outcomes.append(await self._outcome(grid))
            return outcomes
        except asyncio.CancelledError:
            self._throw_away()
            raise

    async def _outcome(self, grid: Grid) -> Outcome:
        try:
            text = await self._feed(self._text.steps.call, _grid=grid)
        except _Fault as fault:
            return Outcome(None, fault.sentence)
        return read_grid(text)

    async def _fault(self) -> str | None:
        """What is wrong with the program itself, before it is given anything."""
        try:
            await self._feed(self._text.steps.begin)
            await self._feed(self._text.code)
        except _Fault as fault:
            return fault.sentence
        return None

    async def _feed(self, code: str, **inputs: Grid) -> object:
        try:
            return await self._session.feed_run(
                code, inputs=inputs, print_callback=CollectString(self._limits.printed_bytes)
            )
        except MontyCrashedError as error:
            self._is_over = True
            why = "it did not stop at its time limit" if error.timed_out else "its process ended"
            raise _Fault(f"The program was killed: {why}.") from None
        except (MontyRuntimeError, MontySyntaxError) as error:
            if isinstance(error.exception(), _LIMIT_ERRORS):
                self._throw_away()
            raise _Fault(_shortened(self._sentence(error))) from None

    def _sentence(self, error: MontyRuntimeError | MontySyntaxError) -> str:
        if self._text.steps.are_over(error):
            return f"RuntimeError: step limit exceeded: more than {self._limits.steps} steps"
        if self._text.steps.is_refused(error):
            return f"SyntaxError: {self._text.why}"
        return error.display("type-msg")

    def _throw_away(self) -> None:
        """Nothing is known of a process that was stopped in the middle: it gets no other program."""
        self._is_over = True
        if self._process is not None:
            # It is the pool's child, so its number is nobody else's until the pool has waited for it.
            with suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)


class _Fault(Exception):
    """What a program did wrong."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def read_grid(text: object) -> Outcome:
    """The grid that a sandbox's text says: the value's type, then a line a row, its cells apart by blanks. Pure.

    Rows and grid may be tuples as well as lists. Cells are whole numbers: `True`, `1.0` and `'1'` are none.
    """
    if not isinstance(text, str):
        return Outcome(None, f"{FUNCTION} gave nothing that can be read.")
    kind, _, lines = text.partition("\n")
    if kind not in ("list", "tuple"):
        return Outcome(None, f"{FUNCTION} gave a value of type {_shortened(kind)}, not a list of rows.")
    if len(lines) <= _TEXT_CHARS_MAX:
        rows = [line.split(" ") for line in lines.split("\n")]
        if all(len(cell) == 1 and cell.isascii() and cell.isdigit() for row in rows for cell in row):
            grid = [[int(cell) for cell in row] for row in rows]
            if is_grid(grid):
                return Outcome(grid)
    return Outcome(None, f"{FUNCTION} gave no grid of 1 to 30 rows of 1 to 30 colours, 0 to 9, all rows as long.")


def _unavailable(error: BaseException) -> UnavailableError:
    """Why is the operator's: it may hold a path, and never what a program says."""
    _log.error("no sandbox", error=type(error).__name__, why=_shortened(str(error)))
    return UnavailableError("Programs can not be run: there is no sandbox.", code=ErrorCode.SERVER)


def _all(grids: Sequence[Grid], error: str) -> list[Outcome]:
    return [Outcome(None, error) for _ in grids]


def _shortened(text: str) -> str:
    return text if len(text) <= ERROR_CHARS_MAX else text[: ERROR_CHARS_MAX - 1] + "…"
