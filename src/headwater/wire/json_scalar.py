"""A JSON number or word from its text (RFC 8259, sections 3 and 6)."""

from __future__ import annotations

import math
import re
from typing import Final

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+\-]?[0-9]++)?")
#: What JSON encoders of other languages can say without loss; a greater number becomes a float, as in JavaScript.
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1
#: The numbers of grids among them: most of what is no text.
_KNOWN: Final[dict[str, float | None]] = {"true": True, "false": False, "null": None, **{str(n): n for n in range(100)}}


def scalar_of(text: str) -> float | None:
    """The number, true, false or null that the text is. Raises ValueError where it is none, or beyond any float."""
    if text in _KNOWN:
        return _KNOWN[text]
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError("no JSON number")
    if match[1] is None and match[2] is None and _INT_MIN <= (number := int(text)) <= _INT_MAX:
        return number
    if not math.isfinite(fraction := float(text)):
        raise ValueError("a number beyond any float")
    return fraction
