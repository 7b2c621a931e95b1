"""One run's log as the engine holds it in memory: what was accepted, what is durable, the newest records."""

from __future__ import annotations

from headwater.storage.contract import LogState, Page


class Tail:
    """The growing end of a log. Seqs: `first … base` are on disk only, `base + 1 … durable` are in `records`.

    `tail` and `closed` count what was accepted, `durable` and `ended` what is on disk. What is beyond
    `flushed` is on disk only as part of the journal.
    """

    __slots__ = (
        "base", "closed", "deleted", "durable", "durable_epoch", "ended", "epoch",
        "first", "flushed", "key", "records", "run", "tail", "touched",
    )  # fmt: skip

    def __init__(self, run: str, key: int, state: LogState) -> None:
        self.run = run
        self.key = key
        self.epoch = self.durable_epoch = state.epoch
        self.first = state.first
        self.tail = self.durable = self.flushed = self.base = state.tail
        self.closed = self.ended = state.closed
        self.deleted = False
        #: durable records, `records[0]` being record `base + 1`
        self.records: list[bytes] = []
        #: when it last grew, in the loop's seconds
        self.touched = 0.0

    def state(self) -> LogState:
        return LogState(self.durable, self.ended, self.durable_epoch, self.first)

    def roll_back(self) -> None:
        """Forgets what was accepted and is not durable. The epoch stays raised: a fence is never taken down."""
        self.tail, self.closed = self.durable, self.ended or self.deleted

    def page(self, after: int, records_max: int, bytes_max: int) -> Page | None:
        """The records after a seq, or None where they are not in memory."""
        start = after - self.base
        if start < 0:
            return None
        payloads = self.records[start : start + records_max]
        if len(payloads) > 1:
            size = 0
            for number, payload in enumerate(payloads):
                size += len(payload)
                if size > bytes_max and number:
                    del payloads[number:]
                    break
        return Page(after, payloads, self.durable, self.ended)

    def unflushed(self) -> tuple[int, list[bytes]]:
        """The durable records that are in no segment yet, and the seq of the first of them."""
        after = max(self.flushed, self.first - 1)
        return after + 1, self.records[after - self.base :]

    def release(self) -> None:
        """Lets go of the records in memory that are in segments."""
        count = self.flushed - self.base
        if count > 0:
            del self.records[:count]
            self.base = self.flushed

    def trimmed(self, first: int) -> None:
        """Everything before `first` is gone."""
        self.first = max(self.first, first)
        count = self.first - 1 - self.base
        if count > 0:
            del self.records[:count]
            self.base = self.first - 1
            self.flushed = max(self.flushed, self.base)
