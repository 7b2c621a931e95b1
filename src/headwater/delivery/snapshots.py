"""Snapshots: of a live run folded as its log grows, of an ended one as it was stored."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from headwater.delivery.view import Block, Encoding
from headwater.domain import event as ev
from headwater.domain.run import Run
from headwater.domain.snapshot import Fold, Snapshot
from headwater.errors import LogMissing
from headwater.storage.contract import EventLog, Page

#: Live runs whose fold is kept from one request to the next.
FOLDS_MAX = 64


class _Entry:
    """A fold with the seqs from which on attempts superseded what was before, and its last record as it is sent."""

    __slots__ = ("breaks", "fold", "payload", "payload_seq")

    def __init__(self) -> None:
        self.fold = Fold()
        self.breaks: set[int] = set()
        self.payload: bytes | None = None
        self.payload_seq = -1

    def apply(self, payload: bytes) -> None:
        record = ev.decode_record(payload)
        # Another request may have taken the fold this far while the page was on its way.
        if record.seq <= self.fold.seq:
            return
        self.fold.apply(record)
        if isinstance(record.event, ev.Attempt) and record.event.supersedes_from is not None:
            self.breaks.add(record.event.supersedes_from)


class Opening(NamedTuple):
    """What a late joiner is given of the past up to `seq`: one snapshot, or None where that is too long for a record.

    Then the past is to be replayed with its text coalesced between the `breaks`.
    """

    seq: int
    snapshot: Block | None
    breaks: frozenset[int]


class Snapshots:
    """Folds runs. The folds of live runs are kept, so that asking again costs only what is new."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._entries: dict[str, _Entry] = {}

    async def of(self, run: Run) -> Snapshot:
        """What the run amounts to at its durable tail. Raises `StorageError`."""
        if run.snapshot is not None:
            return run.snapshot
        try:
            entry = await self._folded(run.id, final=True)
        except LogMissing:
            return Fold().snapshot()  # it has not begun
        return entry.fold.snapshot()

    async def opening(self, run: str, encoding: Encoding) -> Opening:
        """How a reader that asks for a snapshot begins. The final record is not in it: that one follows by itself.

        Raises `StorageError`.
        """
        entry = await self._folded(run, final=False)
        fold = entry.fold
        if fold.seq == 0:
            return Opening(0, None, frozenset())
        if entry.payload_seq != fold.seq:
            payload = ev.encode_record(fold.seq, fold.t, ev.SnapshotEvent(fold.snapshot()))
            entry.payload = payload if len(payload) <= ev.RECORD_BYTES_MAX else None
            entry.payload_seq = fold.seq
        if entry.payload is None:
            return Opening(fold.seq, None, frozenset(entry.breaks))
        return Opening(fold.seq, Block(encoding.record(fold.seq, entry.payload), fold.seq, single=True), frozenset())

    def forget(self, run: str) -> None:
        """Lets go of a run's fold, if it is kept."""
        self._entries.pop(run, None)

    async def _folded(self, run: str, *, final: bool) -> _Entry:
        """The fold of the whole log; without its final record, if so asked."""
        entry = self._entries.get(run) or _Entry()
        while True:
            page = await self._page(run, entry.fold.seq)
            if page.closed:
                break
            self._keep(run, entry)
            if not page.payloads:
                return entry
            for payload in page.payloads:
                entry.apply(payload)
        # An ended run's fold is nobody else's and is not kept: its snapshot is stored, or will be in a moment.
        self.forget(run)
        entry = _Entry()
        while entry.fold.seq < page.tail - (0 if final else 1):
            page = await self._page(run, entry.fold.seq)
            wanted = page.payloads if final or page.last < page.tail else page.payloads[:-1]
            for payload in wanted:
                entry.apply(payload)
        return entry

    async def _page(self, run: str, after: int) -> Page:
        page = self._log.peek(run, after)
        if page is None:
            return await self._log.read(run, after)
        # Folding a page takes milliseconds; whoever else is due may go first.
        await asyncio.sleep(0)
        return page

    def _keep(self, run: str, entry: _Entry) -> None:
        self._entries.pop(run, None)
        self._entries[run] = entry
        while len(self._entries) > FOLDS_MAX:
            del self._entries[next(iter(self._entries))]
