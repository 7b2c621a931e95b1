"""Newline-delimited JSON: a value a line (https://github.com/ndjson/ndjson-spec).

LF ends a line, and white space around a value (a CR before the LF) is dropped. Blank lines say nothing, and are what
servers send as a heartbeat. What a line holds is for whoever decodes it.
"""

from __future__ import annotations

from headwater.wire.frames import ValueDecoder
from headwater.wire.sse import Frame


class NDJSONDecoder(ValueDecoder):
    """Lines to frames. The format has no end of its own, so a body that stops after a line may be whole."""

    def _take(self, chunk: bytes, frames: list[Frame]) -> None:
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._add(line)
            if self._held:
                self._release(b"", frames)
        self._add(rest)

    def _add(self, piece: bytes) -> None:
        """White space before a value is no part of it, and a blank line none at all."""
        if piece := piece if self._held else piece.lstrip():
            self._hold(piece)

    def _flush(self, frames: list[Frame]) -> None:
        if self._head:
            self._hold(self._head)
        if self._held:
            self._release(b"", frames)
