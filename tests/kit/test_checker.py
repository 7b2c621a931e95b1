"""The checker finds each thing that it is there to find, in a small history, and nothing in a good one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.snapshot import fold
from tests.kit import history as seen
from tests.kit.checker import check, report
from tests.kit.history import History, merge, read

RUN = "run_1"
WORDS = ["The ", "snow ", "melts."]
EVENTS: list[ev.Event] = [
    ev.Call(1, "answer", "scripted", "scripted"),
    *[ev.Chunk(word, 0) for word in WORDS],
    ev.Complete("stop", Usage(output_tokens=3), "".join(WORDS)),
]
SUPERSEDED: list[ev.Event] = [
    ev.Chunk("The ", 0),
    ev.Chunk("sonw ", 0),
    ev.Attempt(1, 2, "NETWORK", "scripted", "scripted", supersedes_from=2),
    ev.Chunk("snow", 0),
    ev.Complete("stop", Usage(), "The snow"),
]

Entries = list[seen.Entry]


def encoded(events: list[ev.Event]) -> list[bytes]:
    return [ev.encode_record(seq, seq * 10, event) for seq, event in enumerate(events, 1)]


def good(events: list[ev.Event] = EVENTS, prompt: str = "p1") -> History:
    """A run that is made, read by two clients (one of them cut after two records), and ends."""
    now = 100.0

    def clock() -> float:
        return now

    history = History(clock)
    payloads = encoded(events)
    history.note(seen.Counted("before", {"tasks": 1, "watchers": 0}))
    history.note(seen.Claimed(RUN, 1, "a"))
    history.note(seen.Submitted(RUN, prompt, "key", total_s=10.0, answer="".join(WORDS) if events is EVENTS else None))
    if events is EVENTS:
        history.note(seen.UpstreamCalled(prompt, 1))
    history.note(seen.Opened(RUN, "c1", 1))
    history.note(seen.Opened(RUN, "c2", 1))
    for seq, payload in enumerate(payloads, 1):
        now += 0.1
        if events is EVENTS and seq in (2, 3, 4):
            history.note(seen.UpstreamSaid(prompt, 1, WORDS[seq - 2]))
            history.note(seen.UpstreamHeard(prompt, 1))
        if seq == len(payloads) and events is EVENTS:
            history.note(seen.UpstreamEnded(prompt, 1, True))
        history.note(seen.Appended(RUN, 1, seq, 1, "a"))
        history.note(seen.Durable(RUN, seq, closed=seq == len(payloads)))
        history.note(seen.Got("c1", 1, seq, payload))
        history.note(seen.Got("c2", 1 if seq < 3 else 2, seq, payload))
        if seq == 3 and events is EVENTS:
            history.note(seen.Looked(RUN, "api", "running", 3, "The snow "))
        if seq == 2:
            history.note(seen.Closed("c2", 1, "cut"))
            history.note(seen.Opened(RUN, "c2", 2, after=2))
    history.note(seen.Closed("c1", 1, "end"))
    history.note(seen.Closed("c2", 2, "end"))
    history.note(seen.RowFound(RUN, "completed", prompt, None))
    history.note(seen.LogFound(RUN, payloads, True, 1))
    history.note(seen.Counted("after", {"tasks": 1, "watchers": 0}))
    return history


def index(entries: Entries, kind: type[seen.Observation], **members: object) -> int:
    """Where the first observation of this kind with these members is."""
    for place, entry in enumerate(entries):
        if isinstance(entry.seen, kind) and all(getattr(entry.seen, k) == v for k, v in members.items()):
            return place
    raise LookupError(kind)


def replace(entries: Entries, place: int, what: seen.Seen) -> None:
    entries[place] = seen.Entry(entries[place].at, what)


def insert(entries: Entries, place: int, what: seen.Seen, at: float | None = None) -> None:
    entries.insert(place, seen.Entry(entries[min(place, len(entries) - 1)].at if at is None else at, what))


def log_of(events: list[ev.Event], *, closed: bool = True) -> seen.LogFound:
    return seen.LogFound(RUN, encoded(events), closed, 1)


# ── what is planted ─────────────────────────────────────────────────────────────────────────────


def got_before_durable(entries: Entries) -> None:
    place = index(entries, seen.Got, client="c1", seq=2)
    durable = index(entries, seen.Durable, tail=2)
    entries.insert(durable, entries.pop(place))


def got_what_is_gone(entries: Entries) -> None:
    replace(entries, index(entries, seen.LogFound), log_of([*EVENTS[:3], ev.Error("INTERRUPTED", "m", True)]))


def cursor_unknown(entries: Entries) -> None:
    replace(
        entries, index(entries, seen.Closed, client="c2", connection=1), seen.Closed("c2", 1, "refused", "CURSOR_AHEAD")
    )


def gap(entries: Entries) -> None:
    del entries[index(entries, seen.Got, client="c1", seq=3)]


def duplicate(entries: Entries) -> None:
    place = index(entries, seen.Got, client="c2", seq=3)
    entries.insert(place, entries[index(entries, seen.Got, client="c2", seq=2)])


def reorder(entries: Entries) -> None:
    one, two = index(entries, seen.Got, client="c1", seq=4), index(entries, seen.Got, client="c1", seq=5)
    entries[one], entries[two] = entries[two], entries[one]


def other_bytes(entries: Entries) -> None:
    payload = ev.encode_record(3, 30, ev.Chunk("rain ", 0))
    replace(entries, index(entries, seen.Got, client="c1", seq=3), seen.Got("c1", 1, 3, payload))


def clients_differ(entries: Entries) -> None:
    other_bytes(entries)
    del entries[index(entries, seen.LogFound)]


def wrong_id(entries: Entries) -> None:
    payload = encoded(EVENTS)[4]
    replace(entries, index(entries, seen.Got, client="c1", seq=5), seen.Got("c1", 1, 6, payload))


def no_record(entries: Entries) -> None:
    replace(entries, index(entries, seen.Got, client="c1", seq=3), seen.Got("c1", 1, 3, b"{}"))


def id_only_without_filter(entries: Entries) -> None:
    replace(entries, index(entries, seen.Got, client="c1", seq=3), seen.Got("c1", 1, 3, None))


def left_waiting(entries: Entries) -> None:
    del entries[index(entries, seen.Got, client="c1", seq=5)]
    replace(entries, index(entries, seen.Closed, client="c1"), seen.Closed("c1", 1, "stuck"))


def told_too_early(entries: Entries) -> None:
    del entries[index(entries, seen.Got, client="c1", seq=5)]
    replace(entries, index(entries, seen.Closed, client="c1"), seen.Closed("c1", 1, "none"))


def filtered_too_much(entries: Entries) -> None:
    replace(entries, index(entries, seen.Opened, client="c1"), seen.Opened(RUN, "c1", 1, types=("chunk", "complete")))
    gap(entries)


def time_goes_back(entries: Entries) -> None:
    payloads = encoded(EVENTS)
    payloads[2] = ev.encode_record(3, 5, EVENTS[2])
    replace(entries, index(entries, seen.LogFound), seen.LogFound(RUN, payloads, True, 1))
    for client in ("c1", "c2"):
        place = index(entries, seen.Got, client=client, seq=3)
        replace(entries, place, seen.Got(client, 1 if client == "c1" else 2, 3, payloads[2]))


def two_finals(entries: Entries) -> None:
    replace(entries, index(entries, seen.LogFound), log_of([*EVENTS, EVENTS[-1]]))


def no_final(entries: Entries) -> None:
    replace(entries, index(entries, seen.LogFound), log_of(EVENTS[:4], closed=False))


def after_the_final(entries: Entries) -> None:
    replace(entries, index(entries, seen.LogFound), log_of([*EVENTS, ev.Chunk("more", 0)]))


def row_differs(entries: Entries) -> None:
    replace(entries, index(entries, seen.RowFound), seen.RowFound(RUN, "failed", "p1"))


def row_text_differs(entries: Entries) -> None:
    replace(entries, index(entries, seen.RowFound), seen.RowFound(RUN, "completed", "p1", "The snow "))


def late_after_restart(entries: Entries) -> None:
    place = index(entries, seen.Durable, tail=5)
    final_at = entries[place].at
    insert(entries, place, seen.Down(), final_at - 2.6)
    insert(entries, place + 1, seen.Up(), final_at - 2.5)
    for kind in (seen.Claimed, seen.Submitted):
        first = index(entries, kind)
        entries[first] = seen.Entry(final_at - 3, entries[first].seen)


def not_whole(entries: Entries) -> None:
    replace(entries, index(entries, seen.UpstreamEnded), seen.UpstreamEnded("p1", 1, False))


def never_ended(entries: Entries) -> None:
    del entries[index(entries, seen.UpstreamEnded)]


def other_answer(entries: Entries) -> None:
    replace(entries, index(entries, seen.Submitted), seen.Submitted(RUN, "", "key", 10.0, "The snow melts!"))


def _cut(entries: Entries, kept: int, partial_bytes: int) -> None:
    """The run ends as cut after so many of its records; nobody read it."""
    entries[:] = [entry for entry in entries if not isinstance(entry.seen, seen.Opened | seen.Got | seen.Closed)]
    final = ev.Error("TRUNCATED", "m", True, partial_bytes=partial_bytes)
    replace(entries, index(entries, seen.LogFound), log_of([*EVENTS[:kept], final]))
    replace(entries, index(entries, seen.RowFound), seen.RowFound(RUN, "failed", "p1"))
    replace(entries, index(entries, seen.UpstreamEnded), seen.UpstreamEnded("p1", 1, False))


def partial_dropped(entries: Entries) -> None:
    _cut(entries, 3, len("The snow "))


def partial_miscounted(entries: Entries) -> None:
    _cut(entries, 4, 3)


def text_never_said(entries: Entries) -> None:
    replace(entries, index(entries, seen.UpstreamSaid, text="snow "), seen.UpstreamSaid("p1", 1, "rain "))


def old_writer(entries: Entries) -> None:
    insert(entries, index(entries, seen.Appended, first=3), seen.Claimed(RUN, 2, "b"))


def two_writers(entries: Entries) -> None:
    insert(entries, index(entries, seen.Appended, first=3), seen.Appended(RUN, 1, 3, 1, "b"))


def epoch_again(entries: Entries) -> None:
    insert(entries, len(entries) - 3, seen.Claimed(RUN, 1, "b"))


def epoch_fell(entries: Entries) -> None:
    insert(entries, index(entries, seen.Durable, tail=5), seen.Claimed(RUN, 2, "b"))
    replace(entries, index(entries, seen.LogFound), seen.LogFound(RUN, encoded(EVENTS), True, 1))


def leak(entries: Entries) -> None:
    replace(entries, len(entries) - 1, seen.Counted("after", {"tasks": 1, "watchers": 1}))


def key_twice(entries: Entries) -> None:
    insert(entries, 4, seen.Submitted("run_2", "p2", "key"))


def called_twice(entries: Entries) -> None:
    insert(entries, index(entries, seen.UpstreamSaid), seen.UpstreamCalled("p1", 2))
    insert(entries, index(entries, seen.UpstreamSaid), seen.UpstreamEnded("p1", 2, True))


def too_late(entries: Entries) -> None:
    replace(entries, index(entries, seen.Submitted), seen.Submitted(RUN, "p1", "key", 0.1))
    place = index(entries, seen.Durable, tail=5)
    entries[place] = seen.Entry(entries[place].at + 1, entries[place].seen)


def cancel_lost(entries: Entries) -> None:
    place = index(entries, seen.Durable, tail=1)
    insert(entries, place, seen.Cancelled(RUN))
    place = index(entries, seen.Durable, tail=5)
    entries[place] = seen.Entry(entries[place].at + 1, entries[place].seen)


def cancel_lost_in_a_crash(entries: Entries) -> None:
    place = index(entries, seen.Durable, tail=3)
    at = entries[place].at
    for before_s, what in ((0.01, seen.Up()), (0.02, seen.Down()), (0.03, seen.Cancelled(RUN))):
        insert(entries, place, what, at - before_s)
    replace(entries, index(entries, seen.LogFound), log_of([*EVENTS[:4], ev.Error("INTERRUPTED", "m", True)]))


def _look(entries: Entries, state: str, seq: int, text: str) -> None:
    insert(entries, index(entries, seen.Durable, tail=3) + 1, seen.Looked(RUN, "api", state, seq, text))


def shown_before_durable(entries: Entries) -> None:
    _look(entries, "running", 4, "The snow melts.")


def shown_otherwise(entries: Entries) -> None:
    _look(entries, "running", 3, "The rain ")


def ended_and_not(entries: Entries) -> None:
    _look(entries, "running", 3, "The snow ")
    _look(entries, "completed", 3, "The snow ")


def _cancelled(entries: Entries, by: ev.CancelledBy) -> None:
    _cut(entries, 4, 0)
    final = ev.Cancelled(by, len("The snow melts."))
    replace(entries, index(entries, seen.LogFound), log_of([*EVENTS[:4], final]))
    replace(entries, index(entries, seen.RowFound), seen.RowFound(RUN, "cancelled", "p1"))


def cancelled_by_nobody(entries: Entries) -> None:
    _cancelled(entries, "user")


def cancelled_though_it_stays(entries: Entries) -> None:
    _cancelled(entries, "disconnect")
    replace(entries, index(entries, seen.Submitted), seen.Submitted(RUN, "p1", "key", stays=True))


PLANTED: list[tuple[str, Callable[[Entries], None]]] = [
    ("I1", got_before_durable),
    ("I1", got_what_is_gone),
    ("I1", cursor_unknown),
    ("I1", shown_before_durable),
    ("I2", shown_otherwise),
    ("I2", gap),
    ("I2", duplicate),
    ("I2", reorder),
    ("I2", other_bytes),
    ("I2", clients_differ),
    ("I2", wrong_id),
    ("I2", no_record),
    ("I2", id_only_without_filter),
    ("I2", left_waiting),
    ("I2", told_too_early),
    ("I2", filtered_too_much),
    ("I2", time_goes_back),
    ("I3", ended_and_not),
    ("I3", two_finals),
    ("I3", no_final),
    ("I3", after_the_final),
    ("I3", row_differs),
    ("I3", row_text_differs),
    ("I3", late_after_restart),
    ("I4", cancelled_by_nobody),
    ("I4", cancelled_though_it_stays),
    ("I4", not_whole),
    ("I4", never_ended),
    ("I4", other_answer),
    ("I4", partial_dropped),
    ("I4", partial_miscounted),
    ("I4", text_never_said),
    ("I5", old_writer),
    ("I5", two_writers),
    ("I5", epoch_again),
    ("I5", epoch_fell),
    ("I6", leak),
    ("I8", key_twice),
    ("I8", called_twice),
    ("I10", too_late),
    ("I10", cancel_lost),
    ("I10", cancel_lost_in_a_crash),
]


def test_a_good_history_passes() -> None:
    violations = check(good())
    assert not violations, report(violations)


def test_an_empty_history_passes() -> None:
    assert check([]) == []


@pytest.mark.parametrize(("invariant", "plant"), PLANTED, ids=[plant.__name__ for _, plant in PLANTED])
def test_what_is_planted_is_found(invariant: str, plant: Callable[[Entries], None]) -> None:
    entries = good().entries
    plant(entries)
    assert invariant in {violation.invariant for violation in check(entries)}


def _late_joiner(*blocks: tuple[int, ev.Event]) -> list[str]:
    """What the checker says of a client that joins from a snapshot, when all is there, and gets these blocks."""
    entries = good(SUPERSEDED).entries
    place = index(entries, seen.RowFound)
    what: list[seen.Seen] = [seen.Opened(RUN, "late", 1, from_snapshot=True)]
    what += [seen.Got("late", 1, seq, ev.encode_record(seq, seq * 10, event)) for seq, event in blocks]
    for each in reversed(what):
        insert(entries, place, each)
    return [str(violation) for violation in check(entries)]


SNAPSHOT = ev.SnapshotEvent(fold(ev.Record(s, s * 10, e) for s, e in enumerate(SUPERSEDED[:4], 1)))


def test_a_snapshot_stands_for_all_up_to_it() -> None:
    assert _late_joiner((4, SNAPSHOT), (5, SUPERSEDED[4])) == []
    assert "snapshot" in _late_joiner((3, SNAPSHOT), (4, SUPERSEDED[3]), (5, SUPERSEDED[4]))[0]
    assert "mid-stream" in _late_joiner((1, SUPERSEDED[0]), (4, SNAPSHOT), (5, SUPERSEDED[4]))[0]


def test_merged_text_stands_for_its_pieces() -> None:
    rest = [(seq, SUPERSEDED[seq - 1]) for seq in (3, 4, 5)]
    apart = [(seq, SUPERSEDED[seq - 1]) for seq in (1, 2)]
    assert _late_joiner(*apart, *rest) == []
    assert "superseded" in _late_joiner((2, ev.Chunk("The sonw ", 0)), *rest)[0]
    assert "not the text" in _late_joiner((2, ev.Chunk("The snow ", 0)), *rest)[0]
    assert "one part" in _late_joiner(apart[0], (4, ev.Chunk("sonw snow", 0)), rest[-1])[0]
    assert "got 4 after 2" in _late_joiner(*apart, *rest[1:])[0]


def test_a_filter_leaves_out_only_what_was_not_asked_for() -> None:
    entries = good().entries
    place = index(entries, seen.RowFound)
    payloads = encoded(EVENTS)
    what: list[seen.Seen] = [
        seen.Opened(RUN, "few", 1, types=("call", "complete")),
        seen.Got("few", 1, 1, payloads[0]),
        seen.Got("few", 1, 4, None),
        seen.Got("few", 1, 5, payloads[4]),
    ]
    for each in reversed(what):
        insert(entries, place, each)
    assert check(entries) == []


def test_an_end_that_became_durable_as_the_server_died_won_the_race_with_the_cancel() -> None:
    entries = good().entries
    place = index(entries, seen.Durable, tail=5)
    for before_s, what in ((0.01, seen.Up()), (0.02, seen.Down()), (0.03, seen.Cancelled(RUN))):
        insert(entries, place, what, entries[place].at - before_s)
    violations = check(entries)
    assert not violations, report(violations)


def test_a_full_disk_delays_an_end_and_may_lose_what_was_heard() -> None:
    entries = good().entries
    partial_dropped(entries)
    too_late(entries)
    place = index(entries, seen.Durable, tail=5)
    insert(entries, place, seen.SpaceBack(), entries[place].at - 0.5)
    insert(entries, index(entries, seen.Durable, tail=4), seen.SpaceGone())
    violations = check(entries)
    assert not violations, report(violations)


@pytest.mark.parametrize(("by_s", "too_long"), [(-3600.0, False), (3600.0, True)])
def test_a_clock_that_was_set_back_hides_what_no_server_was_there_for(by_s: float, too_long: bool) -> None:
    entries = good().entries
    too_late(entries)
    last = index(entries, seen.Durable, tail=5)
    insert(entries, last, seen.Claimed(RUN, 2, "next"), entries[last].at - 0.5)
    insert(entries, index(entries, seen.Durable, tail=4), seen.ClockSet(by_s))
    assert ("I10" in {violation.invariant for violation in check(entries)}) is too_long


def test_histories_of_several_processes_become_one(tmp_path: Path) -> None:
    whole = good()
    files = [tmp_path / "clients", tmp_path / "rest"]
    now = 0.0
    parts = [History(lambda: now, path) for path in files]
    for at, what in whole:
        now = at
        parts[not isinstance(what, seen.Opened | seen.Got | seen.Closed)].note(what)
    for part in parts:
        part.close()
    merged = merge(read(path.read_bytes()) for path in reversed(files))
    assert sorted(merged.entries, key=repr) == sorted(whole.entries, key=repr)
    assert check(merged) == []


def test_a_torn_last_line_is_left_out() -> None:
    lines = good().lines()
    assert len(read(lines[:-5])) == len(read(lines)) - 1
