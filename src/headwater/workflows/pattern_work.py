"""What it takes at most to look for a regular expression in a text. Pure.

A pattern without looks ahead, behind and back is run by an automaton: each character may meet each of its states, of
which a counted group has one set for each time. Around the others the automaton is begun anew with each backtrack.
"""

from __future__ import annotations

import re
from typing import Final

#: A pattern that needs more of them does not match.
BACKTRACKS_MAX: Final = 1000
#: Whatever the pattern and the text.
_LEAST_WORK: Final = 20
#: So many states meet a character in a microsecond, where it is slow.
_STATES_PER_WORK: Final = 8

_COUNT: Final = re.compile(r"\{([0-9]{1,9})(?:,([0-9]{0,9}))?\}")
_CLASS: Final = re.compile(r"\[(?:[^\]\\]|\\.)*+\]?", re.DOTALL)
_BACKTRACKS: Final = re.compile(r"\(\?(?!:|P?<[A-Za-z_])|\\[1-9kgGK]|[*+?}]\+")


def work_of(pattern: str, chars: int) -> int:
    """An upper bound for a text of so many characters; a unit is about a microsecond."""
    work = size_of(pattern) * (chars + 1) // _STATES_PER_WORK
    if _BACKTRACKS.search(pattern):
        work = (work + 1) * min(BACKTRACKS_MAX, (chars + 1) ** 2)
    return _LEAST_WORK + work


def size_of(pattern: str) -> int:
    """About as many states as the pattern's automaton has. Linear in its length; never raises."""
    sizes, last, position = [1], 0, 0
    while position < len(pattern):
        char = pattern[position]
        if (count := _COUNT.match(pattern, position)) is not None:
            times = max(int(each) for each in count.groups(default="1") if each)
            sizes[-1] += last * (times - 1)
            last *= max(times, 1)
            position = count.end()
            continue
        if char == "(":
            sizes.append(1)
            last = 0
        elif char == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        elif char not in "*+?":
            last = 1
            sizes[-1] += last
        skipped = _CLASS.match(pattern, position) if char == "[" else None
        position = skipped.end() if skipped is not None else position + 1 + (char == "\\")
    return sum(sizes)
