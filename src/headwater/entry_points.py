"""The entry points of a group, over all installed distributions, of which a broken one hides no other.

`importlib.metadata.entry_points` raises for all of them where a single `entry_points.txt` can not be read, whoever it
belongs to (https://packaging.python.org/en/latest/specifications/entry-points/).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Final, NamedTuple

_FILE: Final = "entry_points.txt"


class FoundEntries(NamedTuple):
    """The entry points that can be read; and why others can not, as the end of a sentence, by the names that they have.

    A distribution whose list does not even tell names is there under its own.
    """

    entries: list[metadata.EntryPoint]
    faults: Mapping[str, str] = {}


def are_readable() -> bool:
    """Whether every distribution's can be read, as those believe who read them all at once."""
    try:
        metadata.entry_points()
    except Exception:
        return False
    return True


def find_entries(group: str) -> FoundEntries:
    """Imports nothing. Never raises for what is wrong with a distribution."""
    try:
        return FoundEntries([*metadata.entry_points(group=group)])
    except Exception:
        # One of them is broken. Which it is, is found by reading them one by one.
        return _one_by_one(group)


def _one_by_one(group: str) -> FoundEntries:
    entries: list[metadata.EntryPoint] = []
    faults: dict[str, str] = {}
    seen: set[str] = set()
    for distribution in metadata.distributions():
        name = _name(distribution)
        # What is found first is what would be imported.
        if name in seen:
            continue
        seen.add(name)
        try:
            entries += [each for each in distribution.entry_points if each.group == group]
        except Exception as error:
            why = f"the file {_FILE} of the distribution `{name}` can not be read ({type(error).__name__})"
            faults.update(dict.fromkeys(_names(distribution, name, group), why))
    return FoundEntries(entries, faults)


def _name(distribution: metadata.Distribution) -> str:
    try:
        return re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
    except Exception:
        return str(distribution.locate_file(""))


def _names(distribution: metadata.Distribution, name: str, group: str) -> Iterator[str]:
    """What a list that is broken seems to bring to a group: nothing, where it has no such section."""
    try:
        text = distribution.read_text(_FILE) or ""
    except Exception:
        yield name
        return
    section = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == group and line and not line.startswith("#"):
            told, is_whole, _ = line.partition("=")
            yield (told.strip() if is_whole else line.split()[0]) or name
