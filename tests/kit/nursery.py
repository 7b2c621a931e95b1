"""Servers that begin as copies of a process which has imported the product already.

What an interpreter needs to come to the product's first line is more than half of what a start costs, and hundreds of
tests start it. A copy runs the same command with the same arguments, environment and files; it is killed, waited for
and judged like any process. Whatever changes the interpreter itself starts one of its own (`Product.start`).

    python -m tests.kit.nursery SOCKET

listens there until its standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
#: What `headwater serve` imports by itself, as far as it is known before there is a configuration.
_IMPORTED = ("headwater.cli", "headwater.cli.serve", "headwater.app", "headwater.settings", "uvloop", "uvicorn")
_READY = b"\n"


class Child:
    """A server that was started so, with what tests use of `asyncio.subprocess.Process`."""

    def __init__(self, pid: int, told: asyncio.StreamReader, connection: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._over = asyncio.ensure_future(self._read(told, connection))

    async def _read(self, told: asyncio.StreamReader, connection: asyncio.StreamWriter) -> int:
        with contextlib.closing(connection):
            line = await told.readline()
        assert line, "the nursery ended before the server"
        self.returncode = int(line)
        return self.returncode

    async def wait(self) -> int:
        return await asyncio.shield(self._over)

    def send_signal(self, number: int) -> None:
        # It was reaped by another process; only here it is known that its id is no longer its own.
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Nursery:
    """The process that is copied; it starts with the first server and ends with this one."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="nursery-", ignore_cleanup_errors=True)
        self._address = str(Path(self._directory.name) / "s")
        self._process: subprocess.Popen[bytes] | None = None

    def _begin(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        command = [sys.executable, "-m", "tests.kit.nursery", self._address]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == _READY, "the nursery did not begin"

    async def start(self, arguments: Sequence[str], *, environ: Mapping[str, str], log: Path) -> Child:
        """`headwater ARGUMENTS` in this directory; what it says goes behind what is in `log`."""
        await asyncio.to_thread(self._begin)
        reader, writer = await asyncio.open_unix_connection(self._address)
        asked = {"arguments": list(arguments), "environ": dict(environ), "cwd": str(Path.cwd()), "log": str(log)}
        writer.write(json.dumps(asked).encode() + b"\n")
        return Child(int(await reader.readline()), reader, writer)


def _reap(waiting: dict[int, socket.socket]) -> None:
    """Tells whoever started it how a server has ended."""
    while waiting:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with waiting.pop(pid) as client, contextlib.suppress(OSError):
            client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(asked: Mapping[str, object]) -> None:
    """Makes this copy what a new process would have been."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(str(asked["cwd"]))
    os.environ.clear()
    environ, arguments = asked["environ"], asked["arguments"]
    assert isinstance(environ, dict)
    assert isinstance(arguments, list)
    os.environ.update(environ)
    sys.argv = ["headwater", *arguments]
    with Path(os.devnull).open("rb") as nothing, Path(str(asked["log"])).open("ab") as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def _tend(address: str) -> bool:
    """Copies this process for each that asks. True in a copy, False once nobody can ask any more."""
    heard, woken = socket.socketpair()
    heard.setblocking(False)
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Ctrl-C at the terminal is for the test run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    waiting: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(address)
        listener.listen(64)
        for each in (listener, heard, sys.stdin):
            selector.register(each, selectors.EVENT_READ)
        sys.stdout.buffer.write(_READY)
        sys.stdout.flush()
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if sys.stdin in ready:
                return False
            if heard in ready:
                heard.recv(4096)
                _reap(waiting)
            if listener in ready:
                client, _ = listener.accept()
                with client.makefile("rb") as lines:
                    asked = json.loads(lines.readline())
                if (pid := os.fork()) == 0:
                    for each in (client, heard, woken, *waiting.values()):
                        each.close()
                    _become(asked)
                    return True
                waiting[pid] = client
                client.sendall(f"{pid}\n".encode())


if __name__ == "__main__":
    for name in _IMPORTED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    if _tend(sys.argv[1]):
        from headwater.cli import main

        main()
