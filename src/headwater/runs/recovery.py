"""After a crash: every run that was cut gets its end.

One process owns the data directory, so whatever has not ended when it starts was cut. The log is the
truth: where it has a final record already, the row is brought up to it; else a cancel that was asked
for is honoured, and what is left ends as `error INTERRUPTED`, its partial kept.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, get_args

import structlog

from headwater.clock import Clock
from headwater.domain import event as ev
from headwater.domain.run import STATE_BY_FINAL_TYPE, Run, RunState
from headwater.domain.snapshot import Fold
from headwater.errors import ErrorCode, LogCorrupt, StorageError
from headwater.runs.ending import Stop, cut_events, stop_cancelled, stop_error
from headwater.runs.recorder import Recorder
from headwater.storage.contract import LogState, Storage

_log = structlog.get_logger(__name__)

#: How many runs are ended side by side, so that they share commits.
SIDE_BY_SIDE = 64


class Recovered(NamedTuple):
    """What a start found: runs ended as interrupted, as cancelled, and rows that only lacked their log's end."""

    interrupted: int = 0
    cancelled: int = 0
    repaired: int = 0
    #: rows that could not be ended; the next start tries again
    failed: int = 0
    #: ended as failed, because their log can not be read to its tail
    corrupt: int = 0


async def recover(storage: Storage, clock: Clock) -> Recovered:
    """Ends every run that has not ended. A run that can not be read (a corrupt log) does not keep others from it."""
    runs = await storage.runs.unfinished()
    outcomes: list[str] = []
    for start in range(0, len(runs), SIDE_BY_SIDE):
        outcomes += await asyncio.gather(*(_end(storage, clock, run) for run in runs[start : start + SIDE_BY_SIDE]))
    return Recovered(*(outcomes.count(each) for each in Recovered._fields))


async def _end(storage: Storage, clock: Clock, run: Run) -> str:
    since_ms = max(0, clock.now_ms() - run.created_at_ms)
    try:
        epoch = await storage.runs.claim(run.id)
        state = await storage.log.claim(run.id, epoch)
        recorder = Recorder(storage.log, run.id, epoch, lambda: since_ms)
        try:
            await recorder.resume(state)
        except LogCorrupt:
            return await _end_corrupt(storage, run, epoch, state, recorder.fold, since_ms)
        outcome = "repaired"
        if not recorder.closed:
            outcome, stop = _why(run)
            called = bool(recorder.fold.snapshot().calls)
            recorder.add(cut_events(recorder.fold, run.request, stop, called=called), final=True)
            await recorder.settled()
        fold = recorder.fold
        assert fold.final is not None
        state_then = STATE_BY_FINAL_TYPE[fold.final.type]
        await storage.runs.finish(run.id, state_then, fold.snapshot(), run.created_at_ms + fold.t, None)
        return outcome
    except StorageError as error:
        _log.error("run could not be ended", run=run.id, error=type(error).__name__)
        return "failed"


async def _end_corrupt(storage: Storage, run: Run, epoch: int, state: LogState, fold: Fold, since_ms: int) -> str:
    """Ends a run whose log can not be read to its tail; the row keeps what could be read."""
    _log.error("log corrupt", run=run.id, readable=fold.seq, tail=state.tail)
    if not state.closed:
        message = "Part of the answer could not be read back from the disk."
        final = stop_error(ErrorCode.STORAGE, message).event(len(fold.text.encode()))
        payload = ev.encode_record(state.tail + 1, since_ms, final)
        await storage.log.append(run.id, state.tail, [payload], epoch, True)
    await storage.runs.finish(run.id, RunState.FAILED, fold.snapshot(), run.created_at_ms + since_ms, None)
    return "corrupt"


def _why(run: Run) -> tuple[str, Stop]:
    if run.cancel_requested_by is None:
        return "interrupted", stop_error(ErrorCode.INTERRUPTED)
    by: ev.CancelledBy = "user"
    for known in get_args(ev.CancelledBy):
        if known == run.cancel_requested_by:
            by = known
    return "cancelled", stop_cancelled(by)
