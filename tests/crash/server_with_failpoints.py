"""The product, watched from below its log, and killed by itself at a named place.

    python -m tests.crash.server_with_failpoints serve --port N --data DIR --config FILE

Everything is the product's own; only between its parts and their storage there is somebody who notes what becomes
durable, in the file that HEADWATER_HISTORY names, and who ends the process with SIGKILL where HEADWATER_FAILPOINT
(`name:n`) says: when that place is reached the n-th time. The product itself has no failpoints.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from headwater.app import make_storage, serve
from headwater.domain.document import Document
from headwater.domain.run import Run, RunMetrics, RunState, is_ended
from headwater.domain.snapshot import Snapshot
from headwater.settings import Settings, load_settings
from headwater.storage.commits import Group, Medium
from headwater.storage.contract import Begun, Commit, EventLog, Haste, IdempotencyKey, LogState, RunStore, Storage
from headwater.storage.sqlite import SqliteStorage
from headwater.storage.sqlite_medium import SqliteMedium
from headwater.telemetry import Observer
from tests.kit.history import Appended, Cancelled, Claimed, Durable, History, Up

HISTORY, FAILPOINT, LIE = "HEADWATER_HISTORY", "HEADWATER_FAILPOINT", "HEADWATER_LYING_DISK"

#: Each place, and what the process leaves behind when it dies there.
PLACES = {
    "begun-untold": "a run is stored, its caller was not told and its model not called",
    "mid-batch": "records of several runs are written, and their transaction is not committed",
    "committed": "records are durable, and nobody was told",
    "final-before-row": "a run's final record is durable, its row says that it goes on",
    "cancel-noted": "a cancel is durable, and the run was not stopped",
    "recovering": "the start after a crash has ended some of the runs that were cut, and not the others",
}


class Failpoint:
    """Counts how often the chosen place is reached. All but `recovering` count from the first new run on."""

    def __init__(self, spec: str, history: History) -> None:
        self.history = history
        self.serving = False
        self._name, _, count = spec.partition(":")
        self._left = int(count or 0)
        assert not self._name or self._name in PLACES, f"there is no failpoint {self._name}"

    def reached(self, name: str) -> bool:
        if name != self._name or self.serving == (name == "recovering"):
            return False
        self._left -= 1
        return self._left == 0


def strike() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL has come back")


class WatchedMedium:
    """What the writer's thread does, noted when it is durable and before anyone is told."""

    def __init__(self, medium: SqliteMedium, failpoint: Failpoint, *, lies: bool) -> None:
        self._medium = medium
        self._failpoint = failpoint
        self._lies = lies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._medium, name)

    def commit(self, group: Group) -> None:
        failpoint, appends = self._failpoint, group.appends
        if len(appends) > 1 and failpoint.reached("mid-batch"):
            self._strike_within(group)
        if self._lies and failpoint.serving:
            group.appends = []
        self._medium.commit(group)
        group.appends = appends
        if appends and failpoint.reached("committed"):
            strike()
        for tail, after, payloads, final in appends:
            failpoint.history.note(Durable(tail.run, after + len(payloads), final))

    def _strike_within(self, group: Group) -> NoReturn:
        """All is written, nothing is committed."""
        medium = self._medium
        assert medium._db is not None
        # A journal that knows none of its slots makes a transaction of any group, small ones too.
        medium._journal.reload()
        medium._db.set_trace_callback(lambda statement: strike() if statement == "COMMIT" else None)
        medium.commit(group)
        raise AssertionError("the group was committed without a transaction")


class WatchedLog:
    def __init__(self, log: EventLog, failpoint: Failpoint) -> None:
        self._log = log
        self._failpoint = failpoint
        self._writer = str(os.getpid())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def begun(self, run: str) -> None:
        self._failpoint.serving = True
        self._failpoint.history.note(Claimed(run, 1, self._writer))
        if self._failpoint.reached("begun-untold"):
            strike()

    async def claim(self, run: str, epoch: int) -> LogState:
        failpoint = self._failpoint
        state = await self._log.claim(run, epoch)
        failpoint.history.note(Claimed(run, epoch, self._writer))
        if state.tail:
            # What a process that was killed had committed without telling anyone.
            failpoint.history.note(Durable(run, state.tail, state.closed))
        return state

    def append(
        self,
        run: str,
        after: int,
        payloads: Sequence[bytes],
        epoch: int,
        final: bool = False,
        haste: Haste = Haste.SOON,
    ) -> Commit:
        commit = self._log.append(run, after, payloads, epoch, final, haste)
        self._failpoint.history.note(Appended(run, epoch, after + 1, len(payloads), self._writer))
        return commit


class WatchedRuns:
    def __init__(self, runs: RunStore, failpoint: Failpoint) -> None:
        self._runs = runs
        self._failpoint = failpoint

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runs, name)

    async def request_cancel(self, run: str, by: str) -> Run | None:
        noted = await self._runs.request_cancel(run, by)
        if noted is not None and not is_ended(noted.state) and self._failpoint.reached("cancel-noted"):
            self._failpoint.history.note(Cancelled(run))
            strike()
        return noted

    async def finish(
        self,
        run: str,
        state: RunState,
        snapshot: Snapshot,
        ended_at_ms: int,
        metrics: RunMetrics | None,
        *,
        documents: Sequence[Document] = (),
    ) -> None:
        if self._failpoint.reached("final-before-row") or self._failpoint.reached("recovering"):
            strike()
        await self._runs.finish(run, state, snapshot, ended_at_ms, metrics, documents=documents)


def watched(storage: Storage, failpoint: Failpoint, *, lies: bool) -> Storage:
    """The same storage, watched. One that lies says of what runs append that it is durable, and does not write it."""
    assert isinstance(storage, SqliteStorage)
    medium = storage._commits._medium
    assert isinstance(medium, SqliteMedium)
    storage._commits._medium = cast(Medium, WatchedMedium(medium, failpoint, lies=lies))
    log, begin = WatchedLog(storage.log, failpoint), storage.begin

    async def begin_watched(
        run: Run, idempotency: IdempotencyKey | None = None, *, documents: Sequence[Document] = ()
    ) -> Begun:
        begun = await begin(run, idempotency, documents=documents)
        if begun.log is not None:
            log.begun(run.id)
        return begun

    storage.log = cast(EventLog, log)
    storage.begin = begin_watched  # type: ignore[method-assign]
    storage.runs = cast(RunStore, WatchedRuns(storage.runs, failpoint))
    return storage


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.server_with_failpoints")
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("--port", type=int)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--config", type=Path)
    given = parser.parse_args(arguments)
    history = History(path=Path(os.environ[HISTORY]))
    # The imports are behind us: how long they take is the interpreter's and the machine's matter.
    history.note(Up())
    failpoint = Failpoint(os.environ.get(FAILPOINT, ""), history)
    lies = LIE in os.environ

    def make(settings: Settings, observer: Observer) -> Storage:
        return watched(make_storage(settings, observer), failpoint, lies=lies)

    settings = load_settings(given.config, {"server": {"port": given.port}, "data": given.data})
    return serve(settings, make=make)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
