"""What one client got over all its connections, held against the log of its run."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tests.kit.answer import TEXT_TYPES, Record, answer_text, parse
from tests.kit.facts import Reading, Run
from tests.kit.history import Closed, Got, Opened


class Read:
    """Walks a client's observations. `known` holds what clients of a run without a log to look at have got so far."""

    def __init__(self, client: Reading, run: Run, known: dict[int, bytes] | None = None) -> None:
        self._client = client
        self._run = run
        self._known: dict[int, bytes] = {} if known is None else known
        self._opened: Opened | None = None
        self._tail_at_opening = 0
        #: the seq up to which the client has everything; None before its first connection
        self._has: int | None = None
        self._final = False
        #: whether the connection's first record may stand for all up to it
        self._opening = False

    # ── I1 ──────────────────────────────────────────────────────────────────────────────────────

    def before_durable(self) -> Iterator[str]:
        run = self._run
        for event, durable_tail in self._client.events:
            if isinstance(event, Closed):
                if event.code == "CURSOR_AHEAD" and not run.deleted:
                    yield "the server does not know a cursor that it gave"
            elif isinstance(event, Got):
                if run.durable_noted and event.seq > durable_tail:
                    yield f"got {event.seq} when only {durable_tail} was durable"
                if run.log is not None and event.seq > len(run.log.payloads):
                    yield f"got {event.seq}, but the log ends at {len(run.log.payloads)}"

    # ── I2 ──────────────────────────────────────────────────────────────────────────────────────

    def faults(self) -> Iterator[str]:
        for event, durable_tail in self._client.events:
            match event:
                case Opened():
                    self._opened, self._tail_at_opening = event, durable_tail
                    self._opening = event.from_snapshot
                    if self._has is None:
                        self._has = 0 if event.from_snapshot else event.after
                case Got():
                    yield from self._got(event)
                case Closed():
                    yield from self._closed(event)

    def _got(self, got: Got) -> Iterator[str]:
        assert self._opened is not None
        assert self._has is not None
        has = self._has
        if self._final:
            yield f"got {got.seq} after the final record"
        if got.seq <= has and not (self._opening and got.seq == has):
            yield f"got {got.seq}, though it had {has} already"
            return
        self._has = got.seq
        if got.payload is None:
            yield from self._skipped(has, got.seq, "an id without a record")
            return
        try:
            record = parse(got.payload)
        except msgspec.MsgspecError:
            yield f"got something as {got.seq} that is no record"
            return
        self._final = record.is_final
        if record.seq != got.seq:
            yield f"the block's id is {got.seq}, the record's seq {record.seq}"
        reference = self._reference(got)
        if got.seq == has + 1 and got.payload == reference:
            self._opening = False
        elif self._opened.from_snapshot and got.payload != reference:
            yield from self._stands_for(has, record)
        elif got.payload != reference and reference is not None:
            yield f"record {got.seq} is not what the log holds, or another client got"
        else:
            yield from self._skipped(has, got.seq - 1, f"{got.seq}")

    def _reference(self, got: Got) -> bytes | None:
        """What the log holds there; of a log that is gone, what the first client got there."""
        assert self._opened is not None
        if self._run.log is not None:
            payloads = self._run.log.payloads
            return payloads[got.seq - 1] if got.seq <= len(payloads) else None
        if self._opened.from_snapshot:
            return self._known.get(got.seq)
        return self._known.setdefault(got.seq, got.payload or b"")

    def _skipped(self, has: int, to: int, what: str) -> Iterator[str]:
        """Records that a client did not get, though it got something after them."""
        assert self._opened is not None
        if has >= to:
            return
        if self._opened.types is None:
            yield f"got {what} after {has}"
            return
        missed = [record.seq for record in self._run.records[has:to] if record.type in self._opened.types]
        if missed:
            yield f"got {what} after {has}, without {missed[:5]} of a type that it asked for"

    def _stands_for(self, has: int, record: Record) -> Iterator[str]:
        """A record that stands for others: a snapshot of all up to it, or text of one part put together."""
        past = self._run.records
        if not past:
            return  # the log is gone, so nothing is known of what this stands for
        if record.type == "snapshot":
            if not self._opening:
                yield f"got a snapshot as {record.seq} in mid-stream"
            said, text = record.data["snapshot"]["text"], answer_text(past[: record.seq])
            self._opening = False
            if said != text:
                yield f"the snapshot at {record.seq} says {said[:60]!r}, the log {text[:60]!r}"
            return
        merged = past[has : record.seq]
        if record.type not in TEXT_TYPES or any(
            each.type not in TEXT_TYPES or each.part != record.part for each in merged
        ):
            yield f"record {record.seq} stands for {has + 1} to {record.seq}, which are not text of one part"
            return
        if "".join(each.data["content"] for each in merged) != record.data["content"]:
            yield f"record {record.seq} is not the text of {has + 1} to {record.seq}"
        for attempt in past[: self._tail_at_opening]:
            start = attempt.data.get("supersedes_from") if attempt.type == "attempt" else None
            if start is not None and has + 1 < start <= record.seq:
                yield f"record {record.seq} puts text together over {start}, from which on an attempt superseded it"

    def _closed(self, closed: Closed) -> Iterator[str]:
        if self._run.log is None or self._has is None:
            if self._run.deleted and closed.how == "stuck":
                yield f"waits at {self._has} for a run that was deleted"
            return
        tail = len(self._run.log.payloads)
        if closed.how == "stuck" and self._has < tail:
            yield f"waits at {self._has}, though the run ended at {tail}"
        elif closed.how == "none" and self._has != tail:
            yield f"was told at {self._has} that nothing follows, though the run ended at {tail}"
