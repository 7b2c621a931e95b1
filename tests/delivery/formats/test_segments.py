"""The segments of a log are a fact of it, however often a record is shown."""

from __future__ import annotations

from headwater.delivery.formats.segments import Segment, Segments
from headwater.domain import event as ev

LOG: list[ev.Event] = [
    ev.Status("streaming"),
    ev.Reasoning("Hm", 0),
    ev.Reasoning("…", 0),
    ev.Chunk("Hel", 1),
    ev.ToolCall("a", "f", "{}"),
    ev.Chunk("lo", 1),
    ev.Chunk("!", 2),
    ev.Refusal("No", 2),
    ev.Chunk("?", 2, call=2),
]
#: by seq: the segment that a record belongs to, or that is open before it
WANTED = [None, 2, 2, 4, 4, 4, 7, 8, 9]


def learned() -> Segments:
    segments = Segments()
    for seq, event in enumerate(LOG, 1):
        if isinstance(event, ev.Chunk | ev.Reasoning | ev.Refusal):
            segments.learn(seq, event)
    return segments


def starts(segments: Segments) -> list[int | None]:
    found = [segments.at(seq) for seq in range(1, len(LOG) + 1)]
    return [None if segment is None else segment.seq for segment in found]


def test_a_segment_goes_on_until_text_of_another_part_comes() -> None:
    segments = learned()
    assert starts(segments) == WANTED
    assert segments.at(3) == Segment(2, "reasoning", ("reasoning", 1, 0))
    assert segments.at(8) == Segment(8, "text", ("refusal", 1, 2))
    assert segments.at(0) is None
    assert [segments.text_at(3), segments.text_at(5)] == [None, segments.at(4)]


def test_what_was_seen_changes_nothing() -> None:
    segments = learned()
    segments.learn(2, ev.Chunk("other", 5))
    segments.learn(4, ev.Chunk("Hel", 1))
    assert starts(segments) == WANTED
