"""Several runs on one connection: a subscription each, and one sink for all. Pure: no await, no clock.

Each run is read by the loop that reads it alone. What is added here is what they must agree on:

- the `id:` of every block is the vector of all cursors, so it is known when the bytes are written and not
  when they are made; until then a place is kept for it;
- a record that is given in pieces is not broken into: the others are held until it is whole;
- a full sink is full for all of them, and when it has drained they go on in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from headwater.delivery.sse import SSE, SSEEncoding
from headwater.delivery.subscription import CLEAN, Sink, State, Subscription, Why

#: More runs than this have to share two connections.
RUNS_MAX = 32

#: Where the cursors of the runs before and behind this one belong. No JSON holds a bare NUL.
_ID = b"id: \0"
_ID_END = b"\0\n"
_BLOCK_END = b"\n\n"


class NamedRun(SSEEncoding):
    """Records that name their run, with a place for the cursors of the others. Equal for readers of one run."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._member = b'{"run":' + msgspec.json.encode(run) + b","

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedRun) and other._run == self._run

    def __hash__(self) -> int:
        return hash(self._run)

    def record(self, seq: int, payload: bytes) -> bytes:
        return b"id: \0%d\0\ndata: %b%b\n\n" % (seq, self._member, payload[1:])

    def skip(self, seq: int) -> bytes:
        return b"id: \0%d\0\n\n" % seq

    def end(self, cursor: int, why: Why) -> bytes:
        """Says that nothing more comes of this run: its log is closed, or it was deleted."""
        said = b'"closed","tail":%d' % cursor if why is Why.END else b'"deleted"'
        return b'id: \0%d\0\ndata: %b"end":{"reason":%b}}\n\n' % (cursor, self._member, said)


class Member:
    """One run's `Sink`; `subscription` is set when it has joined."""

    __slots__ = ("_multiplex", "encoding", "place", "subscription")

    subscription: Subscription

    def __init__(self, multiplex: Multiplex, place: int, encoding: NamedRun) -> None:
        self._multiplex = multiplex
        self.place = place
        self.encoding = encoding

    def write(self, data: bytes) -> bool:
        return self._multiplex.write(self, data)

    def finish(self) -> None:
        """Nothing: only `ended` knows why, and whether the others are still there."""

    def abort(self) -> None:
        self._multiplex.end(Why.ERROR)

    def ended(self, why: Why) -> None:
        """The subscription is over."""
        self._multiplex.left(self, why)


class Multiplex:
    """The reader of several runs, to whoever looks after connections; made in three steps.

        multiplex = Multiplex(sink, runs, later)
        for member in multiplex.members: member.subscription = …    # joins its run
        multiplex.begin()

    `later` calls back in the loop's next turn, `closed` is called once when it is over.
    """

    def __init__(
        self,
        sink: Sink,
        runs: Sequence[str],
        later: Callable[[Callable[[], None]], object],
        closed: Callable[[Multiplex], None],
    ) -> None:
        self._sink = sink
        self._later = later
        self._closed = closed
        self.members = [Member(self, place, NamedRun(run)) for place, run in enumerate(runs)]
        self._open = len(self.members)
        self._full = False
        #: whose record is not whole yet
        self._inside: Member | None = None
        self._ended = False
        #: who is the next to go on when the sink has drained
        self._turn = 0
        #: the cursor of each, as it is written; a cursor moves only with what its member writes
        self._cursors: list[bytes] = []

    @property
    def state(self) -> State:
        if self._ended:
            return State.ENDED
        return State.FULL if self._full else State.FOLLOWING

    @property
    def progress(self) -> object:
        """Changes with everything that is written of the logs."""
        return [member.subscription.progress for member in self.members]

    def begin(self, *, full: bool = False) -> None:
        self._full = full
        self._cursors = [b"%d" % member.subscription.cursor for member in self.members]
        for member in self.members:
            if member.subscription.state is not State.ENDED:
                member.subscription.begin(full=self._held)

    # ── what the members do ─────────────────────────────────────────────────────────────────────

    def write(self, member: Member, data: bytes) -> bool:
        """Takes a member's bytes; True while it may give more. None but the one whose record is not whole calls."""
        cursors, place = self._cursors, member.place
        if _ID in data:
            before = b"id: " + b".".join((*cursors[:place], b""))
            data = data.replace(_ID, before).replace(_ID_END, b".".join((b"", *cursors[place + 1 :])) + b"\n")
        cursors[place] = b"%d" % member.subscription.cursor
        held = self._held
        self._full = not self._sink.write(data)
        self._inside = None if data.endswith(_BLOCK_END) else member
        if self._held:
            self._hold(member)
        elif held:
            self._later(self._go_on)
        return not self._full

    def left(self, member: Member, why: Why) -> None:
        """A member's subscription is over: the others are not."""
        if self._ended:
            return
        if why not in CLEAN or self._held:
            # What has to be said of it can not be said any more.
            self.end(why)
            return
        self._open -= 1
        self.write(member, member.encoding.end(member.subscription.cursor, why))
        if not self._open and not self._full:
            self.end(Why.END)

    @property
    def _held(self) -> bool:
        return self._full or self._inside is not None

    def _hold(self, writer: Member | None) -> None:
        for member in self.members:
            if member is not writer:
                member.subscription.hold()

    # ── who looks after the connection ──────────────────────────────────────────────────────────

    def drained(self) -> None:
        """The sink takes more again."""
        self._full = False
        self._go_on()

    def _go_on(self) -> None:
        """Lets those who were held go on, each in its turn, until the sink is full again."""
        if self._inside is not None and not self._full:
            self._inside.subscription.drained()
            return
        for _ in self.members:
            if self._ended or self._held:
                return
            member = self.members[self._turn]
            self._turn = (self._turn + 1) % len(self.members)
            member.subscription.drained()
        if not self._open and not self._held:
            self.end(Why.END)

    def heartbeat(self) -> None:
        """Breaks a silence, never inside a record."""
        if not self._held and not self._ended:
            self._say(SSE.heartbeat)

    def farewell(self, retry_ms: int) -> None:
        """Says that the server goes and when to come back, where that can still be said."""
        if not self._held and not self._ended:
            self._say(SSE.farewell(retry_ms))

    def _say(self, comment: bytes) -> None:
        self._full = not self._sink.write(comment)
        if self._full:
            self._hold(None)

    def end(self, why: Why) -> None:
        """Ends it for all, now and for good; as `Subscription.end`."""
        if self._ended:
            return
        whole = not self._held
        self._ended = True
        for member in self.members:
            member.subscription.end(why)
        if why in CLEAN and whole:
            self._sink.finish()
        elif why is not Why.CLIENT:
            self._sink.abort()
        self._closed(self)
