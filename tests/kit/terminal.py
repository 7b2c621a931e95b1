"""A program in a terminal of its own: what it shows can be waited for, and keys can be pressed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from types import TracebackType

# Runs in the child: the session's leader takes the terminal, so that Ctrl-C reaches it as a signal. Tests that a shell
# runs in the background inherit that it is ignored; what is run in a terminal does not.
_TAKE_TERMINAL = """
import fcntl, signal, termios
signal.signal(signal.SIGINT, signal.default_int_handler)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from headwater.cli import main
main()
"""
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
CTRL_C, CTRL_D = b"\x03", b"\x04"


class Terminal:
    """`headwater ARGUMENTS` on a pseudo-terminal of 80 × 24. Raw output is kept in `raw`."""

    def __init__(self, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        self.raw = b""
        self._read_to = 0
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", **(environ or {})},
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    @property
    def shown(self) -> str:
        """Everything that was shown, without the terminal's commands."""
        return _ESCAPE.sub("", self.raw.decode(errors="replace")).replace("\r\n", "\n")

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def wait_for(self, text: str) -> None:
        """Reads until `text` is shown behind what was waited for before. Raises AssertionError at the program's end."""
        while (at := self.shown.find(text, self._read_to)) < 0:
            assert self._read(), f"ended before it showed {text!r}:\n{self.shown}"
        self._read_to = at + len(text)

    def wait(self) -> int:
        """Reads to the program's end; its exit code."""
        while self._read():
            pass
        return self._process.wait()

    def _read(self) -> bool:
        try:
            data = os.read(self._master, 65536)
        except OSError:
            # Linux says EIO where the other side has closed.
            return False
        self.raw += data
        return bool(data)
