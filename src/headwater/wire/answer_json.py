"""Which of the JSON in a model's answer is the answer, told while the text comes.

- Thinking (`thinking_marks`) is not looked at: from its opening mark, outside of a value, to its closing one. A closing
  mark that nothing has opened says that all before it was thinking: what was told is taken back, and the answer begins
  behind the mark. Where nothing comes there, what came before was the answer after all.
- Of what is left, the first whole value is the answer (`partial_json`). If it does not fit and a later whole one does,
  that takes its place; in one step, for until its end nobody knows that it will.

The work is linear in the text: a piece of it is read once, or twice behind a first value that does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from headwater.wire.partial_json import Known, Note, PartialJSON, Repair
from headwater.wire.thinking_marks import THINKING_MARKS, has_mark, mark_end, next_mark

#: So many values of one answer are asked whether they fit.
VALUES_MAX: Final = 8
#: So many times an answer begins anew; what is told of it may be held against all that was told before.
BEGINNINGS_MAX: Final = 8

#: `thinking` was passed over, or another, whole value (`other_value`) that did not fit.
AnswerRepair = Repair | Literal["thinking", "other_value"]

#: None: it was not asked.
_Fits = Callable[[Any], bool | None]


class _Values:
    """The JSON of a text without thinking: the first whole value that fits, and as long as there is none the first."""

    __slots__ = ("_begins", "_fits", "_later", "answer", "first")

    def __init__(self, begins: str, fits: _Fits | None) -> None:
        self._begins = begins
        self._fits = fits
        self.first = PartialJSON(begins=begins)
        #: behind the first one, while none fits
        self._later: PartialJSON | None = None
        self.answer = self.first

    def feed(self, text: str) -> list[Known]:
        first = self.first
        known = first.feed(text)
        if self._later is not None:
            return self._look_on(text)
        if self.answer is not first:
            return self.answer.feed(text)
        if known and self._fits is not None and first.is_whole and self._fits(first.value) is False:
            self._later = PartialJSON(begins=self._begins)
            return known + self._look_on(first.tail)
        return known

    def end(self) -> list[Known]:
        known = self.first.end()
        if (later := self._later) is not None:
            self._later = None
            later.end()
            if later.is_whole and self._fits is not None and self._fits(later.value):
                known += self._chosen(later)
        return known

    @property
    def is_open(self) -> bool:
        return self.first.is_open or (self._later is not None and self._later.is_open)

    @property
    def is_in_string(self) -> bool:
        return self.first.is_in_string or (self._later is not None and self._later.is_in_string)

    @property
    def repairs(self) -> set[AnswerRepair]:
        answer = self.answer
        return {*answer.repairs} if answer is self.first else {*answer.repairs, "other_value"}

    def _look_on(self, text: str) -> list[Known]:
        while (later := self._later) is not None:
            later.feed(text)
            if later.note is not None:
                # what follows may be in the midst of it
                self._later = None
            if not later.is_whole:
                break
            does_fit = None if self._fits is None else self._fits(later.value)
            if does_fit:
                return self._chosen(later)
            self._later = None if does_fit is None else PartialJSON(begins=self._begins)
            text = later.tail
        return []

    def _chosen(self, later: PartialJSON) -> list[Known]:
        self._later, self.answer = None, later
        return [Known("", later.value, True)]


class AnswerJSON:
    """`feed` the text's pieces in order, then `end`. `begins` are the characters that a value may begin with.

    `fits` says of a whole value whether it is as it was asked for: it is asked at most `VALUES_MAX` times. None takes
    any. What is told amounts at each time to `told`.
    """

    def __init__(self, *, begins: str = "{[", fits: Callable[[Any], bool] | None = None) -> None:
        self._begins = begins
        self._asks = fits
        self._asked = 0
        self._values = self._anew()
        #: what came before a closing mark, for the case that nothing comes behind it
        self._before: _Values | None = None
        #: of the thinking at hand
        self._closing: str | None = None
        #: what may be the beginning of a mark
        self._held = ""
        self._repairs: set[AnswerRepair] = set()
        self._beginnings = 0

    # ── what it amounts to ──────────────────────────────────────────────────────────────────────

    @property
    def note(self) -> Note | None:
        """Why there is no whole value; None where there is one, and while there may still be one."""
        return self._values.answer.note

    @property
    def is_whole(self) -> bool:
        """Whether there is a whole value."""
        return self._values.answer.is_whole

    @property
    def value(self) -> Any:
        """The value so far: strings and containers as far as they go, numbers only when they are whole."""
        return self._values.answer.value

    @property
    def told(self) -> Any:
        """What all that was given out amounts to: as `value`, without a row that is not whole."""
        return self._values.answer.told

    @property
    def repairs(self) -> list[AnswerRepair]:
        """What was passed over or taken for what it means, sorted."""
        return sorted(self._repairs | self._values.repairs)

    # ── what comes ──────────────────────────────────────────────────────────────────────────────

    def feed(self, text: str) -> list[Known]:
        """What became known by the next piece of the text, in the order in which it stands there."""
        if self._held:
            text, self._held = self._held + text, ""
        elif self._closing is None and not has_mark(text):
            # Nearly all that comes has no mark.
            return self._values.feed(text)
        known: list[Known] = []
        position = 0
        while position < len(text):
            if self._closing is None:
                position = self._take(text, position, known)
            else:
                position, is_over = mark_end(text, position, self._closing)
                if not is_over:
                    self._held = text[position:]
                    break
                self._closing = None
        return known

    def end(self) -> list[Known]:
        """The text is over. Sets `note` where there is no whole value."""
        known: list[Known] = []
        if self._held and self._closing is None:
            known += self._values.feed(self._held)
        self._held = ""
        known += self._values.end()
        if self.note == "no_json" and self._before is not None:
            self._values, self._before = self._before, None
            known += self._values.end()
            self._repairs = {"prose"}
            known.append(Known("", self.told, self.is_whole))
        return known

    def _take(self, text: str, position: int, known: list[Known]) -> int:
        """Takes what stands before the next mark, and the mark. Where to read on."""
        at, mark = next_mark(text, position)
        values = self._values
        if at > position:
            known += values.feed(text[position:at])
        rest = mark or text[at:]
        if values.is_in_string:
            known += values.feed(rest)
        elif not mark:
            self._held = rest
        else:
            if values.is_open:
                # It ends a number, and breaks off what else is open.
                known += values.feed(mark[0])
            if mark in THINKING_MARKS:
                self._closing = THINKING_MARKS[mark]
                self._repairs.add("thinking")
            else:
                self._take_back(known)
        return at + len(rest)

    def _take_back(self, known: list[Known]) -> None:
        """All before this was thinking."""
        self._beginnings += 1
        if self._beginnings > BEGINNINGS_MAX:
            return
        if self.told is not None:
            known.append(Known("", None, False))
        if self.is_whole or self.note is not None:
            self._before = self._values
        self._values = self._anew()
        self._repairs = {"thinking"}

    def _anew(self) -> _Values:
        return _Values(self._begins, None if self._asks is None else self._fits)

    def _fits(self, value: Any) -> bool | None:
        self._asked += 1
        return None if self._asks is None or self._asked > VALUES_MAX else self._asks(value)
