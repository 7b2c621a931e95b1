"""The records of an answer that stand: what an attempt superseded is taken back, which a whole answer can do. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.delivery.formats.shown import Shown
from headwater.domain import event as ev

#: What an answer consists of.
Said = ev.Chunk | ev.Reasoning | ev.Refusal | ev.ToolCall | ev.Annotation | ev.ProviderData


class StandingRecords:
    """Takes each record once, in the order of the log; one that it has seen changes nothing.

    What calls put out that are internal is none of the answer.
    """

    __slots__ = ("_said", "_seq", "_shown")

    def __init__(self) -> None:
        self._seq = 0
        self._shown = Shown()
        self._said: list[tuple[int, Said]] = []

    def take(self, seq: int, event: ev.Event) -> None:
        if seq <= self._seq:
            return
        self._seq = seq
        if not self._shown.is_shown(seq, event):
            return
        match event:
            case ev.Chunk() | ev.Reasoning() | ev.Refusal() | ev.ToolCall() | ev.Annotation() | ev.ProviderData():
                self._said.append((seq, event))
            case ev.Attempt(supersedes_from=int(start)):
                self._said = [
                    (place, said) for place, said in self._said if place < start or (said.call or 1) != event.call
                ]

    def __iter__(self) -> Iterator[Said]:
        return (said for _, said in self._said)
