"""What was seen of the product while a test ran: observations in the order in which they were made.

Whoever sees something notes it: a client what it got, a scripted upstream what it said, a wrapped log what became
durable. `checker.check` then judges the whole. Nothing here knows what is right.

Observations of one machine share its monotonic clock (or its virtual loop's), so histories that several processes
wrote, each to a file of its own, can be merged.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec


class Observation(msgspec.Struct, frozen=True, omit_defaults=True, tag=True, tag_field="what"):
    """Something that was seen. `run` is the run's id; `prompt` is what an upstream knows a run by."""


class Submitted(Observation, frozen=True):
    """A start was answered with this run, whether it made the run or an earlier one with the same key did.

    `total_s` is the run's limit, `answer` the text that it has if it completes; None for what is not to be checked.
    `stays` says that it goes on when its readers leave, `on_crash` what becomes of it when its server dies.
    """

    run: str
    prompt: str = ""
    key: str | None = None
    total_s: float | None = None
    answer: str | None = None
    stays: bool = False
    on_crash: str = "interrupt"


class CancelAsked(Observation, frozen=True):
    """A cancel is about to be asked for; without an answer it may have been accepted or not."""

    run: str


class Cancelled(Observation, frozen=True):
    """A cancel was answered: it was accepted, and the run had not ended by then."""

    run: str


class Deleted(Observation, frozen=True):
    """A deletion was asked for; from here on the run may be gone."""

    run: str


class Opened(Observation, frozen=True):
    """A client asks for the run's records after a seq. A client reads one run, over any number of connections."""

    run: str
    client: str
    connection: int
    after: int = 0
    from_snapshot: bool = False
    types: tuple[str, ...] | None = None


class Got(Observation, frozen=True):
    """A whole block came: `seq` is what its `id:` said, `payload` its data; None for a block with only an id."""

    client: str
    connection: int
    seq: int
    payload: bytes | None


#: How a connection was over: its end was said; 204, nothing will follow; cut by the other side or the network; left by
#: the client; refused with a problem; still open at the test's end though there was nothing left to wait for.
How = Literal["end", "none", "cut", "left", "refused", "stuck"]


class Closed(Observation, frozen=True):
    client: str
    connection: int
    how: How
    code: str = ""


class Looked(Observation, frozen=True):
    """A client asked for the run itself: its row's state, and its snapshot's seq and text."""

    run: str
    client: str
    state: str
    seq: int
    text: str


class Durable(Observation, frozen=True):
    """Seen below the log: its records up to `tail` are on the medium. Must be noted before anyone is told."""

    run: str
    tail: int
    closed: bool = False


class Claimed(Observation, frozen=True):
    """A claim has returned."""

    run: str
    epoch: int
    writer: str = ""


class Appended(Observation, frozen=True):
    """An append was accepted: records `first … first + count - 1`."""

    run: str
    epoch: int
    first: int
    count: int
    writer: str = ""


class UpstreamCalled(Observation, frozen=True):
    """A model was called with this prompt; `call` tells its calls apart."""

    prompt: str
    call: int


class UpstreamSaid(Observation, frozen=True):
    """The model puts out text of the answer."""

    prompt: str
    call: int
    text: str


class UpstreamHeard(Observation, frozen=True):
    """Whoever called came back for more: it has dealt with all that was said before."""

    prompt: str
    call: int


class UpstreamEnded(Observation, frozen=True):
    """The call is over; `whole` says that its provider's own end was sent."""

    prompt: str
    call: int
    whole: bool


class Down(Observation, frozen=True):
    """The server is gone, with all that it had not made durable."""

    why: str = ""


class Up(Observation, frozen=True):
    """A server takes over: its start has begun."""


class SpaceGone(Observation, frozen=True):
    """The disk is full; what was not durable may be lost."""


class SpaceBack(Observation, frozen=True):
    pass


class ClockSet(Observation, frozen=True):
    """The wall clock was set; less than 0 is back."""

    by_s: float


class LogFound(Observation, frozen=True):
    """At the test's end, of a run that must have ended by now: what its log holds."""

    run: str
    payloads: list[bytes]
    closed: bool
    epoch: int | None = None


class RowFound(Observation, frozen=True):
    """At the test's end, of a run that must have ended by now: how its row stands; `text` is its snapshot's."""

    run: str
    state: str
    prompt: str = ""
    text: str | None = None


class Counted(Observation, frozen=True):
    """How much of each resource is in use (see `resources`)."""

    when: Literal["before", "after"]
    counts: dict[str, int]


Seen = (
    Submitted
    | CancelAsked
    | Cancelled
    | Deleted
    | Opened
    | Got
    | Closed
    | Looked
    | Durable
    | Claimed
    | Appended
    | UpstreamCalled
    | UpstreamSaid
    | UpstreamHeard
    | UpstreamEnded
    | Down
    | Up
    | SpaceGone
    | SpaceBack
    | ClockSet
    | LogFound
    | RowFound
    | Counted
)


class Entry(NamedTuple):
    """An observation and the monotonic time at which it was made, in seconds."""

    at: float
    seen: Seen


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


class History:
    """Append-only. With a `path` each observation is also a line of that file at once, so that a kill loses none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, path: Path | None = None) -> None:
        self.entries: list[Entry] = []
        self._clock = clock
        self._fd = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def note(self, seen: Seen) -> None:
        entry = Entry(self._clock(), seen)
        self.entries.append(entry)
        if self._fd is not None:
            # One write a line: lines of several processes in one file do not mix.
            os.write(self._fd, _encoder.encode(entry) + b"\n")

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def lines(self) -> bytes:
        """The history as JSON lines."""
        return b"".join(_encoder.encode(entry) + b"\n" for entry in self.entries)


def read(lines: bytes) -> History:
    """A history from its JSON lines; a last line that a kill tore is left out."""
    history = History()
    whole = lines[: lines.rfind(b"\n") + 1]
    history.entries.extend(_decoder.decode(line) for line in whole.splitlines())
    return history


def merge(histories: Iterable[History]) -> History:
    """One history of all, by time; what was noted at the same moment stays in the order given."""
    merged = History()
    merged.entries = sorted((entry for history in histories for entry in history), key=lambda entry: entry.at)
    return merged
