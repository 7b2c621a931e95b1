"""One run, from its slot to its final record.

The work (workflow and model calls) is a task of its own that can be stopped at any moment; the runner
around it is cancelled by nobody but a shutdown that has run out of time, so whatever happens it gets
to write the one final record:

    wait for a slot ──► work ──► end
          └── stop ───────┴──────┘   (the first reason wins; a stop after the work's own end comes too late)

Work that does not stop when it is cancelled is left behind, so that the run still ends in time: what
it says then is heard by nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import structlog

from headwater.clock import Clock
from headwater.domain import event as ev
from headwater.domain.document import Document
from headwater.domain.run import STATE_BY_FINAL_TYPE, Limits, Run, RunMetrics, RunState
from headwater.domain.snapshot import Fold
from headwater.errors import (
    ErrorCode,
    HeadwaterError,
    LogClosed,
    ProviderError,
    SeqConflict,
    StorageError,
    StorageFull,
    WorkflowFault,
)
from headwater.providers.contract import BackgroundProvider, Checkpoint
from headwater.providers.resilience import Resilience
from headwater.runs.attempt import Models, Surroundings
from headwater.runs.background import outlives, pricing_of, stop_answer, stop_answers
from headwater.runs.closing import close_stream
from headwater.runs.context import Context
from headwater.runs.ending import (
    Stop,
    cut_events,
    ended_run,
    lost_usage,
    stop_error,
    stop_failed,
    stop_timeout,
    whole_events,
)
from headwater.runs.hosted import Hosted
from headwater.runs.meter import LogMeter, Meter
from headwater.runs.readership import Readership
from headwater.runs.recorder import Recorder
from headwater.runs.silence import Phase
from headwater.runs.takeover import Resumption
from headwater.storage.contract import Haste, LogState, Storage
from headwater.tasks import Spawn
from headwater.telemetry import Observer, RunEnded, forget_frames, frames

_log = structlog.get_logger(__name__)

#: How often work is cancelled before it is left behind, and how long it may take each time. Together
#: less than the second within which a run ends after its limit (I10).
STOP_TRIES = 2
STOP_TRY_S = 0.4
#: How often a final record that finds no space is tried again.
FULL_RETRY_S = 0.5
#: How often a log that is not as its only writer believes is read again before it is left to the next start.
REREADS_MAX = 5


class Runner:
    """Runs one run. Made when the run is accepted, whether it has a slot already or has to wait for one.

    `on_final` hears that the final record is durable: the run has ended, and only its row is still to be written.
    `born` is the monotonic time at which the run was created: its limits count from there. With a `resumption` it is
    one that a crash had cut.
    """

    def __init__(
        self,
        run: Run,
        log_state: LogState,
        *,
        storage: Storage,
        models: Models,
        resilience: Resilience,
        hosted: Hosted,
        clock: Clock,
        observer: Observer,
        spawn: Spawn,
        born: float,
        resumption: Resumption | None = None,
        readership: Callable[[], Readership] = Readership,
        on_final: Callable[[], None] = lambda: None,
    ) -> None:
        self.run = run
        #: set when there is nothing more to come, whatever the reason
        self.ended = asyncio.Event()
        self.final: ev.Event | None = None
        self._log_state = log_state
        self._storage = storage
        self._models = models
        self._hosted = hosted
        self._clock = clock
        self._observer = observer
        self._spawn = spawn
        self._readership = readership
        self._on_final = on_final
        self._born = born
        self._resumption = resumption
        self._meter = Meter(clock, born)
        #: of what a process before this one has put out
        self._earlier = LogMeter()
        self._recorder = Recorder(storage.log, run.id, run.epoch, self._meter.elapsed_ms)
        around = Surroundings(
            run=run.id,
            request=run.request,
            models=models,
            clock=clock,
            observer=observer,
            resilience=resilience,
            deadline=born + run.request.limits.total_s,
            fold=lambda: self._recorder.fold,
            on_call=self._meter.call_began,
            on_silence=self._fell_silent,
            on_left=self._left_behind,
        )
        self._context = Context(around, run.owner, storage.documents, resumption)
        #: what is stored with the row's end
        self._documents: tuple[Document, ...] = ()
        self._metrics: RunMetrics | None = None
        #: answers of tries that were given up, by their providers' names for them
        self._answers_stopped: set[str] = set()
        self._stop: Stop | None = None
        self._ending = False
        self._has_slot = False
        #: something has changed: a slot was granted, a stop was asked for, the work has ended
        self._news = asyncio.Event()
        self._starting: asyncio.Task[None] | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # ── from outside ────────────────────────────────────────────────────────────────────────────

    @property
    def is_ending(self) -> bool:
        """Whether the work is over: what is still to come is the final record, or the row after it."""
        return self._ending

    def grant_slot(self) -> None:
        """The run may start."""
        self._has_slot = True
        self._news.set()

    def stop(self, reason: Stop) -> bool:
        """Asks the run to end for this reason; False if it is ending for another already."""
        if self._stop is not None or self._ending:
            return False
        self._stop = reason
        self._news.set()
        return True

    def let_go(self) -> None:
        """Its task has ended: keeps nothing that leads back here.

        Else all that the run said and was asked would stay in memory until the garbage collector finds it.
        """
        self._context.let_go()
        del self._context

    # ── the life of a run ───────────────────────────────────────────────────────────────────────

    async def live(self, position: int) -> None:
        """From here to the final record; `position` is its place in the queue, 0 for a slot at once.

        Never raises; is cancelled only where a shutdown can not wait for the final record.
        """
        try:
            try:
                await self._until_the_end(position)
            except (Exception, asyncio.CancelledError) as error:
                self._note_failure(error)
            finally:
                self._ending = True
                self._disarm(*self._timers)
            is_final = await self._write_final()
            # as they are now, however long the row waits for space on the disk
            figures = self._meter.figures(self._recorder.fold.usage, self._readership())
            if is_final:
                self._on_final()
                await self._finish_row()
                if outlives(self.run.request):
                    await stop_answers(
                        self.run.id, self.run.request, self._storage.log, self._models, but=self._answers_stopped
                    )
            self._tell_observer(figures)
        finally:
            self.ended.set()

    async def _until_the_end(self, position: int) -> None:
        await self._recorder.resume(self._log_state, self._went_before)
        limits = self.run.request.limits
        self._arm("total", limits.total_s, since=self._born)
        if position:
            await self._wait_for_slot(position, limits)
        if self._stop is None:
            await self._work()

    def _went_before(self, record: ev.Record) -> None:
        self._earlier.took(record)
        self._context.went_before(record.event)

    async def _wait_for_slot(self, position: int, limits: Limits) -> None:
        self._recorder.add([ev.Status("queued", position=position)])
        # who waits once more after a crash has all of its patience again
        self._arm("queue", limits.queue_s, since=self._born if self._resumption is None else self._clock.monotonic())
        while not self._has_slot and self._stop is None:
            self._news.clear()
            await self._news.wait()
        self._disarm("queue")

    async def _start_row(self) -> None:
        """Beside the work, so that no token waits for it; the log says what happened if this fails."""
        try:
            await self._storage.runs.start(self.run.id)
        except StorageError as error:
            _log.warning("state not stored", run=self.run.id, error=type(error).__name__)

    async def _work(self) -> None:
        self._meter.started()
        work = self._spawn(self._do(), f"work {self.run.id}")
        work.add_done_callback(lambda _: self._news.set())
        if self.run.state is RunState.QUEUED:
            # behind the work, which asks the model in its first turn
            self._starting = self._spawn(self._start_row(), f"start {self.run.id}")
        try:
            while self._stop is None and not work.done():
                self._news.clear()
                await self._news.wait()
        finally:
            for _ in range(STOP_TRIES):
                if not work.done():
                    work.cancel()
                    await asyncio.wait([work], timeout=STOP_TRY_S)
            if not work.done():
                _log.error("work left behind", run=self.run.id, workflow=self.run.request.workflow)
        if self._stop is None and work.cancelled():
            self._stop = stop_error(ErrorCode.INTERRUPTED)

    async def _do(self) -> None:
        # what is left behind may end after the run has let go of it, and closes what it had open even then
        recorder, meter, context = self._recorder, self._meter, self._context
        # what a start after a crash must know of: that a model was called, and where its answer goes on
        must_last = self.run.request.on_crash in ("continue", "reattach") or self._hosted.takes_up
        stream: AsyncIterator[list[ev.Event]] | None = None
        try:
            if self._hosted.takes_up:
                # of calls that were cut; the workflow makes others in their place
                recorder.add(lost_usage(recorder.fold, self.run.request, pricing_of(self.run.request, self._models)))
            stream = self._hosted.run(context)
            async for events in stream:
                if self._stop is not None:
                    return
                awaited = meter.awaits_first
                if is_output := meter.took(events):
                    recorder.add(events, haste=Haste.NOW if awaited else Haste.SOON, at_ms=meter.last_ms)
                else:
                    recorder.add(events, haste=Haste.NOW if must_last else Haste.LATER)
                if recorder.behind or (must_last and not is_output):
                    await recorder.settled()
        except Exception as error:
            self._note_failure(error)
            forget_frames(error)
        finally:
            if stream is not None:
                await close_stream(stream)
            await context.close()

    def _note_failure(self, error: BaseException) -> None:
        if self._stop is not None or self._ending:
            return
        if isinstance(error, asyncio.CancelledError):
            self._stop = stop_error(ErrorCode.INTERRUPTED)
            return
        if isinstance(error, ProviderError) and error.detail:
            _log.warning(
                "provider failed", run=self.run.id, provider=error.provider, code=error.code, status=error.status_code
            )
        elif not isinstance(error, HeadwaterError):
            self._log_bug("run failed", error)
        self._stop = stop_failed(error)

    def _log_bug(self, what: str, error: BaseException) -> None:
        _log.error(what, run=self.run.id, error=type(error).__name__, where=frames(error))

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    async def _write_final(self) -> bool:
        """Appends the final record until it is durable; False where the next start has to do it."""
        #: all that the run said; if less of it turns out to be durable, the run is not whole
        said = self._recorder.fold.seq
        untold = self._untold()
        rereads = 0
        must_reread = False
        plain = stop_error(ErrorCode.SERVER)
        while True:
            try:
                if must_reread:
                    await self._reread(said)
                    must_reread = False
                if not self._recorder.closed:
                    # told once more where a first time was lost: a later report takes an earlier one's place
                    at_ms = self._meter.elapsed_ms()
                    self._recorder.add(self._last_events(untold, at_ms), final=True, at_ms=at_ms)
                    await self._recorder.settled()
                self.final = self._recorder.fold.final
                return True
            except StorageFull:
                must_reread = True
                await asyncio.sleep(FULL_RETRY_S)
            except (SeqConflict, LogClosed) as error:
                # part of what was appended never became durable, or the log has its end: read what stands
                must_reread = True
                rereads += 1
                if rereads > REREADS_MAX:
                    return self._leave_to_next_start(error)
            except StorageError as error:
                # another owner, a deleted run, or an engine that has stopped: the end is not ours to write
                return self._leave_to_next_start(error)
            except Exception as error:
                # the end itself can not be written down: a plain one always can
                if self._stop is plain:
                    raise
                self._log_bug("final record refused", error)
                self._stop = plain
                self._context.result = None

    def _untold(self) -> list[ev.UsageReport]:
        untold = self._context.tell()
        if self._resumption is None or self._resumption.mode != "reattach":
            return untold
        # the call has counted only what its answer came to after the crash
        pricing = self._models.pricing(self._resumption.model)
        return lost_usage(self._recorder.fold, self.run.request, lambda *_: pricing)

    async def _reread(self, said: int) -> None:
        with contextlib.suppress(StorageError):
            await self._recorder.settled()
        await self._recorder.resume(await self._storage.log.state(self.run.id))
        if self._recorder.fold.seq < said and self._stop is None:
            self._stop = stop_error(ErrorCode.STORAGE)

    def _leave_to_next_start(self, error: StorageError) -> bool:
        _log.warning("final record left to the next start", run=self.run.id, error=type(error).__name__)
        return False

    def _last_events(self, untold: Sequence[ev.UsageReport], at_ms: int) -> list[ev.Event]:
        """The run's last records; what is to be kept of it is known by them, and has to be before they are written.

        `at_ms` is their time: what is kept of the run says that it ended then, as its records do.
        """
        events = self._final_events(untold)
        self._documents = ()
        if self._hosted.keeps:
            try:
                self._documents = self._documents_after(events, at_ms)
            except WorkflowFault:
                if self._stop is None:
                    self._stop = stop_error(ErrorCode.SERVER)
                    return self._last_events(untold, at_ms)
        return events

    def _documents_after(self, events: Sequence[ev.Event], at_ms: int) -> tuple[Document, ...]:
        fold = self._recorder.fold
        fold = fold.ended_with(events, max(fold.t, at_ms))
        assert fold.final is not None
        state, ended_at_ms = STATE_BY_FINAL_TYPE[fold.final.type], self.run.created_at_ms + fold.t
        return self._hosted.documents(ended_run(self.run, state, fold, ended_at_ms, self._figures(fold)))

    def _final_events(self, untold: Sequence[ev.UsageReport]) -> list[ev.Event]:
        fold, context = self._recorder.fold, self._context
        if self._stop is None and context.unfinished_answers:
            self._stop = stop_error(ErrorCode.TRUNCATED, "A model call was not read to its end.")
        if self._stop is not None:
            return cut_events(fold, self._stop, untold, result=context.result)
        return whole_events(fold, untold, reason=context.finish_reason, result=context.result)

    async def _finish_row(self) -> None:
        assert self.final is not None
        if self._starting is not None:
            await asyncio.wait([self._starting])
        state = STATE_BY_FINAL_TYPE[self.final.type]
        fold = self._recorder.fold
        # The final record's own time: who reads it before the row is written sees the same end.
        ended_at_ms = self.run.created_at_ms + fold.t
        while True:
            try:
                await self._storage.runs.finish(
                    self.run.id, state, fold.snapshot(), ended_at_ms, self.metrics(), documents=self._documents
                )
                return
            except StorageFull:
                await asyncio.sleep(FULL_RETRY_S)
            except StorageError:
                return  # the log has the end; the next start brings the row up to it

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    def _arm(self, phase: str, limit_s: float | None, *, since: float) -> None:
        if limit_s is not None:
            left_s = max(0.0, since + limit_s - self._clock.monotonic())
            loop = asyncio.get_running_loop()
            self._timers[phase] = loop.call_later(left_s, self.stop, stop_timeout(phase, limit_s))

    def _disarm(self, *phases: str) -> None:
        for phase in phases:
            if (timer := self._timers.pop(phase, None)) is not None:
                timer.cancel()

    def _fell_silent(self, phase: Phase, limit_s: float) -> None:
        self.stop(stop_timeout(phase, limit_s))

    def _left_behind(self, provider: BackgroundProvider, place: Checkpoint) -> None:
        """Stops an answer that is being made for nobody; where that fails it is tried again at the end."""

        async def stop() -> None:
            if await stop_answer(self.run.id, provider, place):
                self._answers_stopped.add(place.response_id)

        self._spawn(stop(), f"stop an answer of {self.run.id}")

    # ── figures ─────────────────────────────────────────────────────────────────────────────────

    def metrics(self) -> RunMetrics | None:
        """How the run went, None before its final record is written; whoever asks first settles it for its row too."""
        if self._metrics is None and self._recorder.closed:
            self._metrics = self._figures(self._recorder.fold)
        return self._metrics

    def _figures(self, fold: Fold) -> RunMetrics:
        metrics = self._meter.figures(fold.usage, self._readership())
        return metrics if self._resumption is None else self._earlier.before(metrics)

    def _tell_observer(self, figures: RunMetrics) -> None:
        # after a crash it is not the first token of the run
        first_token_ms = figures.first_token_ms if self._resumption is None else None
        self._observer.run_ended(
            RunEnded(
                run=self.run.id,
                workflow=self.run.request.workflow,
                model=self.run.request.model,
                state=STATE_BY_FINAL_TYPE[self.final.type] if self.final else "unknown",
                code=self.final.code if isinstance(self.final, ev.Error) else None,
                duration_s=(figures.duration_ms or 0) / 1000,
                queued_s=None if figures.queued_ms is None else figures.queued_ms / 1000,
                first_token_s=first_token_ms / 1000 if first_token_ms is not None else None,
                chunks=figures.chunks,
                tokens_per_s=figures.tokens_per_s,
                stalls=figures.stalls,
                longest_gap_s=figures.longest_gap_ms / 1000,
                readers=figures.readers,
                interruptions=figures.interruptions,
            )
        )
