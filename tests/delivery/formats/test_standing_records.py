"""What of an answer stands: attempts take back what they supersede, of their own call only."""

from __future__ import annotations

from headwater.delivery.formats.standing_records import StandingRecords
from headwater.domain import event as ev

RECORDS: list[ev.Event] = [
    ev.Status("streaming"),
    ev.Chunk("Hel", 0),
    ev.Chunk("Of another call", 0, call=2),
    ev.Chunk("p!", 0),
    ev.ProviderData("anthropic", {"type": "x"}),
]


def standing(*events: ev.Event) -> list[ev.Event]:
    records = StandingRecords()
    for seq, event in enumerate(events, 1):
        # Each is given twice: a page may be made a second time.
        records.take(seq, event)
        records.take(seq, event)
    return list(records)


def test_what_is_said_stands() -> None:
    assert standing(*RECORDS) == RECORDS[1:]


def test_an_attempt_takes_back_what_it_supersedes() -> None:
    attempt = ev.Attempt(1, 2, "TRUNCATED", "p", "m", supersedes_from=4)
    assert standing(*RECORDS, attempt, ev.Chunk("lo", 0)) == [RECORDS[1], RECORDS[2], ev.Chunk("lo", 0)]


def test_an_attempt_that_goes_on_takes_nothing_back() -> None:
    assert standing(*RECORDS, ev.Attempt(1, 2, "TRUNCATED", "p", "m")) == RECORDS[1:]
