"""A JSON string that grows, from behind its first quote (RFC 8259, section 7).

A control character stands for itself and so does an escape that there is none of (`\\d`, `\\(`), for models write both;
half a surrogate pair becomes U+FFFD. Each is noted in `repairs`.
"""

from __future__ import annotations

import re
from typing import Final, Literal

#: What was taken for what it means.
StringRepair = Literal["control_character", "escape", "surrogate"]

_PLAIN: Final = re.compile(r'[^"\\\x00-\x1f]*+')
_HEX: Final = re.compile(r"[0-9A-Fa-f]{4}")
_ESCAPES: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LOST: Final = "\ufffd"


class GrowingString:
    """`take` the text's pieces in order until it `is_over`, or `is_broken`: then what comes is no JSON."""

    __slots__ = ("_escape", "_high", "_pieces", "_told", "is_broken", "is_over", "is_told", "repairs")

    def __init__(self) -> None:
        self.is_over = False
        self.is_broken = False
        #: whether `news` has given some of it
        self.is_told = False
        self.repairs: set[StringRepair] = set()
        self._pieces: list[str] = []
        self._told = 0
        #: what came of an escape behind its backslash; None outside
        self._escape: str | None = None
        #: the first half of a surrogate pair, as an escape said it
        self._high: int | None = None

    @property
    def text(self) -> str:
        """The string so far. Linear in its length."""
        return "".join(self._pieces)

    @property
    def has_news(self) -> bool:
        return len(self._pieces) > self._told

    def news(self) -> str:
        """What came since this was asked last."""
        fresh = "".join(self._pieces[self._told :])
        self._told = len(self._pieces)
        self.is_told = True
        return fresh

    def takes_whole(self, text: str) -> bool:
        """Takes a piece that is nothing but more of a string that was told so far; False leaves it to `take`."""
        if self._escape is not None or self._high is not None or len(self._pieces) > self._told:
            return False
        if not text or _PLAIN.fullmatch(text) is None:
            return False
        self._pieces.append(text)
        self._told += 1
        return True

    def take(self, text: str, position: int) -> int:
        """Takes what stands there as far as it belongs to the string. Where the rest begins."""
        size = len(text)
        while position < size and not self.is_over and not self.is_broken:
            char = text[position]
            if self._escape is not None:
                position += 1
                self._in_escape(self._escape + char)
                continue
            if char == "\\":
                self._escape = ""
            elif char == '"':
                self._no_pair()
                self.is_over = True
            elif char < " ":
                self._no_pair()
                self.repairs.add("control_character")
                self._pieces.append(char)
            else:
                end = _end(text, position)
                self._no_pair()
                self._pieces.append(text[position:end])
                position = end
                continue
            position += 1
        return position

    def _in_escape(self, escape: str) -> None:
        self._escape = None
        if escape[0] != "u":
            self._no_pair()
            if (plain := _ESCAPES.get(escape)) is None:
                self.repairs.add("escape")
                plain = "\\" + escape
            self._pieces.append(plain)
        elif len(escape) < 5:
            self._escape = escape
        elif _HEX.fullmatch(escape, 1):
            self._take_unit(int(escape[1:], 16))
        else:
            self.is_broken = True

    def _take_unit(self, unit: int) -> None:
        """A code unit of UTF-16."""
        if self._high is not None and 0xDC00 <= unit < 0xE000:
            self._pieces.append(chr(0x10000 + ((self._high - 0xD800) << 10) + (unit - 0xDC00)))
            self._high = None
            return
        self._no_pair()
        if 0xD800 <= unit < 0xDC00:
            self._high = unit
        elif 0xDC00 <= unit < 0xE000:
            self.repairs.add("surrogate")
            self._pieces.append(_LOST)
        else:
            self._pieces.append(chr(unit))

    def _no_pair(self) -> None:
        """What comes is no second half: a first one that stands alone is no character."""
        if self._high is not None:
            self._high = None
            self.repairs.add("surrogate")
            self._pieces.append(_LOST)


def _end(text: str, position: int) -> int:
    """Where what needs no look ends."""
    match = _PLAIN.match(text, position)
    return match.end() if match is not None else position
