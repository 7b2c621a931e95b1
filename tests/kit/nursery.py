"""Servers that begin as copies of a process which has imported the product already.

What an interpreter needs to come to the product's first line is more than half of what a start costs, and hundreds of
tests start it. A copy runs the same command with the same arguments, environment and files; it is killed, waited for
and judged like any process. Whatever changes the interpreter itself starts one of its own (`Product.start`).

    python -m tests.kit.nursery

takes a connection for each server from its standard input, a socket. What is asked for comes over that connection, and
how the server began and ended goes back; a server whose connection ends is killed, and all are where the input ends.
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
import threading
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
        # Another process reaps it: once that is told of here, its id is no longer its own.
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Nursery:
    """The process that is copied; it starts with the first server and ends with `close` or with this one."""

    def __init__(self) -> None:
        self._beginning = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._asking: socket.socket | None = None

    def _begin(self) -> socket.socket:
        """Where copies are asked for. Servers that start at the same time, also in different threads, have one."""
        with self._beginning:
            if self._asking is not None and self._process is not None and self._process.poll() is None:
                return self._asking
            if self._asking is not None:
                self._asking.close()
            self._asking, asked = socket.socketpair()
            command = [sys.executable, "-m", "tests.kit.nursery"]
            with asked:
                self._process = subprocess.Popen(command, stdin=asked.fileno(), stdout=subprocess.PIPE, cwd=_ROOT)
            assert self._process.stdout is not None
            with self._process.stdout as told:
                assert told.readline() == _READY, "the nursery did not begin"
            return self._asking

    async def start(self, arguments: Sequence[str], *, environ: Mapping[str, str], log: Path) -> Child:
        """`headwater ARGUMENTS` in this directory; what it says goes behind what is in `log`."""
        asking = await asyncio.to_thread(self._begin)
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(asking, [_READY], [theirs.fileno()])
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        asked = {"arguments": list(arguments), "environ": dict(environ), "cwd": str(Path.cwd()), "log": str(log)}
        writer.write(json.dumps(asked).encode() + b"\n")
        try:
            return Child(int(await reader.readline()), reader, writer)
        except BaseException:
            writer.close()
            raise

    def close(self) -> None:
        """Ends it, and all servers that go on."""
        if self._asking is not None and self._process is not None:
            self._asking.close()
            self._process.wait()


def _tell(client: socket.socket, number: int) -> None:
    """Nobody may be there any more to hear it."""
    with contextlib.suppress(OSError):
        client.sendall(f"{number}\n".encode())


def _reap(waiting: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    """Tells whoever started it how a server has ended."""
    while waiting:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with waiting.pop(pid) as client:
            if client in selector.get_map():
                selector.unregister(client)
            _tell(client, os.waitstatus_to_exitcode(status))


def _asked_for(asking: socket.socket) -> tuple[socket.socket, bytes] | None:
    """A connection and what is wanted over it, nothing where the caller left at once; None at the end."""
    said, numbers, _, _ = socket.recv_fds(asking, 1, 1)
    if not said:
        return None
    client = socket.socket(fileno=numbers[0])
    with client.makefile("rb") as lines:
        return client, lines.readline()


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


def _tend(asking: socket.socket) -> bool:
    """Copies this process for each that asks. True in a copy, False once nobody can ask any more."""
    heard, woken = socket.socketpair()
    heard.setblocking(False)
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Ctrl-C at the terminal is for the test run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    waiting: dict[int, socket.socket] = {}
    with asking, selectors.DefaultSelector() as selector:
        for each in (asking, heard):
            selector.register(each, selectors.EVENT_READ)
        sys.stdout.buffer.write(_READY)
        sys.stdout.flush()
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            # Before those that have ended are reaped: until then their ids are their own.
            for pid, client in waiting.items():
                if client in ready:
                    selector.unregister(client)
                    os.kill(pid, signal.SIGKILL)
            if heard in ready:
                heard.recv(4096)
                _reap(waiting, selector)
            if asking in ready:
                if (found := _asked_for(asking)) is None:
                    for pid in waiting:
                        os.kill(pid, signal.SIGKILL)
                        os.waitpid(pid, 0)
                    return False
                client, line = found
                if not line:
                    client.close()
                    continue
                if (pid := os.fork()) == 0:
                    for each in (client, heard, woken, *waiting.values()):
                        each.close()
                    _become(json.loads(line))
                    return True
                waiting[pid] = client
                selector.register(client, selectors.EVENT_READ)
                _tell(client, pid)


if __name__ == "__main__":
    for name in _IMPORTED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    # A number of its own, which a copy can close: its standard input is another file.
    if _tend(socket.socket(fileno=os.dup(0))):
        from headwater.cli import main

        main()
