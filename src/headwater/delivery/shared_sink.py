"""Several subscriptions on one sink: what they must agree on, whatever the form. Pure: no await, no clock.

Each run is read by the loop that reads it alone. What is added here:

- a record that is given in pieces is not broken into: the others are held until it is whole;
- a full sink is full for all of them, and when it has drained they go on in turn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from headwater.delivery.subscription import CLEAN, Sink, State, Subscription, Why
from headwater.delivery.view import Encoding


class Member:
    """One run's `Sink`; `subscription` is set when it has joined."""

    __slots__ = ("_shared", "encoding", "run", "subscription")

    subscription: Subscription

    def __init__(self, shared: SharedSink, run: str, encoding: Encoding) -> None:
        self._shared = shared
        self.run = run
        self.encoding = encoding

    def write(self, data: bytes) -> bool:
        return self._shared.write(self, data)

    def finish(self) -> None:
        """Nothing: only `ended` knows why, and whether the others are still there."""

    def abort(self) -> None:
        self._shared.broken(self)

    def ended(self, why: Why) -> None:
        """The subscription is over."""
        self._shared.left(self, why)


class SharedSink(ABC):
    """The reader of several runs, to whoever looks after connections.

    `later` calls back in the loop's next turn, `closed` is called once when it is over.
    """

    def __init__(
        self,
        sink: Sink,
        later: Callable[[Callable[[], None]], object],
        closed: Callable[[SharedSink], None],
    ) -> None:
        self._sink = sink
        self._later = later
        self._closed = closed
        #: whoever reads, the next to go on when the sink has drained first
        self._turns: deque[Member] = deque()
        self._full = False
        #: whose record is not whole yet
        self._inside: Member | None = None
        self._ended = False
        #: how often members have written something
        self._writes = 0

    @property
    def state(self) -> State:
        if self._ended:
            return State.ENDED
        return State.FULL if self._full else State.FOLLOWING

    @property
    def progress(self) -> object:
        """Changes with everything that is written of the logs."""
        return self._writes

    def begin(self, *, full: bool = False) -> None:
        """Its first turn; with a sink that is full already it waits for that first."""
        self._full = full

    # ── what the members do ─────────────────────────────────────────────────────────────────────

    def write(self, member: Member, data: bytes) -> bool:
        """Takes a member's bytes; True while it may give more. None but the one whose record is not whole calls."""
        held = self._held
        if data:
            self._writes += 1
        self._full = not self._sink.write(data)
        self._inside = member if member.subscription.inside else None
        if self._held:
            self._hold(member)
        elif held:
            self._later(self._go_on)
        return not self._full

    @abstractmethod
    def broken(self, member: Member) -> None:
        """A member's subscription is over, and not cleanly; `left` follows."""

    @abstractmethod
    def left(self, member: Member, why: Why) -> None:
        """A member's subscription is over: the others are not."""

    @property
    def _held(self) -> bool:
        return self._full or self._inside is not None

    def _hold(self, writer: Member | None) -> None:
        for member in self._turns:
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
        for _ in range(len(self._turns)):
            if self._ended or self._held or not self._turns:
                return
            member = self._turns[0]
            self._turns.rotate(-1)
            member.subscription.drained()

    @abstractmethod
    def heartbeat(self) -> None:
        """Breaks a silence, never inside a record."""

    @abstractmethod
    def farewell(self, retry_ms: int) -> None:
        """Says that the server goes and when to come back, where that can still be said."""

    def _say(self, data: bytes) -> None:
        """Writes what is no record's. Only where nobody is held."""
        self._full = not self._sink.write(data)
        if self._full:
            self._hold(None)

    def end(self, why: Why) -> None:
        """Ends it for all, now and for good; as `Subscription.end`."""
        if self._ended:
            return
        whole = not self._held
        self._ended = True
        for member in tuple(self._turns):
            member.subscription.end(why)
        if why in CLEAN and whole:
            self._sink.finish()
        elif why is not Why.CLIENT:
            self._sink.abort()
        self._closed(self)
