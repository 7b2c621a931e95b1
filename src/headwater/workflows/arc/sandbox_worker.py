"""What a sandbox's process does before it is one: gives up all that it could have, then becomes the interpreter.

    python -I -S sandbox_worker.py INTERPRETER ARGUMENT…

The interpreter knows no files, network, processes or environment by itself. This is for the day on which it has a
fault: the process that a program breaks out into has nothing open, no environment, nobody to call and no rights. Files
are kept from it by their owner alone: under a server that is not root it is the server's own user. Only the standard
library is imported, for this is paid with every process that is thrown away.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
from typing import Final

#: Beside the interpreter's own limit on what a program holds, in bytes: all that the process may map.
ADDRESS_SPACE_BYTES: Final = 2 << 30
#: Of files that are open; the interpreter has three.
FILES_MAX: Final = 64
#: Of work, in seconds: more than all programs of one process may take. It ends one whose server is there no more to do
#: so, where the kernel does not.
CPU_S: Final = 1500
#: The user and group that have no rights by custom (`nobody`).
NOBODY: Final = 65534
#: What can not be confined ends with this (sysexits: EX_NOPERM), so that no program is ever run in it.
EXIT_UNCONFINED: Final = 77

# prctl(2), linux/prctl.h; unshare(2), linux/sched.h
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_CLONE_NEWIPC: Final = 0x08000000
# capset(2), linux/capability.h: version 3, of which two sets of three masks say what is kept
_CAPABILITIES_VERSION: Final = 0x20080522
_CAPABILITIES_BYTES: Final = 2 * 3 * 4


def confine() -> None:
    """Takes from this process what it does not need. Raises OSError where one of the demands can not be met.

    Demands: no core dump, no file that grows, few files, bounded memory and work, nothing on standard error, and on
    Linux that no program it starts has more rights than itself, and that it ends with its server. Beside them, where
    the system allows it: another user than root without rights, and a network in which there is nobody.
    """
    # What asks the server to end may reach its whole group. It is for the server to end its programs: one that dies
    # under it would look like a faulty one.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    # The interpreter tells there which limit was hit: that is in the program's result, and not for the server's log.
    os.dup2(null, 2)
    os.close(null)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, FILES_MAX)
    _limit(resource.RLIMIT_CPU, CPU_S)
    if sys.platform == "linux":
        # elsewhere the kernel does not hold to it, and may refuse it
        _limit(resource.RLIMIT_AS, ADDRESS_SPACE_BYTES)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        _drop_root()
        # Containers and hardened kernels allow it to nobody: then only the interpreter keeps programs from the network.
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC)
        # In a user namespace of its own it has every right there. What becomes the interpreter loses them with that.
        libc.capset(struct.pack("=Ii", _CAPABILITIES_VERSION, 0), bytes(_CAPABILITIES_BYTES))
        # A server that was killed stops nobody, and not every program comes to its limit by itself. Last, because who
        # becomes another user loses it. It is the end of the thread that started us that counts: the pool's lives as
        # long as the server.
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def _limit(what: int, most: int) -> None:
    # who may have less already is not refused for asking for more
    _, granted = resource.getrlimit(what)
    if granted != resource.RLIM_INFINITY:
        most = min(most, granted)
    resource.setrlimit(what, (most, most))


def _drop_root() -> None:
    if os.geteuid() != 0:
        return
    # A root without the right to become somebody else is none that could do harm with it.
    with contextlib.suppress(PermissionError):
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def _close_others(kept: int) -> None:
    """Whatever was left open by those who started us, the server's files and sockets first of all."""
    os.closerange(3, kept)
    os.closerange(kept + 1, max(os.sysconf("SC_OPEN_MAX"), kept + 1))


def main(arguments: list[str]) -> None:
    """Never returns: this process becomes the interpreter, with an empty environment."""
    interpreter = arguments[0]
    try:
        # Opened while it can be: it may be below a folder that only its owner may look into.
        program = os.open(interpreter, os.O_RDONLY | os.O_CLOEXEC)
        _close_others(program)
        confine()
        os.execve(program if os.execve in os.supports_fd else interpreter, arguments, {})
    except OSError:
        os._exit(EXIT_UNCONFINED)


if __name__ == "__main__":
    main(sys.argv[1:])
