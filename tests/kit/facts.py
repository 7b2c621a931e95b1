"""A history, sorted by what it is about: one pass over the entries, so that each invariant reads only its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from tests.kit import history as seen
from tests.kit.answer import Record, parse


class Reading:
    """A client: what it noted, in order, and where the durable tail of its run stood at each time."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.events: list[tuple[seen.Opened | seen.Got | seen.Closed, int]] = []


class Run:
    """A run: everything that was noted of it."""

    def __init__(self, run: str, first_at: float) -> None:
        self.id = run
        #: when it was first heard of
        self.first_at = first_at
        self.prompt: str | None = None
        self.submitted: list[seen.Submitted] = []
        self.cancel_asked = False
        self.cancelled_at: list[float] = []
        self.deleted = False
        self.durable_tail = 0
        #: for how long it was nobody's, so that only the wall clock could know, which had been set back
        self.unknown_s = 0.0
        #: None where nobody looked below the log
        self.final_at: float | None = None
        self.durable_noted = False
        #: with the durable tail at the time
        self.looks: list[tuple[seen.Looked, int]] = []
        self.writes: list[seen.Claimed | seen.Appended] = []
        #: when somebody wrote in it, or what was written became durable
        self.written_at: list[float] = []
        self.row: seen.RowFound | None = None
        self.log: seen.LogFound | None = None
        self.records: list[Record] = []
        #: why the log's bytes are no records
        self.malformed: str | None = None

    @property
    def on_crash(self) -> str:
        return self.submitted[0].on_crash if self.submitted else "interrupt"

    @property
    def final(self) -> Record | None:
        return self.records[-1] if self.records and self.records[-1].is_final else None


class Upstream:
    """One model call: what was said in it, how much of that was heard, and how it ended."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.heard = 0
        self.whole: bool | None = None

    @property
    def text(self) -> str:
        return "".join(self.said)

    @property
    def heard_text(self) -> str:
        return "".join(self.said[: self.heard])


class Facts:
    """All of a history. Times are its clock's seconds."""

    def __init__(self, entries: Iterable[seen.Entry]) -> None:
        self.runs: dict[str, Run] = {}
        self.clients: dict[str, Reading] = {}
        self.upstream: dict[str, dict[int, Upstream]] = defaultdict(dict)
        self.downs: list[float] = []
        self.ups: list[float] = []
        self.space_gone: list[float] = []
        self.space_back: list[float] = []
        self.set_back: list[float] = []
        self.before: dict[str, int] | None = None
        self.after: dict[str, int] | None = None
        for at, what in entries:
            self._take(at, what)

    def run(self, run: str, at: float) -> Run:
        """The run, made where this is the first that is heard of it."""
        if run not in self.runs:
            self.runs[run] = Run(run, at)
        return self.runs[run]

    def runs_of(self, prompt: str) -> list[Run]:
        return [run for run in self.runs.values() if run.prompt == prompt]

    def trouble_between(self, start: float, end: float) -> bool:
        """Whether anything that was not durable yet could be lost in that time."""
        return any(start <= at <= end for at in self.downs) or self.full_between(start, end)

    def full_between(self, start: float, end: float) -> bool:
        """Whether the disk was full at any moment of that time."""
        backs = [*self.space_back, float("inf")]
        return any(gone <= end and min(b for b in backs if b >= gone) >= start for gone in self.space_gone)

    def _take(self, at: float, what: seen.Seen) -> None:
        match what:
            case seen.Got():
                reading = self.clients[what.client]
                reading.events.append((what, self.runs[reading.run].durable_tail))
            case seen.Opened():
                reading = self.clients.setdefault(what.client, Reading(what.run))
                reading.events.append((what, self.run(what.run, at).durable_tail))
            case seen.Closed():
                reading = self.clients[what.client]
                reading.events.append((what, self.runs[reading.run].durable_tail))
            case seen.UpstreamCalled() | seen.UpstreamSaid() | seen.UpstreamHeard() | seen.UpstreamEnded():
                self._take_upstream(what)
            case seen.Down():
                self.downs.append(at)
            case seen.Up():
                self.ups.append(at)
            case seen.SpaceGone():
                self.space_gone.append(at)
            case seen.SpaceBack():
                self.space_back.append(at)
            case seen.ClockSet():
                self.set_back += [at] if what.by_s < 0 else []
            case seen.Counted():
                if what.when == "before":
                    self.before = what.counts
                else:
                    self.after = what.counts
            case _:
                self._take_of_run(self.run(what.run, at), at, what)

    def _take_of_run(
        self,
        run: Run,
        at: float,
        what: seen.Submitted
        | seen.CancelAsked
        | seen.Cancelled
        | seen.Deleted
        | seen.Looked
        | seen.Durable
        | seen.Claimed
        | seen.Appended
        | seen.LogFound
        | seen.RowFound,
    ) -> None:
        match what:
            case seen.Submitted():
                run.submitted.append(what)
                run.prompt = what.prompt or run.prompt
            case seen.CancelAsked():
                run.cancel_asked = True
            case seen.Looked():
                run.looks.append((what, run.durable_tail))
            case seen.Cancelled():
                run.cancel_asked = True
                run.cancelled_at.append(at)
            case seen.Deleted():
                run.cancel_asked = run.deleted = True
            case seen.Durable():
                run.durable_noted = True
                run.written_at.append(at)
                run.durable_tail = what.tail
                if what.closed and run.final_at is None:
                    run.final_at = at
            case seen.Claimed() | seen.Appended():
                if isinstance(what, seen.Claimed) and any(run.first_at <= back for back in self.set_back):
                    run.unknown_s += at - max(run.written_at, default=at)
                run.writes.append(what)
                run.written_at.append(at)
            case seen.LogFound():
                run.log = what
                try:
                    run.records = [parse(payload) for payload in what.payloads]
                except msgspec.MsgspecError as error:
                    run.malformed = str(error)
            case seen.RowFound():
                run.row = what
                run.prompt = what.prompt or run.prompt

    def _take_upstream(
        self, what: seen.UpstreamCalled | seen.UpstreamSaid | seen.UpstreamHeard | seen.UpstreamEnded
    ) -> None:
        call = self.upstream[what.prompt].setdefault(what.call, Upstream())
        match what:
            case seen.UpstreamSaid():
                call.said.append(what.text)
            case seen.UpstreamHeard():
                call.heard = len(call.said)
            case seen.UpstreamEnded():
                call.whole = what.whole
            case _:
                pass
