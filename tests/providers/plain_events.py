"""The events of an SSE body, found by plain text search: what the oracles of the dialects' tests read.

It shares nothing with what it judges: no SSE decoder of ours.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")


class PlainEvent(NamedTuple):
    """An event that has data: its name, the data, and where in the body the last line of data stops."""

    name: bytes
    data: bytes
    stop: int


def plain_events(body: bytes) -> Iterator[PlainEvent]:
    """Every event that has data, in order; the last one may be cut off."""
    name, data, stop = b"", None, 0
    start = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    for line in _LINE.finditer(body, start):
        text = line[1]
        if not text and line.start() == len(body):
            break
        if text.startswith(b"data:"):
            value = text[5:].removeprefix(b" ")
            data = value if data is None else data + b"\n" + value
            stop = line.end(1) - len(text) + len(text.rstrip())
        elif text.startswith(b"event:"):
            name = text[6:].removeprefix(b" ")
        if not text:
            if data is not None:
                yield PlainEvent(name, data, stop)
            name, data = b"", None
    if data is not None:
        yield PlainEvent(name, data, stop)
