"""After a crash: every run that was cut gets its end, or is taken up again where it asked for that.

One process owns the data directory, so whatever has not ended when it starts was cut. The log is the
truth: where it has a final record already, the row is brought up to it; else a cancel that was asked
for is honoured; else the run goes on if nothing stands against it (`takeover`); and what is left ends as
`error INTERRUPTED`, its partial kept. Whichever it is, the run is claimed first, so that nobody else writes in it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

import msgspec
import structlog

from headwater.clock import Clock
from headwater.domain import event as ev
from headwater.domain.document import Document
from headwater.domain.run import STATE_BY_FINAL_TYPE, Run, RunState
from headwater.domain.snapshot import Fold
from headwater.errors import ErrorCode, LogCorrupt, StorageError, WorkflowFault
from headwater.runs.attempt import Models
from headwater.runs.background import models_of, outlives, pricing_of, trace_of
from headwater.runs.ending import Stop, cut_events, ended_run, lost_usage, stop_cancelled, stop_error, stop_timeout
from headwater.runs.hosted import Hosted
from headwater.runs.meter import LogMeter
from headwater.runs.recorder import Recorder
from headwater.runs.takeover import Cut, Resumption, is_over, resumption_of, why_not
from headwater.storage.contract import LogState, Storage
from headwater.workflows.contract import EndedRun

_log = structlog.get_logger(__name__)

#: How many runs are ended side by side, so that they share commits.
SIDE_BY_SIDE = 64


class TakenUp(NamedTuple):
    """A run that goes on, claimed and not ended: `run` has the epoch under which its log is now written."""

    run: Run
    log: LogState
    resumption: Resumption
    #: since its creation, and not before its newest record
    since_ms: int


class Recovered(NamedTuple):
    """What a start found: runs ended as interrupted, as cancelled, and rows that only lacked their log's end."""

    interrupted: int = 0
    cancelled: int = 0
    repaired: int = 0
    #: rows that could not be ended; the next start tries again
    failed: int = 0
    #: ended as failed, because their log can not be read to its tail
    corrupt: int = 0
    #: ended because their time had run out, where they would have gone on else
    expired: int = 0
    taken_up: tuple[TakenUp, ...] = ()
    #: of those that were ended: runs whose answers may go on at their provider's
    left_going: tuple[Run, ...] = ()


async def recover(storage: Storage, models: Models, workflows: Mapping[str, Hosted], clock: Clock) -> Recovered:
    """Ends or takes up every run that has not ended.

    Who takes up what is in `taken_up` has to see to its end. A run that can not be read (a corrupt log) does not
    keep others from theirs.
    """
    recovery = _Recovery(storage, models, workflows, clock)
    runs = await storage.runs.unfinished()
    found: list[str | TakenUp] = []
    for start in range(0, len(runs), SIDE_BY_SIDE):
        found += await asyncio.gather(*map(recovery.see_to, runs[start : start + SIDE_BY_SIDE]))
    ended = Counter(each for each in found if isinstance(each, str))
    taken_up = tuple(each for each in found if isinstance(each, TakenUp))
    return Recovered(**ended, taken_up=taken_up, left_going=tuple(recovery.left_going))


class _Recovery:
    def __init__(self, storage: Storage, models: Models, workflows: Mapping[str, Hosted], clock: Clock) -> None:
        self._storage = storage
        self._models = models
        self._workflows = workflows
        self._clock = clock
        self.left_going: list[Run] = []

    async def see_to(self, run: Run) -> str | TakenUp:
        """Ends the run and says as what, by the name of a field of `Recovered`; or takes it up."""
        storage, since_ms = self._storage, max(0, self._clock.now_ms() - run.created_at_ms)
        try:
            epoch = await storage.runs.claim(run.id)
            state = await storage.log.claim(run.id, epoch)
            recorder = Recorder(storage.log, run.id, epoch, lambda: since_ms)
            meter = LogMeter()
            try:
                await recorder.resume(state, meter.took)
            except LogCorrupt:
                return await self._end_corrupt(run, epoch, state, recorder.fold, meter, since_ms)
            outcome = "repaired"
            if not recorder.closed:
                since_ms = max(since_ms, recorder.fold.t)
                resumption = await self._resumption(run, recorder.fold, since_ms)
                if resumption is not None and not is_over(run, since_ms):
                    taken_up = msgspec.structs.replace(run, epoch=epoch)
                    return TakenUp(taken_up, state, resumption, since_ms)
                outcome, stop = _why(run, expired=resumption is not None)
                lost = lost_usage(recorder.fold, run.request, pricing_of(run.request, self._models))
                result = self._result_so_far(run, recorder.fold)
                recorder.add(cut_events(recorder.fold, stop, lost, result=result), final=True)
                await recorder.settled()
            await self._finish_row(run, recorder.fold, meter)
            if outlives(run.request):
                self.left_going.append(run)
            return outcome
        except StorageError as error:
            _log.error("run could not be ended", run=run.id, error=type(error).__name__)
            return "failed"

    async def _resumption(self, run: Run, fold: Fold, since_ms: int) -> Resumption | None:
        """How the run goes on; None where it does not."""
        request = run.request
        hosted = self._workflows.get(request.workflow)
        takes_up = hosted is not None and hosted.takes_up
        if run.cancel_requested_by is not None or (request.on_crash == "interrupt" and not takes_up):
            return None
        trace = await trace_of(self._storage.log, run.id)
        known = models_of(request, self._models)
        models = {model: name for model, (name, _) in known.items()}
        called = models.get((trace.provider, trace.model))
        can = [] if called is None else self._models.capabilities(called)
        cut = Cut(run, trace, fold.text, since_ms, self._storage.intact, models, can, takes_up)
        if (why := why_not(cut)) is None:
            return resumption_of(cut)
        _log.info("run not taken up", run=run.id, policy=request.on_crash, why=why)
        return None

    def _result_so_far(self, run: Run, fold: Fold) -> Any:
        hosted = self._workflows.get(run.request.workflow)
        if hosted is not None and hosted.tells_so_far:
            # the run gets its end, whatever its workflow makes of it
            with contextlib.suppress(WorkflowFault):
                return hosted.result_so_far(run.request, fold.snapshot())
        return None

    async def _finish_row(self, run: Run, fold: Fold, meter: LogMeter) -> None:
        assert fold.final is not None
        state = STATE_BY_FINAL_TYPE[fold.final.type]
        await self._finish(ended_run(run, state, fold, run.created_at_ms + fold.t, meter.figures(fold)))

    async def _finish(self, ended: EndedRun) -> None:
        hosted = self._workflows.get(ended.request.workflow)
        documents: tuple[Document, ...] = ()
        if hosted is None:
            _log.warning("no workflow to ask what is kept", run=ended.run, workflow=ended.request.workflow)
        elif hosted.keeps:
            # its end stands in the log, whatever the workflow makes of it
            with contextlib.suppress(WorkflowFault):
                documents = hosted.documents(ended)
        await self._storage.runs.finish(
            ended.run, ended.state, ended.snapshot, ended.ended_at_ms, ended.metrics, documents=documents
        )

    async def _end_corrupt(
        self, run: Run, epoch: int, state: LogState, fold: Fold, meter: LogMeter, since_ms: int
    ) -> str:
        """Ends a run whose log can not be read to its tail; the row keeps what could be read."""
        _log.error("log corrupt", run=run.id, readable=fold.seq, tail=state.tail)
        if not state.closed:
            message = "Part of the answer could not be read back from the disk."
            final = stop_error(ErrorCode.STORAGE, message).event(len(fold.text.encode()))
            payload = ev.encode_record(state.tail + 1, since_ms, final)
            await self._storage.log.append(run.id, state.tail, [payload], epoch, True)
        ended_at_ms = run.created_at_ms + since_ms
        await self._finish(ended_run(run, RunState.FAILED, fold, ended_at_ms, meter.figures(fold)))
        return "corrupt"


def _why(run: Run, *, expired: bool) -> tuple[str, Stop]:
    if expired:
        return "expired", stop_timeout("total", run.request.limits.total_s)
    if run.cancel_requested_by is None:
        return "interrupted", stop_error(ErrorCode.INTERRUPTED)
    by: ev.CancelledBy = "user"
    for known in get_args(ev.CancelledBy):
        if known == run.cancel_requested_by:
            by = known
    return "cancelled", stop_cancelled(by)
