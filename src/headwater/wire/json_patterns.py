"""What of JSON is recognised in one step, where it is whole in the piece of text at hand, and plain (RFC 8259)."""

from __future__ import annotations

import re
from typing import Final

BLANK: Final = re.compile(r"[ \t\r\n]*+")
#: A string without escapes, and one that is a key, with its colon.
WHOLE_STRING: Final = re.compile(r'"([^"\\\x00-\x1f]*+)"')
WHOLE_KEY: Final = re.compile(r'"([^"\\\x00-\x1f]*+)"[ \t\r\n]*+:')
_INTEGER: Final = r"[ \t\r\n]*+-?(?:0|[1-9][0-9]{0,14})(?![0-9.eE])[ \t\r\n]*+"
#: An array of integers that need no look.
INTEGERS: Final = re.compile(rf"\[{_INTEGER}(?:,{_INTEGER})*+\]")
#: Shorter pieces hold too little for that.
WHOLE_CHARS_MIN: Final = 6
#: What numbers and words are made of.
SCALAR_CHARS: Final = re.compile(r"[0-9A-Za-z+.\-]*+")


def end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where what is passed over ends."""
    match = pattern.match(text, position)
    return match.end() if match is not None else position
