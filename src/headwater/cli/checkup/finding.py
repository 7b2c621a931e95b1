"""What a check found: how grave it is, what it is, and what to do about it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """From good to bad. Only a problem makes the command fail."""

    OK = "ok"
    #: worth knowing, and nothing to do
    NOTE = "note"
    #: it works, but not as well or as safely as it could
    WARNING = "warning"
    #: something does not work until somebody does something
    PROBLEM = "problem"


class Finding(NamedTuple):
    """One thing that was looked at. `advice` says what to do, if there is something to do."""

    area: str
    level: Level
    text: str
    advice: str = ""


class Findings(list[Finding]):
    """What was found in one area."""

    def __init__(self, area: str) -> None:
        super().__init__()
        self.area = area

    def ok(self, text: str) -> None:
        self.append(Finding(self.area, Level.OK, text))

    def note(self, text: str, advice: str = "") -> None:
        self.append(Finding(self.area, Level.NOTE, text, advice))

    def warning(self, text: str, advice: str = "") -> None:
        self.append(Finding(self.area, Level.WARNING, text, advice))

    def problem(self, text: str, advice: str = "") -> None:
        self.append(Finding(self.area, Level.PROBLEM, text, advice))
