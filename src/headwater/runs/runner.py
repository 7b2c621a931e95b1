"""One run, from its slot to its final record.

The work (workflow and model calls) is a task of its own that can be stopped at any moment; the runner
around it is never cancelled, so whatever happens it gets to write the one final record:

    wait for a slot ──► work ──► end
          └── stop ───────┴──────┘   (the first reason wins; a stop after the work's own end comes too late)
"""

from __future__ import annotations

import asyncio
import hashlib
import traceback
from collections.abc import Callable
from typing import NamedTuple

import structlog

from headwater.clock import Clock
from headwater.domain import event as ev
from headwater.domain.message import Message, TextPart, Usage
from headwater.domain.run import STATE_BY_FINAL_TYPE, Limits, Run, RunMetrics
from headwater.errors import (
    CODES,
    ErrorCode,
    HeadwaterError,
    LogClosed,
    ProviderError,
    SeqConflict,
    StorageError,
    StorageFull,
    Truncated,
)
from headwater.runs.context import Context, Models
from headwater.runs.readership import Readership
from headwater.runs.recorder import Recorder
from headwater.storage.contract import LogState, Storage
from headwater.tasks import Spawn
from headwater.telemetry import Observer, RunEnded
from headwater.workflows.contract import Workflow

_log = structlog.get_logger(__name__)

#: A silence of the provider that counts as a stall.
STALL_S = 5.0
#: How often a final record that finds no space is tried again.
FULL_RETRY_S = 0.5


class Stop(NamedTuple):
    """Why a run is stopped from outside; `event` makes its final record from the partial's length in bytes."""

    why: str
    event: Callable[[int], ev.Cancelled | ev.Error]


def stop_cancelled(by: ev.CancelledBy) -> Stop:
    return Stop("cancelled", lambda partial_bytes: ev.Cancelled(by, partial_bytes))


def stop_error(code: ErrorCode, message: str = "", *, phase: str | None = None) -> Stop:
    row = CODES[code]
    text = message or f"{row.title}."
    return Stop(code, lambda size: ev.Error(code, text, row.retryable, phase=phase, partial_bytes=size))


def stop_timeout(phase: str, limit_s: float) -> Stop:
    return stop_error(ErrorCode.TIMEOUT, f"The run reached its limit of {limit_s:g} s ({phase}).", phase=phase)


class Runner:
    """Runs one run. Made when the run is accepted, whether it has a slot already or has to wait for one."""

    def __init__(
        self,
        run: Run,
        log_state: LogState,
        *,
        storage: Storage,
        models: Models,
        workflow: Workflow,
        clock: Clock,
        observer: Observer,
        spawn: Spawn,
        readership: Callable[[], Readership] = Readership,
    ) -> None:
        self.run = run
        self.ended = asyncio.Event()
        self.final: ev.Event | None = None
        self._log_state = log_state
        self._storage = storage
        self._workflow = workflow
        self._clock = clock
        self._observer = observer
        self._spawn = spawn
        self._readership = readership
        self._born = clock.monotonic()
        self._recorder = Recorder(storage.log, run.id, run.epoch, self._elapsed_ms)
        self._context = Context(run.id, run.request, models, clock, observer, self._on_phase)
        self._stop: Stop | None = None
        self._ending = False
        self._slot_or_stop = asyncio.Event()
        self._work_task: asyncio.Task[None] | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._started_at: float | None = None
        self._phase = "queue"
        self._call_began = 0.0
        self._first_output_at: float | None = None
        self._last_output_at = 0.0
        self._outputs = 0
        self._stalls = 0
        self._longest_gap_s = 0.0

    # ── from outside ────────────────────────────────────────────────────────────────────────────

    def grant_slot(self) -> None:
        """The run may start."""
        self._slot_or_stop.set()

    def stop(self, reason: Stop) -> bool:
        """Asks the run to end for this reason; False if it is ending for another already."""
        if self._stop is not None or self._ending:
            return False
        self._stop = reason
        self._slot_or_stop.set()
        if self._work_task is not None:
            self._work_task.cancel()
        return True

    # ── the life of a run ───────────────────────────────────────────────────────────────────────

    async def live(self, position: int) -> None:
        """From here to the final record; `position` is its place in the queue, 0 for a slot at once. Never raises."""
        try:
            await self._recorder.resume(self._log_state)
            limits = self.run.request.limits
            self._arm("total", limits.total_s)
            if position:
                await self._wait_for_slot(position, limits)
            if self._stop is None:
                starting = self._spawn(self._start_row(), f"start {self.run.id}")
                await self._work()
                await starting
        except BaseException as error:  # also a cancelled loop: the final record is still owed
            self._note_failure(error)
        finally:
            self._ending = True
            for timer in self._timers.values():
                timer.cancel()
        await self._end()
        self.ended.set()

    async def _wait_for_slot(self, position: int, limits: Limits) -> None:
        self._recorder.add([ev.Status("queued", position=position)])
        self._arm("queue", limits.queue_s)
        await self._slot_or_stop.wait()
        self._disarm("queue")

    async def _start_row(self) -> None:
        """Beside the work, so that no token waits for it; the log says what happened if this fails."""
        try:
            await self._storage.runs.start(self.run.id)
        except StorageError as error:
            _log.warning("state not stored", run=self.run.id, error=type(error).__name__)

    async def _work(self) -> None:
        self._started_at = self._clock.monotonic()
        self._phase = "running"
        self._work_task = self._spawn(self._do(), f"work {self.run.id}")
        if self._stop is not None:
            self._work_task.cancel()
        try:
            await self._work_task
        except asyncio.CancelledError:
            if self._stop is None:
                self._stop = stop_error(ErrorCode.INTERRUPTED)
        finally:
            await self._context.close()

    async def _do(self) -> None:
        recorder = self._recorder
        async for events in self._workflow.run(self._context):
            self._measure(events)
            recorder.add(events)
            if recorder.behind:
                await recorder.settled()

    def _note_failure(self, error: BaseException) -> None:
        if self._stop is not None:
            return
        provider = getattr(error, "provider", "") or None
        if isinstance(error, ProviderError):
            code, message, retryable = error.code, error.message, error.retryable
            after_ms, phase = error.retry_after_ms, error.phase
            if error.detail:
                _log.warning("provider failed", run=self.run.id, provider=provider, code=code, status=error.status_code)
        elif isinstance(error, StorageError):
            code, message, retryable = ErrorCode.STORAGE, "", True
            after_ms, phase = None, None
        elif isinstance(error, HeadwaterError):
            code, message, retryable = error.code, error.message, error.retryable
            after_ms, phase = None, None
        else:
            code, message, retryable = ErrorCode.SERVER, "", True
            after_ms, phase = None, None
            # the frames say where; the message may hold what a person wrote, so it stays out
            where = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
            _log.error("run failed", run=self.run.id, error=type(error).__name__, where=where[-8:])
        text = message or f"{CODES[code].title}."
        self._stop = Stop(
            code, lambda size: ev.Error(code, text, retryable, after_ms, provider, phase, partial_bytes=size)
        )

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    async def _end(self) -> None:
        if await self._write_final():
            await self._finish_row()
        self._tell_observer()

    async def _write_final(self) -> bool:
        """Appends the final record until it is durable; False where the next start has to do it."""
        recovered = True
        while True:
            try:
                if not recovered:
                    await self._recorder.resume(await self._storage.log.state(self.run.id))
                    recovered = True
                if self._recorder.closed:
                    self.final = self._recorder.fold.final
                    return True
                events = self._final_events()
                self._recorder.add(events, final=True)
                await self._recorder.settled()
                self.final = events[-1]
                return True
            except StorageFull:
                recovered = False
                self._distrust_completion(ErrorCode.STORAGE)
                await asyncio.sleep(FULL_RETRY_S)
            except (SeqConflict, LogClosed):
                # part of what was appended never became durable, or the log has its end: read what stands
                recovered = False
                self._distrust_completion(ErrorCode.STORAGE)
            except StorageError as error:
                # another owner, a deleted run, or an engine that has stopped: the end is not ours to write
                _log.warning("final record left to the next start", run=self.run.id, error=type(error).__name__)
                return False

    def _distrust_completion(self, code: ErrorCode) -> None:
        """Records were lost before they were durable: the run can not be called complete any more."""
        if self._stop is None:
            self._stop = stop_error(code)

    def _final_events(self) -> list[ev.Event]:
        fold = self._recorder.fold
        text = fold.text.encode("utf-8", "replace")
        events: list[ev.Event] = []
        usage = fold.usage
        if usage is None and self._context.calls:
            usage = self._estimate(len(text))
            events.append(ev.UsageReport(usage))
        if self._stop is None and self._context.unfinished_answers:
            error = Truncated("A model call was not read to its end.")
            self._stop = stop_error(error.code, error.message)
        if self._stop is not None:
            return [*events, self._stop.event(len(text))]
        fits = len(text) <= ev.FINAL_RESPONSE_BYTES_MAX
        complete = ev.Complete(
            finish_reason=self._context.finish_reason,
            usage=usage or Usage(),
            final_response=fold.text if fits else None,
            final_response_bytes=len(text),
            final_response_sha256=hashlib.sha256(text).hexdigest(),
            result=self._context.result,
        )
        return [*events, complete]

    def _estimate(self, output_bytes: int) -> Usage:
        """Four bytes a token: a stated rule of thumb, and marked as an estimate."""
        asked = sum(_text_bytes(message) for message in self.run.request.messages)
        return Usage(input_tokens=-(-asked // 4), output_tokens=-(-output_bytes // 4), source="estimated")

    async def _finish_row(self) -> None:
        assert self.final is not None
        state = STATE_BY_FINAL_TYPE[self.final.type]
        while True:
            try:
                await self._storage.runs.finish(
                    self.run.id, state, self._recorder.fold.snapshot(), self._clock.now_ms(), self._metrics()
                )
                return
            except StorageFull:
                await asyncio.sleep(FULL_RETRY_S)
            except StorageError:
                return  # the log has the end; the next start brings the row up to it

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    def _elapsed_ms(self) -> int:
        return int((self._clock.monotonic() - self._born) * 1000)

    def _arm(self, phase: str, limit_s: float | None) -> None:
        if limit_s is not None:
            loop = asyncio.get_running_loop()
            self._timers[phase] = loop.call_later(limit_s, self.stop, stop_timeout(phase, limit_s))

    def _disarm(self, phase: str) -> None:
        if (timer := self._timers.pop(phase, None)) is not None:
            timer.cancel()

    def _on_phase(self, phase: str) -> None:
        """A call begins, or its provider has answered."""
        if phase == "call":
            self._call_began = self._last_output_at = self._clock.monotonic()
            self._disarm("idle")
            self._arm("first_token", self.run.request.limits.first_token_s)

    def _measure(self, events: list[ev.Event]) -> None:
        """Takes note of output: it ends the wait for the first token and begins the watch for silence."""
        if not any(isinstance(event, _OUTPUT) for event in events):
            return
        now = self._clock.monotonic()
        if self._first_output_at is None:
            self._first_output_at = now
        else:
            gap_s = now - self._last_output_at
            self._longest_gap_s = max(self._longest_gap_s, gap_s)
            self._stalls += gap_s > STALL_S
        self._last_output_at = now
        self._outputs += len(events)
        self._disarm("first_token")
        if "idle" not in self._timers:
            self._watch_idle()

    def _watch_idle(self) -> None:
        """One timer that looks at the clock when it fires, not one set anew for every token."""
        limit_s = self.run.request.limits.idle_s
        if limit_s is None:
            return
        left_s = self._last_output_at + limit_s - self._clock.monotonic()
        if left_s <= 0:
            self.stop(stop_timeout("idle", limit_s))
        else:
            self._timers["idle"] = asyncio.get_running_loop().call_later(left_s, self._watch_idle)

    # ── figures ─────────────────────────────────────────────────────────────────────────────────

    def _metrics(self) -> RunMetrics:
        first, started = self._first_output_at, self._started_at
        usage = self._recorder.fold.usage
        rate: float | None = None
        if first is not None and usage is not None and self._last_output_at > first:
            rate = round(usage.output_tokens / (self._last_output_at - first), 2)
        readership = self._readership()
        return RunMetrics(
            queued_ms=None if started is None else int((started - self._born) * 1000),
            first_token_ms=None if first is None else int((first - self._born) * 1000),
            duration_ms=self._elapsed_ms(),
            chunks=self._outputs,
            tokens_per_s=rate,
            stalls=self._stalls,
            longest_gap_ms=int(self._longest_gap_s * 1000),
            readers=readership.readers,
            reader_ms=readership.reader_ms,
            interruptions=readership.interruptions,
        )

    def _tell_observer(self) -> None:
        figures = self._metrics()
        self._observer.run_ended(
            RunEnded(
                run=self.run.id,
                workflow=self.run.request.workflow,
                model=self.run.request.model,
                state=STATE_BY_FINAL_TYPE[self.final.type] if self.final else "unknown",
                code=self.final.code if isinstance(self.final, ev.Error) else None,
                duration_s=(figures.duration_ms or 0) / 1000,
                queued_s=None if figures.queued_ms is None else figures.queued_ms / 1000,
                first_token_s=None if figures.first_token_ms is None else figures.first_token_ms / 1000,
                chunks=figures.chunks,
                tokens_per_s=figures.tokens_per_s,
                stalls=figures.stalls,
                longest_gap_s=figures.longest_gap_ms / 1000,
                readers=figures.readers,
                interruptions=figures.interruptions,
            )
        )


_OUTPUT = (ev.Chunk, ev.Reasoning, ev.Refusal, ev.ToolCall, ev.Field, ev.Iteration)


def _text_bytes(message: Message) -> int:
    if isinstance(message.content, str):
        return len(message.content.encode("utf-8", "replace"))
    return sum(len(part.text.encode("utf-8", "replace")) for part in message.content if isinstance(part, TextPart))
