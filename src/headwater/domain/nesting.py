"""How deeply JSON is nested. Decoders give up somewhere below a thousand levels, each at another one."""

from __future__ import annotations

import re
from typing import Final

#: What a record may have: far from where any decoder gives up, whatever calls it.
NESTING_MAX: Final = 256

_MARKS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|([\[{])|[\]}]', re.DOTALL)


def is_too_deep(json: bytes) -> bool:
    """Whether JSON (UTF-8, well-formed) has more than `NESTING_MAX` arrays and objects within each other."""
    if json.count(b"[") + json.count(b"{") <= NESTING_MAX:
        return False
    depth = 0
    for mark in _MARKS.finditer(json):
        if mark[1]:
            depth += 1
            if depth > NESTING_MAX:
                return True
        elif mark[0] in b"]}":
            depth -= 1
    return False
