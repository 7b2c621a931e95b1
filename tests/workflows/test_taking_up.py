"""What a workflow takes back when it is begun again after a crash."""

from __future__ import annotations

from headwater.domain import event as ev
from headwater.domain.snapshot import fold
from headwater.workflows.taking_up import withdrawn

BEFORE: list[ev.Event] = [
    ev.Call(1, "answer", "p", "m"),
    ev.Chunk("whole. ", 0),
    ev.Iteration(1),
    ev.Call(2, "answer", "p", "m"),
    ev.Chunk("half", 0, 2),
    ev.Call(3, "internal", "p", "n"),
    ev.Attempt(3, 2, "NETWORK", "p", "n"),
    ev.Chunk("inner", 0, 3),
]


def records(events: list[ev.Event]) -> list[ev.Record]:
    return [ev.Record(seq, 0, event) for seq, event in enumerate(events, 1)]


def test_what_was_kept_stays_and_the_rest_no_longer_counts() -> None:
    said = withdrawn(BEFORE, 3)
    assert said == [
        ev.Attempt(2, 2, "INTERRUPTED", "p", "m", 4),
        ev.Attempt(3, 3, "INTERRUPTED", "p", "n", 6),
    ]
    again: list[ev.Event] = [ev.Call(4, "answer", "p", "m"), ev.Chunk("again", 0, 4)]
    snapshot = fold(records([*BEFORE, *said, *again]))
    assert snapshot.text == "whole. again"
    assert [part.text for part in snapshot.parts] == ["whole. ", "again"]


def test_a_workflow_that_begins_anew_takes_all_back() -> None:
    assert fold(records([*BEFORE, *withdrawn(BEFORE)])).text == ""
    assert withdrawn([]) == []
    assert withdrawn(BEFORE, len(BEFORE)) == []
