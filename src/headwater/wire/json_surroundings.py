"""What stands around JSON in a model's answer: the fences of Markdown, and prose. Pure."""

from __future__ import annotations

import re
from typing import Final, Literal

Surrounding = Literal["prose", "fence"]

#: Without a meaning before and behind a value; some programs write a byte order mark.
BLANKS: Final = " \t\r\n\ufeff"
_FENCE: Final = "```"
#: What a fence says of the text in it.
_INFO: Final = re.compile(r"[\w+.\-]{0,32}")


def surroundings(lead: str, tail: str) -> set[Surrounding]:
    """What the text before a value and the text behind it are; nothing where they are blank. Linear in their length."""
    found: set[Surrounding] = set()
    lead, tail = lead.strip(BLANKS), tail.strip(BLANKS)
    before, fence, info = lead.rpartition(_FENCE)
    if fence and _INFO.fullmatch(info.strip()):
        found.add("fence")
        lead = before.strip(BLANKS)
    if tail.startswith(_FENCE):
        found.add("fence")
        tail = tail.removeprefix(_FENCE).strip(BLANKS)
    if lead or tail:
        found.add("prose")
    return found
