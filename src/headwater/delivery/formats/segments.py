"""Where text of one kind begins and ends in a log, for formats with a start and an end for each part. Pure."""

from __future__ import annotations

from bisect import bisect_right
from typing import Literal, NamedTuple

from headwater.domain import event as ev

Kind = Literal["text", "reasoning"]

#: A refusal is text that the model said: these formats have no other word for it.
_KINDS: dict[str, Kind] = {"chunk": "text", "reasoning": "reasoning", "refusal": "text"}


class Segment(NamedTuple):
    """Neighbouring text of one kind and one part; `seq` is that of its first record."""

    seq: int
    kind: Kind
    #: type, call and index of its records
    part: tuple[str, int, int]


class Segments:
    """Learns the segments of a log from its records, each first given in order; what was learned is a fact of the log.

    There are as many as the text changes its part: a handful, and never more than there are records.
    """

    __slots__ = ("_learned", "_segments", "_starts")

    def __init__(self) -> None:
        self._learned = 0
        self._segments: list[Segment] = []
        self._starts: list[int] = []

    def learn(self, seq: int, event: ev.Chunk | ev.Reasoning | ev.Refusal) -> None:
        """Takes note of a text record; one that it has seen changes nothing."""
        if seq <= self._learned:
            return
        self._learned = seq
        part = (event.type, event.call or 1, event.index)
        if not self._segments or self._segments[-1].part != part:
            self._segments.append(Segment(seq, _KINDS[event.type], part))
            self._starts.append(seq)

    def at(self, seq: int) -> Segment | None:
        """The segment that the record `seq` belongs to, or that is open before it."""
        place = bisect_right(self._starts, seq)
        return self._segments[place - 1] if place else None

    def text_at(self, seq: int) -> Segment | None:
        """The last segment of text that began at or before the record `seq`."""
        place = bisect_right(self._starts, seq)
        return next((each for each in reversed(self._segments[:place]) if each.kind == "text"), None)
