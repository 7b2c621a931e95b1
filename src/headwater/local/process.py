"""The parent's side: starts the child that serves the model, keeps it going, tells callers where it is.

The child is a process of its own because it runs native code: when that crashes, the log, the readers and every other
model go on. It is started again after a rest that grows with each failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog

from headwater.clock import Clock
from headwater.errors import ErrorCode, ProviderError
from headwater.local.child import Launch, Listening
from headwater.providers.redact import Secret
from headwater.tasks import Spawn

_log = structlog.get_logger(__name__)

COMMAND: Final = (sys.executable, "-m", "headwater.local.child")

#: How long the weights may take to load, from the slowest disk.
_START_S: Final = 120.0
#: The rest before the next start: doubles from the first to the second with each failure.
_REST_FIRST_S: Final = 0.5
_REST_MAX_S: Final = 30.0
#: A child that was up for so long had not failed to start: the next rest is the first again.
_STEADY_S: Final = 60.0
#: After so many failures in a row, calls are refused at once in place of waiting for a start that will fail too.
_FAILURES_PATIENT: Final = 3
#: What a caller without a limit of its own waits at most.
_WAIT_MAX_S: Final = 120.0
#: What is kept of the child's output, and what of that is told where it does not start.
_OUTPUT_BYTES_MAX: Final = 16 * 1024
_TOLD_CHARS_MAX: Final = 2_000


#: The variables that the child gets, and beginnings of names of more: none that a key of somebody's begins with
#: (LANGCHAIN_API_KEY, LANGSMITH_API_KEY).
_ENVIRONMENT: Final = frozenset({"PATH", "HOME", "TMPDIR", "LANG", "LANGUAGE", "VIRTUAL_ENV"})
_ENVIRONMENT_PREFIXES: Final = ("LC_", "LD_", "DYLD_", "PYTHON")


class Plan(NamedTuple):
    """What the child is to serve, and with how much of the machine."""

    weights: Path
    model: str
    slots: int = 2
    context_tokens: int = 2048
    threads: int = 1


class Address(NamedTuple):
    """Where the child listens, and the key that it wants; both are new with each start."""

    base_url: str
    key: Secret


def _without_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """What Python and the loader need, and no provider's key: native code has no business with those."""
    return {
        name: value for name, value in environ.items() if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)
    }


def rest_s(failures: int) -> float:
    """How long to rest after so many failures in a row (from 1), in seconds."""
    return float(min(_REST_FIRST_S * 2 ** min(failures - 1, 16), _REST_MAX_S))


class LocalProcess:
    """One child at a time, from `start` until the task that `spawn` gave is cancelled."""

    def __init__(self, plan: Plan, *, spawn: Spawn, clock: Clock, command: Sequence[str] = COMMAND) -> None:
        self._plan = plan
        self._spawn = spawn
        self._clock = clock
        self._command = command
        self._address: Address | None = None
        #: replaced at each change, so that whoever waits looks again
        self._changed = asyncio.Event()
        self._output = bytearray()
        #: whether the child has been asked nothing yet: what it prints later can quote a request
        self._unasked = True
        self._stopped = False
        self.failures = 0
        #: the child's, for whoever looks after the machine; None while there is none
        self.pid: int | None = None

    def start(self) -> None:
        """Begins to keep a child going. Returns at once."""
        self._spawn(self._keep(), "local model")

    async def address(self, limit_s: float | None) -> Address:
        """Where the model answers, as soon as it does. Raises `ProviderError` (OVERLOADED, DRAINING)."""
        try:
            async with asyncio.timeout(_WAIT_MAX_S if limit_s is None else limit_s):
                while self._address is None and not self._stopped and self.failures < _FAILURES_PATIENT:
                    await self._changed.wait()
        except TimeoutError:
            raise ProviderError(
                ErrorCode.OVERLOADED, "The local model is still being loaded.", phase="connect", retry_after_ms=2_000
            ) from None
        if self._address is not None:
            return self._address
        if self._stopped:
            raise ProviderError(ErrorCode.DRAINING)
        raise ProviderError(
            ErrorCode.OVERLOADED,
            "The local model does not start. The server's log says why, and it goes on trying.",
            phase="connect",
            retry_after_ms=int(rest_s(self.failures) * 1000),
        )

    async def withdrawn(self, address: Address, limit_s: float) -> None:
        """Returns when `address` is no longer the child's, or after the limit: its death is known a moment later."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self._address is address:
                    await self._changed.wait()

    async def _keep(self) -> None:
        try:
            while True:
                began = self._clock.monotonic()
                fault = await self._run_child()
                up_s = self._clock.monotonic() - began
                self.failures = 1 if up_s >= _STEADY_S else self.failures + 1
                self._tell_waiting()
                pause_s = rest_s(self.failures)
                _log.warning(
                    "the local model's process ended", fault=fault, again_in_s=pause_s, output=self._last_output()
                )
                await asyncio.sleep(pause_s)
        finally:
            self._stopped = True
            self._tell_waiting()

    async def _run_child(self) -> str:
        """One child, from its start to its end; how it ended, in words."""
        self._output.clear()
        self._unasked = True
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_without_keys(os.environ),
                # Out of the terminal's group, so that Ctrl-C ends the runs before it ends the model.
                start_new_session=True,
            )
        except OSError as error:
            return f"it can not be started: {error.strerror}"
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        self.pid = child.pid
        output = self._spawn(self._keep_output(child.stderr), "local model output")
        try:
            fault = await self._serve(child.stdin, child.stdout)
            if fault is None:
                await child.wait()
        finally:
            self._address = self.pid = None
            self._tell_waiting()
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            child.stdin.close()
            await child.wait()
            output.cancel()
        return fault or f"exit code {child.returncode}"

    async def _serve(self, orders: asyncio.StreamWriter, report: asyncio.StreamReader) -> str | None:
        """Tells the child what to serve and waits until it does; what went wrong, if something did."""
        key = Secret(secrets.token_urlsafe(32), name="the local model's key")
        plan = self._plan
        launch = Launch(
            weights=str(plan.weights),
            model=plan.model,
            key=key.reveal(),
            slots=plan.slots,
            context_tokens=plan.context_tokens,
            threads=plan.threads,
            parent=os.getpid(),
        )
        try:
            async with asyncio.timeout(_START_S):
                orders.write(msgspec.json.encode(launch) + b"\n")
                line = await report.readline()
        except TimeoutError:
            return f"it was not ready after {_START_S:.0f} s"
        except (OSError, ValueError) as error:
            return f"it does not say where it listens: {type(error).__name__}"
        if not line:
            return None
        try:
            listening = msgspec.json.decode(line, type=Listening)
        except msgspec.DecodeError:
            return "it does not say where it listens"
        self._unasked = False
        self._output.clear()
        self._address = Address(f"{listening.url}/v1", key)
        self._tell_waiting()
        _log.info("the local model is ready", model=plan.model, pid=self.pid)
        return None

    def _tell_waiting(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _keep_output(self, stream: asyncio.StreamReader) -> None:
        """Reads what the child prints, so that it never waits for us, and keeps the end of what tells of its start."""
        while data := await stream.read(_OUTPUT_BYTES_MAX):
            if self._unasked:
                self._output += data
                del self._output[:-_OUTPUT_BYTES_MAX]

    def _last_output(self) -> str:
        return self._output.decode(errors="replace").strip()[-_TOLD_CHARS_MAX:]
