"""Text on its way to a terminal. What a model or a server wrote may hold anything, commands to the terminal too."""

from __future__ import annotations

import re
from typing import Final

# C0 without tab and line feed, DEL, C1: what terminals take as commands. The bidirectional overrides are here too, for
# they make a line read as what it is not.
_COMMANDS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")


def printable(text: str) -> str:
    """`text` without anything that a terminal would obey; each such character becomes U+FFFD, a CRLF one line feed."""
    return _COMMANDS.sub("\ufffd", text.replace("\r\n", "\n"))


def one_line(text: str, width: int) -> str:
    """`text` on one line of at most `width` characters."""
    # Cut before the line breaks are replaced: the work is bounded by the width, not by the text.
    flat = " ".join(printable(text[: width * 4]).split())
    return flat if len(flat) <= width and len(text) <= width * 4 else flat[: width - 1] + "…"


def settled_chars(markdown: str) -> int:
    """How much of a growing Markdown text will render the same whatever follows: its length up to the last blank line
    outside a code fence, 0 if there is none."""
    settled = at = 0
    fence = ""
    for line in markdown.splitlines(keepends=True):
        at += len(line)
        opening = _FENCE.match(line)
        if fence:
            # A fence is closed by one of its own kind, at least as long, with nothing behind it (CommonMark 4.5).
            if opening and opening[1].startswith(fence) and not line[opening.end() :].strip():
                fence = ""
        elif opening:
            fence = opening[1]
        elif line.endswith("\n") and not line.strip():
            settled = at
    return settled
