"""After a crash: every run that was cut gets its end.

One process owns the data directory, so whatever has not ended when it starts was cut. The log is the
truth: where it has a final record already, the row is brought up to it; else a cancel that was asked
for is honoured, and what is left ends as `error INTERRUPTED`, its partial kept.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import structlog

from headwater.clock import Clock
from headwater.domain import event as ev
from headwater.domain.run import STATE_BY_FINAL_TYPE, Run
from headwater.errors import CODES, ErrorCode, StorageError
from headwater.runs.recorder import Recorder
from headwater.storage.contract import Storage

_log = structlog.get_logger(__name__)

#: How many runs are ended side by side, so that they share commits.
SIDE_BY_SIDE = 64


class Recovered(NamedTuple):
    """What a start found: runs ended as interrupted, as cancelled, and rows that only lacked their log's end."""

    interrupted: int = 0
    cancelled: int = 0
    repaired: int = 0
    failed: int = 0


async def recover(storage: Storage, clock: Clock) -> Recovered:
    """Ends every run that has not ended. A run that can not be read (a corrupt log) does not keep others from it."""
    runs = await storage.runs.unfinished()
    outcomes: list[str] = []
    for start in range(0, len(runs), SIDE_BY_SIDE):
        outcomes += await asyncio.gather(*(_end(storage, clock, run) for run in runs[start : start + SIDE_BY_SIDE]))
    return Recovered(*(outcomes.count(each) for each in Recovered._fields))


async def _end(storage: Storage, clock: Clock, run: Run) -> str:
    try:
        epoch = await storage.runs.claim(run.id)
        state = await storage.log.claim(run.id, epoch)
        since_ms = max(0, clock.now_ms() - run.created_at_ms)
        recorder = Recorder(storage.log, run.id, epoch, lambda: since_ms)
        await recorder.resume(state)
        outcome = "repaired"
        if not recorder.closed:
            partial_bytes = len(recorder.fold.text.encode("utf-8", "replace"))
            final: ev.Cancelled | ev.Error
            if run.cancel_requested_by is not None:
                by: ev.CancelledBy = "disconnect" if run.cancel_requested_by == "disconnect" else "user"
                final, outcome = ev.Cancelled(by, partial_bytes), "cancelled"
            else:
                row = CODES[ErrorCode.INTERRUPTED]
                code = ErrorCode.INTERRUPTED
                final = ev.Error(code, f"{row.title}.", row.retryable, partial_bytes=partial_bytes)
                outcome = "interrupted"
            recorder.add([final], final=True)
            await recorder.settled()
        assert recorder.fold.final is not None
        ended_at_ms = run.created_at_ms + recorder.fold.t
        await storage.runs.finish(
            run.id, STATE_BY_FINAL_TYPE[recorder.fold.final.type], recorder.fold.snapshot(), ended_at_ms, None
        )
        return outcome
    except StorageError as error:
        _log.error("run could not be ended", run=run.id, error=type(error).__name__)
        return "failed"
