"""Which records are in the journal only, and which of them go to segments next. Pure; times are given.

Every commit adds one frame to the journal. A frame can go once all of its records are in segments, so the
run whose oldest such record is oldest goes first: `dirty` is kept in that order. A run is written out

- when the journal has grown past its limit, the oldest runs first, some with each commit;
- soon after it has ended;
- when it has not grown for a while.

What is in segments leaves memory one to two ticks later, so that a reader close behind finds it there.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from headwater.storage.tail import Tail

#: The journal is kept near this size: it is what a start has to replay, and what memory holds at most twice.
JOURNAL_BYTES = 4 << 20
#: How much is written out with one commit, so that no commit takes long.
FLUSH_BYTES = 32 << 10
#: A run that has not grown for so long is written out.
IDLE_S = 5.0


class Flush(NamedTuple):
    """Records of one run, to be written as a segment; there may be none where only the tail is to be noted."""

    tail: Tail
    first: int
    payloads: list[bytes]
    last: int
    closed: bool
    #: the journal's oldest frame with a record of it
    journal_id: int


class Backlog:
    """The engine's list of what is still to be written out."""

    def __init__(self, journal_bytes: int = JOURNAL_BYTES, idle_s: float = IDLE_S) -> None:
        self._journal_bytes = journal_bytes
        self._idle_s = idle_s
        #: each run with records in the journal only → the oldest frame with one, oldest first
        self.dirty: dict[Tail, int] = {}
        self._frames: deque[tuple[int, int]] = deque()
        self._size = 0
        self._due: dict[Tail, None] = {}
        self._warm: dict[Tail, None] = {}
        self._cool: dict[Tail, None] = {}

    @property
    def journal_size(self) -> int:
        return self._size

    @property
    def has_work(self) -> bool:
        """Whether a tick has anything to do, now or later."""
        return bool(self.dirty or self._warm or self._cool)

    @property
    def is_over(self) -> bool:
        """Whether the journal has grown past its limit."""
        return self._size > self._journal_bytes

    @property
    def has_due(self) -> bool:
        return bool(self._due)

    def committed(self, journal_id: int, size: int) -> None:
        """A frame that takes so many bytes is in the journal; those of its runs not in `dirty` have to be put there."""
        self._frames.append((journal_id, size))
        self._size += size

    def tick(self, now: float) -> list[Tail]:
        """Time goes by: finds what is due, and returns the runs whose flushed records may leave memory."""
        released = list(self._cool)
        self._cool, self._warm = self._warm, {}
        for tail in self.dirty:
            if tail.ended or now - tail.touched >= self._idle_s:
                self._due[tail] = None
        return released

    def take(self, everything: bool = False) -> list[Flush]:
        """What to write out with the next commit; it counts as written unless it is given to `put_back`."""
        taken: list[Flush] = []
        size = 0
        while self.dirty and (everything or size < FLUSH_BYTES):
            if self._due:
                tail = next(iter(self._due))
                del self._due[tail]
                if tail not in self.dirty:
                    continue
            elif self.is_over or everything:
                tail = next(iter(self.dirty))
            else:
                break
            first, payloads = tail.unflushed()
            taken.append(Flush(tail, first, payloads, tail.durable, tail.ended, self.dirty.pop(tail)))
            size += sum(map(len, payloads))
        return taken

    def lowest_frame(self, next_id: int) -> int:
        """Frames before this one hold nothing that is not in segments, once what was taken is."""
        return next(iter(self.dirty.values()), next_id)

    def flushed(self, flushes: list[Flush], low: int) -> None:
        """What was taken is in segments, and the frames before `low` are gone."""
        for flush in flushes:
            flush.tail.flushed = max(flush.tail.flushed, flush.last)
            self._warm[flush.tail] = None
        while self._frames and self._frames[0][0] < low:
            self._size -= self._frames.popleft()[1]

    def put_back(self, flushes: list[Flush]) -> None:
        """What was taken could not be written."""
        older = {flush.tail: flush.journal_id for flush in flushes}
        for tail in older:
            self.dirty.pop(tail, None)
        self.dirty = dict(sorted((older | self.dirty).items(), key=lambda item: item[1]))

    def forget(self, tail: Tail) -> None:
        """The run's log was deleted."""
        self.dirty.pop(tail, None)
        self._warm.pop(tail, None)
        self._cool.pop(tail, None)
        self._due.pop(tail, None)
