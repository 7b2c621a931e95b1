"""Owns every task, every slot and every live run: accepts, cancels, deletes, drains.

Nothing else in the server starts a task; `spawn` is handed to whoever needs one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

from headwater.clock import Clock
from headwater.domain import event as ev
from headwater.domain.run import CancelAfter, Owner, Run, RunRequest, is_ended, new_run_id
from headwater.errors import (
    BadRequestError,
    ErrorCode,
    NotFoundError,
    QueueFullError,
    StorageError,
    StorageFull,
    StorageFullError,
    UnavailableError,
)
from headwater.runs.context import Models
from headwater.runs.queue import RunQueue
from headwater.runs.readership import Readers
from headwater.runs.recovery import Recovered, recover
from headwater.runs.runner import Runner, Stop, stop_cancelled, stop_error
from headwater.storage.contract import IdempotencyKey, Storage
from headwater.telemetry import Observer
from headwater.workflows.contract import Workflow

_log = structlog.get_logger(__name__)


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
            _log.error("task failed", task=task.get_name().split(" ")[0], error=type(error).__name__)

    async def close(self) -> None:
        """Cancels what is left and waits until it has ended."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


class Supervisor:
    """The write half's front. All its methods are called in the event loop's thread."""

    def __init__(
        self,
        *,
        storage: Storage,
        models: Models,
        workflows: Mapping[str, Workflow],
        clock: Clock,
        observer: Observer,
        tasks: Tasks,
        slots: int = 1000,
        waiting_max: int = 1000,
    ) -> None:
        self.draining = False
        self._storage = storage
        self._models = models
        self._workflows = workflows
        self._clock = clock
        self._observer = observer
        self._tasks = tasks
        self._queue = RunQueue(slots, waiting_max)
        self._readers = Readers(clock)
        self._runners: dict[str, Runner] = {}
        self._leave_timers: dict[str, asyncio.TimerHandle] = {}
        #: accepted but not stored yet; they count against the queue's bound
        self._arriving = 0

    @property
    def live(self) -> int:
        """Runs that have not ended."""
        return len(self._runners)

    @property
    def waiting(self) -> int:
        """Runs that wait for a slot."""
        return self._queue.waiting

    async def recover(self) -> Recovered:
        """Ends what an earlier process left unended. Before anything else, once."""
        recovered = await recover(self._storage, self._clock)
        self._observer.runs_recovered(recovered.interrupted, recovered.cancelled)
        return recovered

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

        Raises `RefusedError`; then nothing was stored and no model called.
        """
        workflow = self._workflows.get(request.workflow)
        if workflow is None:
            known = f"There is no workflow `{request.workflow}`; there are: {', '.join(sorted(self._workflows))}."
            raise BadRequestError(known, pointer="/workflow")
        workflow.check(request)
        self._models.resolve(request.model)
        self._admit()
        self._arriving += 1
        try:
            run, created = await self._store(request, owner, idempotency, retry_of)
            if created:
                await self._set_going(run, workflow)
            return run, created
        finally:
            self._arriving -= 1

    def _admit(self) -> None:
        if self.draining:
            raise UnavailableError("The server is shutting down; try again in a moment.", retry_after_s=2)
        if self._storage.failed is not None:
            raise UnavailableError("The storage has failed; no run can be started.", code=ErrorCode.STORAGE)
        if self._storage.full:
            raise StorageFullError("The disk is full: runs that exist can be read, new ones can not be started.")
        queue = self._queue
        if queue.running + queue.waiting + self._arriving >= queue.slots + queue.waiting_max:
            raise QueueFullError(f"{queue.waiting} runs are waiting already.", retry_after_s=1)

    async def _store(
        self, request: RunRequest, owner: Owner, idempotency: IdempotencyKey | None, retry_of: str | None
    ) -> tuple[Run, bool]:
        wanted = Run(
            id=new_run_id(),
            owner=owner,
            request=request,
            created_at_ms=self._clock.now_ms(),
            retry_of=retry_of,
            epoch=1,
        )
        try:
            run = await self._storage.runs.create(wanted, idempotency)
        except StorageFull:
            raise StorageFullError("The disk is full: the run was not started.") from None
        except StorageError as error:
            raise UnavailableError("The run could not be stored.", code=ErrorCode.STORAGE) from error
        return run, run.id == wanted.id

    async def _set_going(self, run: Run, workflow: Workflow) -> None:
        try:
            log_state = await self._storage.log.claim(run.id, run.epoch)
        except StorageFull:
            await self._storage.runs.delete(run.id)
            raise StorageFullError("The disk is full: the run was not started.") from None
        except StorageError as error:
            raise UnavailableError("The run could not be stored.", code=ErrorCode.STORAGE) from error
        runner = Runner(
            run,
            log_state,
            storage=self._storage,
            models=self._models,
            workflow=workflow,
            clock=self._clock,
            observer=self._observer,
            spawn=self._tasks.spawn,
            readership=lambda: self._readers.figures(run.id),
        )
        self._runners[run.id] = runner
        self._readers.open(run.id)
        self._observer.run_started(run.id)
        position = self._queue.enter(run.id, run.request.priority)
        self._tasks.spawn(self._live(runner, position), f"run {run.id}")
        if self.draining:  # the drain began while the row was being written
            runner.stop(stop_error(ErrorCode.DRAINING))

    async def _live(self, runner: Runner, position: int) -> None:
        run = runner.run.id
        try:
            await runner.live(position)
        finally:
            del self._runners[run]
            self._readers.close(run)
            if (timer := self._leave_timers.pop(run, None)) is not None:
                timer.cancel()
            if (next_run := self._queue.leave(run)) is not None:
                self._runners[next_run].grant_slot()

    # ── stop ────────────────────────────────────────────────────────────────────────────────────

    async def _owned(self, run: str, owner: Owner) -> Run:
        found = await self._storage.runs.get(run)
        if found is None or found.owner != owner:
            raise NotFoundError("There is no such run.")
        return found

    async def cancel(self, run: str, owner: Owner) -> Run:
        """Notes durably that a cancel was asked for, and stops the run; returns it as it then stands.

        An ended run is returned as it is. Raises `NotFoundError`.
        """
        found = await self._owned(run, owner)
        if is_ended(found.state):
            return found
        return await self._cancel(run, "user") or found

    async def _cancel(self, run: str, by: ev.CancelledBy) -> Run | None:
        try:
            noted = await self._storage.runs.request_cancel(run, by)
        except StorageError as error:
            # the note could not be kept, but the work can still be stopped
            _log.warning("cancel not noted", run=run, error=type(error).__name__)
            noted = await self._storage.runs.get(run)
        self._stop(run, stop_cancelled(by))
        return noted

    def _stop(self, run: str, reason: Stop) -> None:
        if (runner := self._runners.get(run)) is not None:
            runner.stop(reason)

    async def delete(self, run: str, owner: Owner) -> None:
        """Cancels the run if it is live, waits for its end, then forgets it and its log. Raises `NotFoundError`."""
        await self._owned(run, owner)
        if (runner := self._runners.get(run)) is not None:
            await self._cancel(run, "user")
            await runner.ended.wait()
        try:
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
        if not self._readers.left(run) or (runner := self._runners.get(run)) is None or self.draining:
            return
        policy = runner.run.request.on_disconnect
        if policy == "cancel":
            self._cancel_if_left(run)
        elif isinstance(policy, CancelAfter):
            loop = asyncio.get_running_loop()
            self._leave_timers[run] = loop.call_later(policy.cancel_after_s, self._cancel_if_left, run)

    def _cancel_if_left(self, run: str) -> None:
        self._leave_timers.pop(run, None)
        if run in self._runners and not self._readers.now(run):
            self._tasks.spawn(self._cancel_left(run), f"cancel {run}")

    async def _cancel_left(self, run: str) -> None:
        await self._cancel(run, "disconnect")

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    async def drain(self, limit_s: float) -> bool:
        """Takes no new runs, ends those there are with `DRAINING`; True if all have ended within the limit."""
        self.draining = True
        runners = list(self._runners.values())
        for runner in runners:
            runner.stop(stop_error(ErrorCode.DRAINING))
        try:
            async with asyncio.timeout(limit_s):
                for runner in runners:
                    await runner.ended.wait()
                while self._arriving or self._runners:
                    for runner in list(self._runners.values()):
                        await runner.ended.wait()
                    await asyncio.sleep(0)
        except TimeoutError:
            _log.error("drain limit reached", live=len(self._runners))
            return False
        return True
