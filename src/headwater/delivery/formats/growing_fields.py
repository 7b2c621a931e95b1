"""The fields of a structured answer for formats that know no text that grows, only values that take a place. Pure.

There a text is said again, whole, each time it has grown by an eighth, and when it is done: what is sent stays within
ten times its length, and a short one is said with each of its words.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from headwater.domain.event import Field
from headwater.domain.structured_value import applied, value_at

_SAID_AGAIN: Final = 8


class Place(NamedTuple):
    """A value that takes a place. `is_first`: the first time since what is above it was told."""

    path: str
    value: Any
    is_done: bool
    is_first: bool


class _Text:
    """A text that grows: its pieces, and how much of it was said last."""

    __slots__ = ("length", "pieces", "said")

    def __init__(self, text: str) -> None:
        self.pieces = [text]
        self.length = self.said = len(text)


class _Node:
    """A place that was told, and those in it by the last step of their paths."""

    __slots__ = ("below", "is_told", "text")

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        #: whether it was told since what is above it was
        self.is_told = False
        self.text: _Text | None = None


class GrowingFields:
    """Learns from field records, each first given in order; what was learned is a fact of the log."""

    __slots__ = ("_again", "_below", "_first", "_learned", "_places", "_value")

    def __init__(self) -> None:
        self._learned = 0
        self._value: Any = None
        #: above the root, whose path is one step too: the empty one
        self._places = _Node()
        #: the records that told a place for the first time
        self._first: set[int] = set()
        #: the records that told a place below which something had been told, and the paths of that
        self._below: dict[int, list[str]] = {}
        #: the records with which a text is said again, and how much of it there was
        self._again: dict[int, tuple[_Text, int]] = {}

    def place(self, seq: int, field: Field) -> Place | None:
        """What the record says in a place; None where it says nothing there, or not yet."""
        if seq > self._learned:
            self._learned = seq
            self._learn(seq, field)
        if not field.delta:
            return Place(field.path, field.value, field.done, seq in self._first)
        if seq not in self._again:
            return None
        text, length = self._again[seq]
        return Place(field.path, "".join(text.pieces)[:length], field.done, False)

    def below(self, seq: int, place: Place) -> list[Place]:
        """What was told below a place before the record told that anew: as it is now, and null where it is gone."""
        depth = len(place.path)
        return [
            Place(path, value_at(place.value, path[depth:]), place.is_done, False) for path in self._below.get(seq, ())
        ]

    def _learn(self, seq: int, field: Field) -> None:
        if field.delta and type(field.value) is str:
            self._grow(seq, field, field.value)
            return
        if not field.delta:
            node, is_first = self._node(field.path)
            if is_first:
                self._first.add(seq)
            if node.below:
                self._below[seq] = _forget(node, field.path)
            node.text = None
        self._value = applied(self._value, field)

    def _node(self, path: str) -> tuple[_Node, bool]:
        """The place, and whether it had no value before."""
        node, is_first = self._places, False
        for step in path.split("/"):
            below = node.below.get(step)
            if below is None:
                below = node.below[step] = _Node()
            is_first = is_first or not below.is_told
            below.is_told = True
            node = below
        return node, is_first

    def _grow(self, seq: int, field: Field, more: str) -> None:
        begun = value_at(self._value, field.path)
        if type(begun) is not str:
            return
        node, _ = self._node(field.path)
        text = node.text
        if text is None:
            text = node.text = _Text(begun)
        text.pieces.append(more)
        text.length += len(more)
        fresh = text.length - text.said
        if field.done or (fresh > 0 and fresh * _SAID_AGAIN >= text.said):
            text.said = text.length
            self._again[seq] = (text, text.length)


def _forget(node: _Node, path: str) -> list[str]:
    """What is below the node was not told since. Its paths, what is in a place behind the place."""
    found: list[str] = []
    todo = [(node, path)]
    while todo:
        above, at = todo.pop()
        if above is not node:
            above.is_told, above.text = False, None
            found.append(at)
        todo += [(each, f"{at}/{step}") for step, each in reversed(above.below.items())]
    return found
