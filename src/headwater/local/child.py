"""The child's program: llama.cpp's own server, on a loopback port that the kernel chooses.

    python -m headwater.local.child

The first line of standard input is a `Launch`; once the model answers, one line of standard output is a `Listening`.
The child lives until its standard input ends, and that is when its parent has let go of it or has died, by whatever:
what holds the other end is closed by the kernel. It has native code in it, so nothing of the server's is in it.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import threading
from typing import Any, BinaryIO, Final

import msgspec

from headwater.errors import ConfigError

#: Exit codes: its parent let go of it; it was not told what to do.
EXIT_ORPHANED: Final = 0
EXIT_BAD_LAUNCH: Final = 64

#: Warnings and errors of llama.cpp. Its higher levels tell of each request, the highest show prompts.
_VERBOSITY: Final = 2
#: Bounds the memory that llama.cpp keeps earlier prompts in; its default is 8 GiB.
_PROMPT_CACHE_MIB: Final = 64
#: What a request that says nothing gets: the model card's values, and a little against a small model's loops.
_TEMPERATURE: Final = 0.2
_TOP_P: Final = 0.9
_REPEAT_PENALTY: Final = 1.1
#: llama.cpp's DRY sampler, at the strength that its author advises and over the whole context: against paragraphs
#: said again.
_DRY_MULTIPLIER: Final = 0.8
#: prctl(2), linux/prctl.h
_PR_SET_PDEATHSIG: Final = 1


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What to serve. Comes through a pipe, for an argument or a variable could be read by others."""

    weights: str
    #: the name that the model answers to
    model: str
    #: only requests that bring it are answered: the port can be reached by everyone on this machine, and by web pages
    key: str
    #: how many answers are made at once; more wait
    slots: int
    #: tokens that prompt and answer may have together, for each slot
    context_tokens: int
    threads: int
    #: the process to live and die with
    parent: int


class Listening(msgspec.Struct, frozen=True):
    """The model is ready at this address, e.g. `http://127.0.0.1:40123`."""

    url: str


def main() -> None:
    """Serves until standard input ends."""
    report = _keep_stdout()
    orders = sys.stdin.buffer
    try:
        launch = msgspec.json.decode(orders.readline(), type=Launch)
    except msgspec.DecodeError:
        sys.exit(EXIT_BAD_LAUNCH)
    _live_with(launch.parent, orders)
    server = _serve(launch)
    os.write(report, msgspec.json.encode(Listening(server.listening_address)) + b"\n")
    # The watcher ends the process; the server's own threads do the work until then.
    threading.Event().wait()


def _keep_stdout() -> int:
    """The real standard output, for the one line of ours; whatever native code prints goes to standard error."""
    report = os.dup(1)
    os.dup2(2, 1)
    return report


def _live_with(parent: int, orders: BinaryIO) -> None:
    # What asks the parent to end may reach its whole group (a service manager, a terminal): it is for the parent to
    # end its runs first, and us then.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        # The watcher below needs Python's lock, which native code may hold for long; the kernel needs nothing.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(EXIT_ORPHANED)
    threading.Thread(target=_end_with, args=(orders,), daemon=True).start()


def _end_with(orders: BinaryIO) -> None:
    while orders.read(1):
        pass
    # Not in good order, since nothing here is worth keeping and native threads are at work.
    os._exit(EXIT_ORPHANED)


def _serve(launch: Launch) -> Any:
    """Loads the model and starts llama.cpp's server; a `xllamacpp.Server`."""
    try:
        # By name, for it is no dependency: `headwater local install` brings it.
        llama = importlib.import_module("xllamacpp")
    except ImportError as error:
        raise ConfigError(f"llama.cpp can not be loaded: {error}.") from None
    params = llama.CommonParams()
    params.model.path = launch.weights
    params.model_alias = {launch.model}
    params.api_keys = [launch.key]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = launch.slots
    params.n_ctx = launch.context_tokens * launch.slots
    params.cpuparams.n_threads = launch.threads
    params.cpuparams_batch.n_threads = launch.threads
    params.sampling.temp = _TEMPERATURE
    params.sampling.top_p = _TOP_P
    params.sampling.penalty_repeat = _REPEAT_PENALTY
    params.sampling.dry_multiplier = _DRY_MULTIPLIER
    # Its own word for that, -1, does nothing in this build.
    params.sampling.dry_penalty_last_n = launch.context_tokens
    params.use_jinja = True
    params.offline = True
    params.ui = False
    params.cors_origins = ""
    params.verbosity = _VERBOSITY
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    return llama.Server(params)


if __name__ == "__main__":
    main()
