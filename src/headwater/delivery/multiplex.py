"""Several runs in one event stream: a subscription each, and one sink for all. Pure: no await, no clock.

What is added to a shared sink: the `id:` of every block is the vector of all cursors, so it is known when the
bytes are written and not when they are made; until then a place is kept for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from headwater.delivery.shared_sink import Member, SharedSink
from headwater.delivery.sse import SSE, SSEEncoding
from headwater.delivery.subscription import CLEAN, Sink, State, Why

#: More runs than this have to share two connections: the address of each names all of them, and every block's id too.
RUNS_MAX = 32

#: Where the cursors of the runs before and behind this one belong. No JSON holds a bare NUL.
_ID = b"id: \0"
_ID_END = b"\0\n"


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


class Multiplex(SharedSink):
    """Made in three steps.

        multiplex = Multiplex(sink, runs, later, closed)
        for member in multiplex.members: member.subscription = …    # joins its run
        multiplex.begin()

    `later` and `closed` as in `SharedSink`.
    """

    def __init__(
        self,
        sink: Sink,
        runs: Sequence[str],
        later: Callable[[Callable[[], None]], object],
        closed: Callable[[SharedSink], None],
    ) -> None:
        super().__init__(sink, later, closed)
        self._encodings = [NamedRun(run) for run in runs]
        self.members = [Member(self, run, encoding) for run, encoding in zip(runs, self._encodings, strict=True)]
        self._turns.extend(self.members)
        self._places = {member: place for place, member in enumerate(self.members)}
        self._open = len(self.members)
        #: the cursor of each, as it is written; a cursor moves only with what its member writes
        self._cursors: list[bytes] = []

    def begin(self, *, full: bool = False) -> None:
        super().begin(full=full)
        self._cursors = [b"%d" % member.subscription.cursor for member in self.members]
        for member in self.members:
            if member.subscription.state is not State.ENDED:
                member.subscription.begin(full=self._held)

    def write(self, member: Member, data: bytes) -> bool:
        cursors, place = self._cursors, self._places[member]
        if _ID in data:
            before = b"id: " + b".".join((*cursors[:place], b""))
            data = data.replace(_ID, before).replace(_ID_END, b".".join((b"", *cursors[place + 1 :])) + b"\n")
        cursors[place] = b"%d" % member.subscription.cursor
        return super().write(member, data)

    def broken(self, member: Member) -> None:
        self.end(Why.ERROR)

    def left(self, member: Member, why: Why) -> None:
        if self._ended:
            return
        if why not in CLEAN or self._held:
            # What has to be said of it can not be said any more.
            self.end(why)
            return
        self._open -= 1
        self.write(member, self._encodings[self._places[member]].end(member.subscription.cursor, why))
        if not self._open and not self._full:
            self.end(Why.END)

    def _go_on(self) -> None:
        super()._go_on()
        if not self._open and not self._held:
            self.end(Why.END)

    def heartbeat(self) -> None:
        if not self._held and not self._ended:
            self._say(SSE.heartbeat)

    def farewell(self, retry_ms: int) -> None:
        if not self._held and not self._ended:
            self._say(SSE.farewell(retry_ms))
