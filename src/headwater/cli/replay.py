"""`headwater runs replay`: a run's records once more, as far apart as they were."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.chat import make_view
from headwater.cli.group import EXIT_BY_FINAL_TYPE, Exit, complain
from headwater.cli.interrupt import HEARD_WITHIN_S, Interrupts
from headwater.cli.options import DEFAULT_URL, Json, RunId, Url, connect

if TYPE_CHECKING:
    from types import TracebackType

    from headwater.cli.view import View
    from headwater.client import BlockingClient, FollowStatus
    from headwater.domain.event import Record

#: So many records are read before they are due; a reader that lagged further behind would be cut off by the server.
AHEAD_MAX = 10_000

Speed = Annotated[float, typer.Option(min=0.01, max=1000, help="How many times as fast as it was.")]
Instant = Annotated[bool, typer.Option("--instant", help="Everything at once.")]


def replay(
    run: RunId, speed: Speed = 1.0, instant: Instant = False, json: Json = False, url: Url = DEFAULT_URL
) -> None:
    """Show a run again as it happened. One that still goes on is followed once it is caught up with.

    In a pipe only the answer goes to stdout. Exit code: 0 complete, 1 failed, 130 cancelled. Ctrl-C leaves.
    """
    view: View = JsonView() if json else make_view()
    hold = Playhead(None if instant else speed)
    end = None
    try:
        with connect(url) as client, ReadAhead(client, run, _tell_waiting) as records, Interrupts() as interrupts:
            while (record := interrupts.let_in(lambda: next(records, None))) is not None:
                while (left_s := hold.left_s(record.t, time.monotonic())) > 0:
                    interrupts.let_in(partial(time.sleep, min(left_s, HEARD_WITHIN_S)))
                view.show(record)
                end = record.event.type
    finally:
        view.close()
    raise typer.Exit(Exit.OK if end is None else EXIT_BY_FINAL_TYPE[end])


class Playhead:
    """When a record is due: as long after the first as it was then, by the speed. None is at once."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._began: tuple[int, float] | None = None

    def left_s(self, t: int, now: float) -> float:
        """How long to wait before a record of the time `t` in ms, where the clock shows `now` in seconds."""
        if self._speed is None:
            return 0.0
        if self._began is None:
            self._began = (t, now)
        first, began = self._began
        return began + (t - first) / 1000 / self._speed - now


class ReadAhead:
    """A run's records, read in a thread of its own: the server is not kept waiting by who takes them slowly.

    When enough are waiting the connection is closed, and opened again where it was once half of them are taken. An
    iterator that raises what reading raised; a context manager, to be left before its client is closed.
    """

    def __init__(self, client: BlockingClient, run: str, on_status: Callable[[FollowStatus], None]) -> None:
        self._client, self._run, self._on_status = client, run, on_status
        self._ready: deque[Record] = deque()
        self._moved = threading.Condition()
        self._seq = 0
        self._left = self._over = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._read, name="headwater-read-ahead", daemon=True)

    def __enter__(self) -> Iterator[Record]:
        self._thread.start()
        return self._records()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._moved:
            self._left = True
            self._moved.notify_all()

    @property
    def held(self) -> int:
        """How many records have been read and not been taken."""
        return len(self._ready)

    def _records(self) -> Iterator[Record]:
        while True:
            with self._moved:
                while not self._moved.wait_for(lambda: self._ready or self._over, HEARD_WITHIN_S):
                    pass
                if not self._ready:
                    break
                record = self._ready.popleft()
                self._moved.notify_all()
            yield record
        if self._error is not None:
            raise self._error

    def _read(self) -> None:
        try:
            while not self._read_on():
                with self._moved:
                    self._moved.wait_for(lambda: len(self._ready) <= AHEAD_MAX // 2 or self._left)
        except Exception as error:
            self._error = error
        with self._moved:
            self._over = True
            self._moved.notify_all()

    def _read_on(self) -> bool:
        """Reads until enough is waiting; True if there is nothing more to read, or nobody to read it for."""
        with self._client.follow(self._run, self._seq, self._on_status) as records:
            for record in records:
                with self._moved:
                    self._ready.append(record)
                    self._seq = record.seq
                    self._moved.notify_all()
                    if self._left or len(self._ready) >= AHEAD_MAX:
                        return self._left
        return True


class JsonView:
    """The records as they were sent, one a line."""

    def show(self, record: Record) -> None:
        from headwater.domain.event import encode_record

        typer.echo(encode_record(*record))
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Nothing is said beside the records."""

    def close(self) -> None:
        """Nothing is open."""


def _tell_waiting(status: FollowStatus) -> None:
    if status.state == "waiting" and status.error is not None:
        complain(f"{status.error.message}. Trying again in {status.delay_s:.1f} s.")
