"""How sure a model says it is, in all the forms in which models say that, as 0 to 100. Pure; never raises."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

DEFAULT: Final = 50
#: The members of an object that say it, in the order in which they are looked for.
_MEMBERS: Final = ("value", "confidence", "score", "percent", "percentage", "level")
_TEXT_CHARS_MAX: Final = 200
_DEPTH_MAX: Final = 3

_SHARE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(?:/|out of|of)\s*(\d{1,9}(?:\.\d{1,9})?)")
_PERCENT: Final = re.compile(r"((?:(?<!\d)-)?\d{0,9}\.?\d{1,9})\s*(?:%|percent\b)")
_NUMBER: Final = re.compile(r"-?\d{0,9}\.?\d{1,9}(?:[eE]-?\d{1,2}\b)?")


class Confidence(NamedTuple):
    """`given` is false where nothing was said that can be read: then it is 50."""

    percent: int
    given: bool


UNKNOWN: Final = Confidence(DEFAULT, False)


def confidence_of(value: object) -> Confidence:
    """A number up to 1 is a share, one above it is in percent; what is beyond 0 to 100 is the nearest of both.

    Texts: `85%`, `0.85`, `17/20`, `8 out of 10`; what is in percent comes before what is not. True is 100 and False is
    0. An object says it in one of its members.
    """
    percent = _percent(value, 0)
    if percent is None or math.isnan(percent):
        return UNKNOWN
    return Confidence(round(min(100.0, max(0.0, percent))), True)


def _percent(value: object, depth: int) -> float | None:
    match value:
        case bool():
            return 100.0 if value else 0.0
        case int() | float():
            return _scaled(value)
        case str():
            return _said(value[:_TEXT_CHARS_MAX].replace(",", "."))
        case Mapping() if depth < _DEPTH_MAX:
            for name in _MEMBERS:
                if (percent := _percent(value.get(name), depth + 1)) is not None:
                    return percent
    return None


def _scaled(number: float) -> float | None:
    # compared and not asked: a whole number may be too large for a float
    if number != number or number in (math.inf, -math.inf):
        return None
    if number > 100:
        return 100.0
    if number < 0:
        return 0.0
    return float(number) * 100 if number <= 1 else float(number)


def _said(text: str) -> float | None:
    if (found := _PERCENT.search(text)) is not None:
        return float(found[1])
    if (share := _SHARE.search(text)) is not None:
        part, whole = float(share[1]), float(share[2])
        return None if whole == 0 else 100 * part / whole
    found = _NUMBER.search(text)
    return None if found is None else _scaled(float(found[0]))
