"""Owns every task, every slot and every live run: accepts, cancels, deletes, drains.

Nothing else in the server starts a task; `spawn` is handed to whoever needs one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import structlog

from headwater.clock import Clock
from headwater.domain import event as ev
from headwater.domain.document import Document
from headwater.domain.run import CancelAfter, Owner, Run, RunMetrics, RunRequest, RunState, is_ended, new_run_id
from headwater.errors import (
    BadRequestError,
    ErrorCode,
    LogMissing,
    NotFoundError,
    QueueFullError,
    RefusedError,
    StorageError,
    StorageFull,
    StorageFullError,
    UnavailableError,
)
from headwater.providers.resilience import Resilience
from headwater.runs.attempt import Models
from headwater.runs.background import stop_answers
from headwater.runs.context import Own
from headwater.runs.ending import stop_cancelled, stop_error
from headwater.runs.hosted import Hosted
from headwater.runs.needs import check_needs
from headwater.runs.queue import RunQueue
from headwater.runs.readership import Readers
from headwater.runs.recovery import Recovered, TakenUp, recover
from headwater.runs.runner import Runner
from headwater.runs.source import check_source, source_of
from headwater.runs.takeover import Resumption, check_policy
from headwater.storage.contract import IdempotencyKey, LogState, Storage
from headwater.telemetry import Observer, frames
from headwater.workflows.contract import Workflow

_log = structlog.get_logger(__name__)

T = TypeVar("T")

#: How often tasks are cancelled at shutdown, and how long they may take each time, in seconds.
CLOSE_TRIES = 3
CLOSE_TRY_S = 1.0
#: How long a deletion waits for the end of a live run, in seconds.
DELETE_WAIT_S = 10.0


_KeyName = tuple[Owner, str, str]


class Tasks:
    """Keeps hold of tasks, tells of those that fail, ends them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            name = task.get_name().split(" ")[0]
            _log.error("task failed", task=name, error=type(error).__name__, where=frames(error))

    async def close(self) -> bool:
        """Cancels what is left until it has ended; False if something would not, which is then left behind."""
        for _ in range(CLOSE_TRIES):
            if not self._tasks:
                break
            for task in list(self._tasks):
                task.cancel()
            await asyncio.wait(list(self._tasks), timeout=CLOSE_TRY_S)
        for task in self._tasks:
            _log.error("task left behind", task=task.get_name().split(" ")[0])
        return not self._tasks


class Supervisor:
    """The write half's front. All its methods are called in the event loop's thread.

    `foreign` names the workflows that are other distributions'. `admit` is asked once for each run that would be
    stored, and for no repeat of one; it raises `RefusedError`.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        models: Models,
        workflows: Mapping[str, Workflow],
        foreign: Collection[str] = (),
        clock: Clock,
        observer: Observer,
        tasks: Tasks,
        resilience: Resilience | None = None,
        slots: int = 1000,
        waiting_max: int = 1000,
        admit: Callable[[Run], None] = lambda run: None,
    ) -> None:
        self.draining = False
        self._storage = storage
        self._models = models
        self._admit = admit
        self._workflows = {name: Hosted(workflow, is_foreign=name in foreign) for name, workflow in workflows.items()}
        self._clock = clock
        self._observer = observer
        self._tasks = tasks
        #: what the calls of all runs know of the providers
        self.resilience = resilience or Resilience()
        self._queue = RunQueue(slots, waiting_max)
        self._readers = Readers(clock)
        self._runners: dict[str, Runner] = {}
        self._leave_timers: dict[str, asyncio.TimerHandle] = {}
        #: runs accepted but not set going yet, by id and by idempotency key; they are in the queue already
        self._arriving: dict[str, asyncio.Event] = {}
        self._arriving_keys: dict[_KeyName, asyncio.Event] = {}
        #: set while no run arrives or lives
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def live(self) -> int:
        """Runs that have not ended."""
        return len(self._runners)

    def live_of(self, owner: Owner) -> list[Run]:
        """The owner's runs that have not ended, oldest first, each as it was when it was set going."""
        runs = [runner.run for runner in self._runners.values() if runner.run.owner == owner]
        return sorted(runs, key=lambda run: (run.created_at_ms, run.id))

    def metrics(self, run: str) -> RunMetrics | None:
        """How a run went whose final record is durable and whose row is still to be written; else None."""
        runner = self._runners.get(run)
        return None if runner is None else runner.metrics()

    @property
    def waiting(self) -> int:
        """Runs that wait for a slot."""
        return self._queue.waiting

    async def recover(self) -> Recovered:
        """Ends what an earlier process left unended, but for what is to go on. Before anything else, once."""
        recovered = await recover(self._storage, self._models, self._workflows, self._clock)
        if not recovered.failed:
            await self._storage.settle()
        self._observer.runs_recovered(
            recovered.interrupted + recovered.expired, recovered.cancelled, len(recovered.taken_up)
        )
        return recovered

    def take_up(self, runs: Iterable[TakenUp]) -> None:
        """Sets going what `recover` found to go on. Before anybody is answered: until then no cancel could reach it."""
        for run, log_state, resumption, since_ms in runs:
            born = self._clock.monotonic() - since_ms / 1000
            self._queue.enter(run.id, run.request.priority)
            self._set_going(run, log_state, self._workflows[run.request.workflow], born, resumption)

    def stop_answers(self, runs: Iterable[Run]) -> None:
        """Has providers stop what goes on there for runs that have ended."""
        for run in runs:
            stopping = stop_answers(run.id, run.request, self._storage.log, self._models)
            self._tasks.spawn(stopping, f"stop {run.id}")

    # ── start ───────────────────────────────────────────────────────────────────────────────────

    async def submit(
        self,
        request: RunRequest,
        owner: Owner,
        *,
        idempotency: IdempotencyKey | None = None,
        retry_of: str | None = None,
    ) -> tuple[Run, bool]:
        """Stores a run and sets it going; or returns the one that the same idempotency key made, and False.

        A repeat costs no place in the queue, and is answered while no new runs are taken too.
        Raises `RefusedError`; then nothing was stored and no model called. A caller that goes away in
        the middle takes nothing back.
        """
        hosted = self._workflows.get(request.workflow)
        if hosted is None:
            known = f"There is no workflow `{request.workflow}`; there are: {', '.join(sorted(self._workflows))}."
            raise BadRequestError(known, pointer="/workflow")
        if idempotency is not None and (earlier := await self._earlier(idempotency)) is not None:
            return earlier, False
        hosted.check(request)
        self._models.resolve(request.model)
        check_needs(request, hosted.workflow.needs, self._models)
        check_policy(request, self._models.capabilities(request.model), self._models.who_can)
        await hosted.check_kept(request, Own(self._storage.documents, owner))
        if (source := source_of(request)) is not None:
            await check_source(source, owner, self._storage)
        # another with this key may have come past while it was looked up what this one needs
        again = idempotency if idempotency is not None and _name(idempotency) in self._arriving_keys else None
        if again is not None and (earlier := await self._earlier(again)) is not None:
            return earlier, False
        self._check_room()
        # Its slot is taken before it is stored: a row that says so from the first needs no change when the run starts.
        state = RunState.RUNNING if self._queue.has_slot else RunState.QUEUED
        titled = hosted.titled(request)
        run = Run(new_run_id(), owner, titled, self._clock.now_ms(), state, retry_of=retry_of, epoch=1)
        self._admit(run)
        documents = hosted.documents_begun(run)
        self._queue.enter(run.id, request.priority)
        arrived = self._arriving[run.id] = asyncio.Event()
        self._idle.clear()
        if idempotency is not None:
            self._arriving_keys[_name(idempotency)] = arrived
        return await self._see_through(self._arrive(run, hosted, documents, idempotency), f"arrive {run.id}")

    async def _earlier(self, idempotency: IdempotencyKey) -> Run | None:
        """The run that this key made; one that is being made just now is waited for."""
        name = _name(idempotency)
        while True:
            while (arriving := self._arriving_keys.get(name)) is not None:
                await arriving.wait()
            try:
                found = await self._storage.runs.find(idempotency)
            except StorageError as error:
                raise UnavailableError("The storage can not be read.", code=ErrorCode.STORAGE) from error
            if found is not None or name not in self._arriving_keys:
                return found

    def _check_room(self) -> None:
        if self._storage.failed is not None:
            raise UnavailableError("The storage has failed; no run can be started.", code=ErrorCode.STORAGE)
        if self.draining:
            raise UnavailableError("The server is shutting down; try again in a moment.", retry_after_s=2)
        if self._storage.full:
            raise StorageFullError("The disk is full: runs that exist can be read, new ones can not be started.")
        if self._queue.is_full:
            taken = self._queue.running + self._queue.waiting
            raise QueueFullError(f"{taken} runs are under way or waiting already.", retry_after_s=1)

    async def _arrive(
        self, wanted: Run, hosted: Hosted, documents: Sequence[Document], idempotency: IdempotencyKey | None
    ) -> tuple[Run, bool]:
        born = self._clock.monotonic()
        try:
            try:
                run, log_state = await self._storage.begin(wanted, idempotency, documents=documents)
            except StorageFull:
                raise StorageFullError("The disk is full: the run was not started.") from None
            except StorageError as error:
                raise UnavailableError("The run could not be stored.", code=ErrorCode.STORAGE) from error
            if log_state is None:
                return run, False
            self._set_going(run, log_state, hosted, born)
        finally:
            self._arriving.pop(wanted.id).set()
            if wanted.id not in self._runners:
                self._free_slot(wanted.id)
            if idempotency is not None:
                del self._arriving_keys[_name(idempotency)]
            self._note_idle()
        # A turn of the loop later, so that a model is asked first: what is done for the caller is then done while the
        # model is waited for.
        await asyncio.sleep(0)
        return run, True

    def _set_going(
        self, run: Run, log_state: LogState, hosted: Hosted, born: float, resumption: Resumption | None = None
    ) -> None:
        self._idle.clear()
        runner = Runner(
            run,
            log_state,
            storage=self._storage,
            models=self._models,
            resilience=self.resilience,
            hosted=hosted,
            clock=self._clock,
            observer=self._observer,
            spawn=self._tasks.spawn,
            born=born,
            resumption=resumption,
            readership=lambda: self._readers.figures(run.id),
            on_final=lambda: self._free_slot(run.id),
        )
        self._runners[run.id] = runner
        self._readers.open(run.id)
        self._observer.run_started(run.id)
        if self.draining:  # the drain began while the row was being written
            runner.stop(stop_error(ErrorCode.DRAINING))
        living = self._tasks.spawn(runner.live(self._queue.place(run.id)), f"run {run.id}")
        living.add_done_callback(lambda _: self._over(runner))

    def _over(self, runner: Runner) -> None:
        """The run's task has ended, whichever way."""
        run = runner.run.id
        del self._runners[run]
        self._readers.close(run)
        if (timer := self._leave_timers.pop(run, None)) is not None:
            timer.cancel()
        self._free_slot(run)
        self._note_idle()
        runner.let_go()

    def _free_slot(self, run: str) -> None:
        """The run's slot goes to the next: at its final record, for a full disk may keep its row waiting long."""
        if (next_run := self._queue.leave(run)) in self._runners:
            self._runners[next_run].grant_slot()

    def _note_idle(self) -> None:
        if not self._arriving and not self._runners:
            self._idle.set()

    async def _see_through(self, work: Coroutine[Any, Any, T], name: str) -> T:
        """Does work to its end even where its caller is cancelled meanwhile: a client that hung up."""
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def carry() -> None:
            try:
                result = await work
            except Exception as error:
                if not outcome.done():
                    outcome.set_exception(error)
                    outcome.exception()  # heard, even if the caller goes away before it is told
                elif not isinstance(error, RefusedError):
                    raise
            else:
                if not outcome.done():
                    outcome.set_result(result)

        def gone(_: object) -> None:
            work.close()
            outcome.cancel()

        self._tasks.spawn(carry(), name).add_done_callback(gone)
        return await outcome

    async def over(self, run: str) -> None:
        """Returns once the run's end is stored, with all that is kept of it; at once for one that does not live here.

        A full disk may keep it waiting as long as it is full.
        """
        if (runner := self._runners.get(run)) is not None:
            await runner.ended.wait()

    # ── stop ────────────────────────────────────────────────────────────────────────────────────

    async def _owned(self, run: str, owner: Owner) -> Run:
        found = await self._storage.runs.get(run)
        if found is None or found.owner != owner:
            raise NotFoundError("There is no such run.")
        return found

    async def cancel(self, run: str, owner: Owner) -> Run:
        """Notes durably that a cancel was asked for, and stops the run; returns it as it then stands.

        An ended run is returned as it is. Raises `NotFoundError`, and `UnavailableError` where the
        run was told to stop but that could not be noted: a start after a crash would not know of it.
        """
        found = await self._owned(run, owner)
        if is_ended(found.state):
            return found
        noted = await self._see_through(self._cancel(run, "user"), f"cancel {run}")
        if noted is None:
            await self._owned(run, owner)
            raise UnavailableError("The cancel could not be stored.", code=ErrorCode.STORAGE)
        return noted

    async def _cancel(self, run: str, by: ev.CancelledBy) -> Run | None:
        """Durable first: a crash between the two must end the run as cancelled. None where it could not be noted."""
        await self._arrived(run)
        noted: Run | None = None
        try:
            noted = await self._storage.runs.request_cancel(run, by)
        except StorageError as error:
            # the note could not be kept, but the work can still be stopped
            _log.warning("cancel not noted", run=run, error=type(error).__name__)
        if (runner := self._runners.get(run)) is not None:
            runner.stop(stop_cancelled(by))
        return noted

    async def _arrived(self, run: str) -> None:
        """Returns once a run that is being set going can be stopped."""
        if (arriving := self._arriving.get(run)) is not None:
            await arriving.wait()

    async def delete(self, run: str, owner: Owner) -> None:
        """Cancels the run if it is live, waits for its end, then forgets it and its log.

        Raises `NotFoundError`, and `UnavailableError` where the run can not be ended or deleted now.
        """
        await self._owned(run, owner)
        await self._see_through(self._delete(run), f"delete {run}")

    async def _delete(self, run: str) -> None:
        await self._arrived(run)
        if (runner := self._runners.get(run)) is not None:
            await self._cancel(run, "user")
            try:
                async with asyncio.timeout(DELETE_WAIT_S):
                    await runner.ended.wait()
            except TimeoutError:
                raise UnavailableError(
                    "The run has no end yet, so it was not deleted.", code=ErrorCode.STORAGE, retry_after_s=10
                ) from None
        try:
            with contextlib.suppress(LogMissing):
                await self._storage.log.delete(run)
            await self._storage.runs.delete(run)
        except StorageError as error:
            raise UnavailableError("The run could not be deleted.", code=ErrorCode.STORAGE) from error

    # ── readers ─────────────────────────────────────────────────────────────────────────────────

    def reader_joined(self, run: str) -> None:
        self._readers.joined(run)
        if (timer := self._leave_timers.pop(run, None)) is not None:
            timer.cancel()

    def reader_left(self, run: str) -> None:
        runner = self._runners.get(run)
        if runner is None or runner.is_ending:
            return  # who stayed to the end has not left
        if not self._readers.left(run) or self.draining:
            return
        policy = runner.run.request.on_disconnect
        if policy == "cancel":
            self._left_for_good(run)
        elif isinstance(policy, CancelAfter):
            loop = asyncio.get_running_loop()
            self._leave_timers[run] = loop.call_later(policy.cancel_after_s, self._left_for_good, run)

    def _left_for_good(self, run: str) -> None:
        self._leave_timers.pop(run, None)
        self._tasks.spawn(self._cancel_left(run), f"cancel {run}")

    async def _cancel_left(self, run: str) -> None:
        await self._cancel(run, "disconnect")

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    async def drain(self, limit_s: float) -> bool:
        """Takes no new runs, ends those there are with `DRAINING`; True if all have ended within the limit."""
        self.draining = True
        for runner in self._runners.values():
            runner.stop(stop_error(ErrorCode.DRAINING))
        try:
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
        except TimeoutError:
            _log.error("drain limit reached", live=len(self._runners), arriving=len(self._arriving))
            return False
        return True


def _name(idempotency: IdempotencyKey) -> _KeyName:
    return (idempotency.owner, idempotency.route, idempotency.key)
