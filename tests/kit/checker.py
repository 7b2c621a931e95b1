"""Judges a history: every invariant that a test of anything bigger than a function has to keep.

    violations = check(history)
    assert not violations, report(violations)

What was not noted is not judged, so the same checker serves a simulation that sees below the log and a crash loop
that sees only sockets. Each invariant is a function over `Facts`; `INVARIANTS` is the list of them.

    I1   nothing is visible before it is durable, and what was seen is there at the end
    I2   each client got its run's records in order, without gap or duplicate, equal to the log, to the end
    I3   exactly one final record, last; the row says the same; a cut run ends, or goes on, within 2 s of the start
         after it
    I4   `complete` only if the upstream's stream was whole (of several attempts, the last one's); what was put out
         before another end is kept
    I5   one writer per run and epoch; epochs only go up
    I6   resources return to where they were
    I8   one idempotency key, one run, one call; one more for each attempt, and for each crash where that was asked for
    I10  a run ends within its limit plus one second, and after a cancel within one; what no server was there for counts
         unless the wall clock was set back meanwhile
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from tests.kit.answer import STATES, Record, answer_text
from tests.kit.facts import Facts, Run, Upstream
from tests.kit.history import Claimed, Entry
from tests.kit.reading import Read

LIMIT_SLACK_S = 1.0
RECOVERY_S = 2.0
#: Of one call, by the product's defaults: three of a model, and one model to fall back to.
TRIES_MAX = 6


class Violation(NamedTuple):
    invariant: str
    #: the run, client or resource that it is about
    where: str
    words: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.where}: {self.words}"


def check(history: Iterable[Entry]) -> list[Violation]:
    """All that is wrong with a history, by invariant; empty if nothing is."""
    facts = Facts(history)
    return [Violation(invariant, where, words) for invariant, judge in INVARIANTS for where, words in judge(facts)]


def report(violations: Iterable[Violation], most: int = 20) -> str:
    """The first violations, a line each."""
    lines = [str(violation) for violation in violations]
    return "\n".join([*lines[:most], *([f"… and {len(lines) - most} more"] if len(lines) > most else [])])


Found = Iterator[tuple[str, str]]


def seen_is_durable(facts: Facts) -> Found:
    for name, client in facts.clients.items():
        run = facts.runs[client.run]
        yield from ((name, words) for words in Read(client, run).before_durable())
    for run in facts.runs.values():
        for look, durable_tail in run.looks:
            if run.durable_noted and look.seq > durable_tail:
                yield look.client, f"was shown a snapshot at {look.seq} when only {durable_tail} was durable"


def exactly_once_in_order(facts: Facts) -> Found:
    shared: dict[str, dict[int, bytes]] = {}
    for name, client in facts.clients.items():
        run = facts.runs[client.run]
        known = shared.setdefault(run.id, {})
        yield from ((name, words) for words in Read(client, run, known).faults())
    for run in facts.runs.values():
        for look, _ in run.looks:
            if run.log is not None and look.text != (text := answer_text(run.records[: look.seq])):
                yield look.client, f"the snapshot at {look.seq} says {_short(look.text)}, the log {_short(text)}"
        if run.malformed:
            yield run.id, f"the log holds something that is no record: {run.malformed}"
        last_t = 0
        for place, record in enumerate(run.records, 1):
            if record.seq != place:
                yield run.id, f"record {place} of the log has seq {record.seq}"
                break
            if record.t < last_t:
                yield run.id, f"time goes back at record {place}: {last_t} to {record.t}"
            last_t = record.t


def one_end(facts: Facts) -> Found:
    for run in facts.runs.values():
        if run.log is None:
            continue
        finals = [record.seq for record in run.records if record.is_final]
        if finals != [len(run.records)]:
            yield run.id, f"final records at {finals} of {len(run.records)}"
        if not run.log.closed:
            yield run.id, "the log is not closed"
        if run.final is not None and run.row is not None:
            state = STATES[run.final.type]
            if run.row.state != state:
                yield run.id, f"the row says {run.row.state}, the log {state}"
            if run.row.text is not None and run.row.text != (text := answer_text(run.records)):
                yield run.id, f"the row's text is {_short(run.row.text)}, the log's {_short(text)}"
    for run in facts.runs.values():
        yield from _end_after_restart(facts, run)
        ended: str | None = None
        for look, _ in run.looks:
            if ended is not None and look.state != ended:
                yield run.id, f"was shown as {ended}, and as {look.state} later"
            ended = look.state if look.state in STATES.values() else None


def _end_after_restart(facts: Facts, run: Run) -> Found:
    """Only where its end was seen below the log. A run that was cut is ended soon after the start that follows, or
    goes on."""
    if run.final_at is None:
        return
    downs = [at for at in facts.downs if run.first_at <= at < run.final_at]
    ups = [at for at in facts.ups if downs and at >= downs[-1]]
    if not ups or facts.full_between(ups[0], run.final_at):
        return
    # whose start was never answered: nobody noted what it asked for
    may_go_on = run.on_crash != "interrupt" or not run.submitted
    if may_go_on and any(ups[0] <= at <= ups[0] + RECOVERY_S for at in run.written_at):
        return
    if (late := run.final_at - ups[0]) > RECOVERY_S:
        yield run.id, f"ended {late:.3f} s after the start that followed the crash"


def honest_end(facts: Facts) -> Found:
    for run in facts.runs.values():
        if run.final is None:
            continue
        text = answer_text(run.records)
        calls = facts.upstream.get(run.prompt or "", {})
        alone = len(facts.runs_of(run.prompt or "")) == 1
        answer = run.submitted[0].answer if run.submitted else None
        if run.final.type == "complete":
            newest = list(calls.values())[-1:] if _made_anew(run) else calls.values()
            if alone and not all(call.whole for call in newest):
                yield run.id, "complete, though its upstream's stream was not whole"
            if answer is not None and text != answer:
                yield run.id, f"complete with {_short(text)}, not {_short(answer)}"
        elif run.final.type == "cancelled" and run.submitted and not _cancellable(run, run.final.data["by"]):
            yield run.id, f"cancelled by {run.final.data['by']}, though nobody asked for it"
        elif (length := run.final.data.get("partial_bytes", 0)) != len(text.encode()):
            yield run.id, f"the partial has {len(text.encode())} bytes, the final record says {length}"
        if alone and len(calls) == 1:
            yield from ((run.id, words) for words in _kept(facts, run, text, *calls.values()))
    for prompt, calls in facts.upstream.items():
        complete = [run for run in facts.runs_of(prompt) if run.final and run.final.type == "complete"]
        if len(complete) > sum(call.whole is True for call in calls.values()):
            yield prompt, f"{len(complete)} runs complete, more than whole streams of their upstream"


def _made_anew(run: Run) -> bool:
    """Whether its call may have been made several times, of which the last one counts."""
    return run.on_crash in ("rerun", "continue") or any(record.type == "attempt" for record in run.records)


def _cancellable(run: Run, by: str) -> bool:
    return run.cancel_asked if by == "user" else not run.submitted[0].stays


def _kept(facts: Facts, run: Run, text: str, call: Upstream) -> Iterator[str]:
    """Of a run with one call: its text is what was said, up to where it was heard unless something was lost."""
    if not call.text.startswith(text):
        yield f"the text {_short(text)} is not how {_short(call.text)} begins"
    end = float("inf") if run.final_at is None else run.final_at
    if len(text) < len(call.heard_text) and not facts.trouble_between(run.first_at, end):
        yield f"the text has {len(text)} of {len(call.heard_text)} characters that were heard"


def one_writer(facts: Facts) -> Found:
    for run in facts.runs.values():
        epoch, writer = 0, ""
        for write in run.writes:
            if isinstance(write, Claimed):
                if write.epoch <= epoch:
                    yield run.id, f"epoch {write.epoch} was claimed after {epoch}"
                epoch, writer = write.epoch, write.writer
            elif write.epoch < epoch or (write.epoch == epoch and write.writer != writer):
                yield run.id, f"an append of {write.writer} under epoch {write.epoch} was taken after {epoch}"
        if run.log is not None and run.log.epoch is not None and run.log.epoch < epoch:
            yield run.id, f"the log's epoch is {run.log.epoch}, though {epoch} was claimed"


def resources_return(facts: Facts) -> Found:
    if facts.before is None or facts.after is None:
        return
    for name, count in facts.after.items():
        if count > (before := facts.before.get(name, 0)):
            yield name, f"{count} at the end, {before} at the beginning"


def one_key_one_run(facts: Facts) -> Found:
    runs_by_key: dict[str, set[str]] = {}
    for run in facts.runs.values():
        for submitted in run.submitted:
            if submitted.key is not None:
                runs_by_key.setdefault(submitted.key, set()).add(run.id)
    for key, runs in runs_by_key.items():
        if len(runs) > 1:
            yield key, f"made {len(runs)} runs"
    for prompt, calls in facts.upstream.items():
        runs_of = facts.runs_of(prompt)
        asked = max((sum(record.type == "call" for record in run.records) for run in runs_of), default=1) or 1
        again = sum(map(partial(_made_again, facts), runs_of))
        if runs_of and len(calls) > len(runs_of) * asked + again:
            yield prompt, f"{len(calls)} calls for {len(runs_of)} runs"


def _made_again(facts: Facts, run: Run) -> int:
    """How many calls of the run may be further tries: its attempts, and those whose record was lost with the server
    that made them. One may have been lost before each start of a server; before the first alone where that ended the
    run, and none where a call is in the log before it is made."""
    # what a run that was deleted had done nobody can tell any more
    attempts = sum(record.type == "attempt" for record in run.records) if not run.deleted else TRIES_MAX - 1
    starts = sum(run.first_at <= at for at in facts.ups)
    lost_max = {"rerun": starts, "interrupt": 1}.get(run.on_crash, 0)
    return attempts + min(starts, lost_max)


def in_time(facts: Facts) -> Found:
    for run in facts.runs.values():
        if run.final_at is None or not run.submitted:
            continue
        started, submitted = run.first_at, run.submitted[0]
        # While the disk is full no record can be written; what counts then is when there is space again.
        freed = [at + RECOVERY_S for at in (*facts.space_back, *facts.ups) if at <= run.final_at]
        if submitted.total_s is not None:
            due = max([started + submitted.total_s + run.unknown_s + LIMIT_SLACK_S, *freed])
            if run.final_at > due:
                yield (
                    run.id,
                    f"ended {run.final_at - started:.3f} s after it began; its limit is {submitted.total_s:g} s",
                )
        if run.cancelled_at:
            cancelled_at = run.cancelled_at[0]
            if run.final_at > max([cancelled_at + LIMIT_SLACK_S, *freed]):
                yield run.id, f"ended {run.final_at - cancelled_at:.3f} s after a cancel was accepted"
            elif _is_interruption(run.final) and _lost(facts, cancelled_at, run.final_at):
                yield run.id, "a cancel was accepted before the crash, and the run ended as interrupted"


def _is_interruption(final: Record | None) -> bool:
    """Whether the end was written by the server that came after: any other may have won the race with the cancel,
    and become durable in the moment of the crash, before anyone noted it."""
    return final is not None and final.type == "error" and final.data.get("code") == "INTERRUPTED"


def _lost(facts: Facts, asked_at: float, final_at: float) -> bool:
    """Whether the server that took the request was gone when the run ended: then only the row could know of it."""
    return any(asked_at <= at < final_at for at in facts.downs)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:40]}…({len(text)})…{text[-15:]}")


INVARIANTS: tuple[tuple[str, Callable[[Facts], Found]], ...] = (
    ("I1", seen_is_durable),
    ("I2", exactly_once_in_order),
    ("I3", one_end),
    ("I4", honest_end),
    ("I5", one_writer),
    ("I6", resources_return),
    ("I8", one_key_one_run),
    ("I10", in_time),
)
