"""What records others must not change what they do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.power.trace import Kind, build_shim, read_trace, traced

pytestmark = pytest.mark.slow

SENDS = 50_000
SIGNALS_MIN = 100

#: Sends while signals come, and the handler of each writes to a socket, as that of an event loop does.
PROGRAM = f"""
import signal, socket

one, other = socket.socketpair()
woken, wakes = socket.socketpair()
for each in (one, other, woken, wakes):
    each.setblocking(False)
seen = []
signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
for _ in range({SENDS}):
    one.send(b"sent")
    other.recv(4)
signal.setitimer(signal.ITIMER_REAL, 0)
assert len(seen) >= {SIGNALS_MIN}, len(seen)
"""


@pytest.mark.linux
def test_a_signal_between_a_call_and_its_record_holds_nothing_up(tmp_path: Path) -> None:
    trace, root = tmp_path / "trace", tmp_path / "data"
    trace.touch()
    environ = traced(build_shim(tmp_path), trace, root, sockets=True)
    subprocess.run([sys.executable, "-c", PROGRAM], env=environ, check=True, timeout=60)
    sends = [each.data for each in read_trace(trace) if each.kind == Kind.SEND]
    assert sends.count(b"sent") == SENDS
    assert len(sends) > SENDS, "what the handlers wrote was recorded too"
