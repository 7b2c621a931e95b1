"""One reader: a cursor and a loop that reads what follows it and hands it to a sink. Pure: no await, no clock.

Replaying the past and following live are the same loop. It stops for four reasons, and each has its
own way to be called again:

    state       why it stands still                       who wakes it
    FOLLOWING   it has all there is                       the feed, when the log has moved
    FULL        the sink takes no more, or is held        the sink, when it has drained
    LOADING     the next page is on the disk              the feed, when the page is there
    YIELDED     it has had its turn, others wait          the event loop
    ENDED       nothing will follow                       nobody

There is no queue: a reader that falls behind falls behind in the log.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from headwater.delivery.view import BLOCK_BYTES_MAX, Block, View

#: Blocks that one reader may be given before the others have their turn.
BLOCKS_PER_TURN = 8


class State(Enum):
    FOLLOWING = auto()
    FULL = auto()
    LOADING = auto()
    YIELDED = auto()
    ENDED = auto()


class Why(Enum):
    """How a subscription ended; the values are telemetry's."""

    END = "end"
    CLIENT = "client"
    STALLED = "stalled"
    DRAIN = "drain"
    DELETED = "deleted"
    ERROR = "error"


#: Ends after which the answer is whole, so far as the connection goes: the client may trust its last byte.
CLEAN = frozenset({Why.END, Why.DRAIN, Why.DELETED})


class Sink(Protocol):
    """Where a reader's bytes go. None of the methods waits or raises."""

    def write(self, data: bytes) -> bool:
        """Takes the bytes, always; True while it would take more."""
        ...

    def finish(self) -> None:
        """The answer ends here, whole."""
        ...

    def abort(self) -> None:
        """The connection is cut."""
        ...


class Reader(Protocol):
    """Whoever reads over one connection: a subscription, or several of them."""

    @property
    def state(self) -> State: ...

    @property
    def progress(self) -> object:
        """Changes with everything that is written of a log."""
        ...

    def begin(self, *, full: bool = False) -> None: ...

    def drained(self) -> None: ...

    def heartbeat(self) -> None: ...

    def farewell(self, retry_ms: int) -> None: ...

    def end(self, why: Why) -> None: ...


class Source(Protocol):
    """The run's records, as the loop sees them: a `Feed`."""

    def block(self, view: View, cursor: int) -> Block | None:
        """What follows the cursor, if it is in memory; None where the disk has to be asked. Empty at the tail."""
        ...

    def at_end(self, cursor: int) -> bool:
        """Whether the log is closed and the cursor at its tail."""
        ...

    def load(self, subscription: Subscription) -> None:
        """Asks the disk, and calls `loaded` when the block is in memory."""
        ...

    def yielded(self, subscription: Subscription) -> None:
        """Calls `resume` in the loop's next turn."""
        ...

    def ended(self, subscription: Subscription, why: Why) -> None:
        """The subscription is over. Called once."""
        ...


class Subscription:
    """A reader of a run. `cursor` is the seq of the last record that the sink was given whole.

    `opening` is written first, in place of the records up to its `last`: a snapshot.
    """

    __slots__ = (
        "_held",
        "_offset",
        "_opening",
        "_sink",
        "_source",
        "_unshown",
        "_woken",
        "cursor",
        "state",
        "view",
        "write",
    )

    def __init__(self, source: Source, view: View, cursor: int, sink: Sink, opening: Block | None = None) -> None:
        self._source = source
        self._sink = sink
        self.view = view
        self.cursor = cursor
        self.state = State.YIELDED
        self._opening = opening
        self.write = sink.write
        #: how much of a record that is longer than a block has been written
        self._offset = 0
        #: how many records made no bytes in this view
        self._unshown = 0
        #: the log has moved while the page was on its way from the disk
        self._woken = False
        #: others fill the sink, and the page that is on its way from the disk must wait
        self._held = False

    @property
    def progress(self) -> tuple[int, int]:
        """Changes with everything that is written of the log, and not with what this view does not show."""
        return self.cursor - self._unshown, self._offset

    @property
    def inside(self) -> bool:
        """Whether what was written last is the beginning of a record that is not whole yet."""
        return self._offset != 0

    def begin(self, *, full: bool = False) -> None:
        """Its first turn; with a sink that is full already it waits for that first."""
        if full:
            self.state = State.FULL
        else:
            self.resume()

    # ── who wakes it ────────────────────────────────────────────────────────────────────────────

    def moved(self) -> None:
        """The log has moved."""
        if self.state is State.FOLLOWING:
            self._pump()
        else:
            self._woken = True

    def hold(self) -> None:
        """The sink is taken by others: nothing is written to it until `drained`."""
        if self.state is State.LOADING:
            self._held = True
        elif self.state is not State.ENDED:
            self.state = State.FULL

    def drained(self) -> None:
        """The sink takes more again."""
        self._held = False
        if self.state is State.FULL:
            # Full no more: where nothing is left to write, the end is a clean one.
            self.state = State.YIELDED
            self._pump()

    def loaded(self, block: Block) -> None:
        """What `load` asked for has come; an empty block says that there was nothing after the cursor."""
        if self.state is not State.LOADING:
            return
        if self._held:
            # It is asked for again; the feed may still have it.
            self.state = State.FULL
        elif block.last == self.cursor and not self._woken:
            self._rest_or_end()
        else:
            self._pump(block)

    def resume(self) -> None:
        """It is this one's turn again."""
        if self.state is State.YIELDED:
            self._pump()

    # ── the loop ────────────────────────────────────────────────────────────────────────────────

    def _pump(self, loaded: Block | None = None) -> None:
        self._woken = False
        block: Block | None
        for _ in range(BLOCKS_PER_TURN):
            if self._opening is not None:
                block = self._opening
            elif loaded is not None and loaded.last > self.cursor:
                block, loaded = loaded, None
            else:
                block = self._source.block(self.view, self.cursor)
            if block is None:
                self.state = State.LOADING
                self._source.load(self)
                return
            if block.last == self.cursor:
                self._rest_or_end()
                return
            if not self._take(block):
                self.state = State.FULL
                return
        self.state = State.YIELDED
        self._source.yielded(self)

    def _rest_or_end(self) -> None:
        if self._source.at_end(self.cursor):
            self.end(Why.END)
        else:
            self.state = State.FOLLOWING

    def _take(self, block: Block) -> bool:
        """Writes a block, or the next piece of one that is a single long record."""
        data = block.data
        if block.single and len(data) > BLOCK_BYTES_MAX:
            start, self._offset = self._offset, self._offset + BLOCK_BYTES_MAX
            data = block.data[start : self._offset]
            if self._offset < len(block.data):
                return self.write(data)
        self._offset = 0
        self._opening = None
        if not data:
            self._unshown += block.last - self.cursor
        self.cursor = block.last
        return self.write(data)

    def heartbeat(self) -> None:
        """Breaks a silence; only where nothing else is about to be written, so never inside a record."""
        if self.state is State.FOLLOWING and not self.write(self.view.encoding.heartbeat):
            self.state = State.FULL

    def farewell(self, retry_ms: int) -> None:
        """Says that the server goes and when to come back, where that can still be said."""
        if self.state in (State.FOLLOWING, State.YIELDED) and self._offset == 0:
            self.write(self.view.encoding.farewell(retry_ms))

    def end(self, why: Why) -> None:
        """Ends it, now and for good: cleanly where the client may trust what it has, else by cutting the connection."""
        if self.state is State.ENDED:
            return
        # A full sink can not take an end either, and an end inside a record would be a lie.
        whole = self._offset == 0 and self.state is not State.FULL
        self.state = State.ENDED
        if why in CLEAN and whole:
            self._sink.finish()
        elif why is not Why.CLIENT:
            self._sink.abort()
        self._source.ended(self, why)
