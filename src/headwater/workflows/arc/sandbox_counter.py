"""The process in which programs are read: each line that comes is a program, each that goes is the same, counted.

    python -I -S -c "…; main()"

Python's own parser may take its process with it, or its time, where a text is made for that; and what it reads here a
model wrote. So the process is as confined as those that programs run in (`sandbox_worker`), though it runs none. Only
the standard library is there.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Final

from headwater.workflows.arc.sandbox_worker import EXIT_UNCONFINED, confine
from headwater.workflows.arc.step_count import UncountableError, counted

#: A program that takes all there is to read it: `ast.unparse`, the codec of an f-string's `\n`, the names of letters.
_EVERYTHING: Final = rb"""["\u00e9 = f'{[0 for _ in ()]}\\n'", "tick"]"""
#: Said once, when nothing can be done any more but to read.
READY: Final = b"ready\n"


def answer(line: bytes) -> bytes:
    """`[source, tick]` gives `{"text"}` or, where it can not be counted, `{"why"}`; each a line of JSON."""
    source, tick = json.loads(line)
    try:
        told = {"text": counted(source, tick)}
    except UncountableError as error:
        told = {"why": str(error)}
    return json.dumps(told).encode() + b"\n"


def main() -> None:
    """Serves until its server is there no more."""
    # What Python loads only when it is needed it could not find any more without its owner's rights.
    answer(_EVERYTHING)
    try:
        confine()
    except OSError:
        os._exit(EXIT_UNCONFINED)
    # of what it thinks of a program nobody is to hear
    warnings.simplefilter("ignore")
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(answer(line))
        sys.stdout.buffer.flush()
