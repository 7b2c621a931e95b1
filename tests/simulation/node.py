"""A server process: the real supervisor and the real hub on a storage, to be called, killed and drained."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from headwater.clock import Clock
from headwater.delivery.hub import Hub
from headwater.domain.run import Owner, Run
from headwater.domain.snapshot import Snapshot
from headwater.errors import NotFoundError
from headwater.runs.supervisor import Supervisor
from headwater.storage.contract import Page
from headwater.telemetry import SilentObserver
from headwater.workflows.chat import Chat
from tests.kit.history import Down, History
from tests.simulation.disk import SimulatedStorage
from tests.simulation.model import AttemptsWorkflow, ScriptedProvider
from tests.simulation.virtual import OrderedTasks
from tests.simulation.wire import Wire

T = TypeVar("T")

OWNER = Owner("local", "local")


class Lost(Exception):
    """The server went away before it had answered."""


class Node:
    def __init__(
        self,
        name: str,
        storage: SimulatedStorage,
        models: ScriptedProvider,
        attempts: AttemptsWorkflow,
        clock: Clock,
        history: History,
        slots: int,
    ) -> None:
        self.storage = storage
        self.dead = False
        self.tasks = OrderedTasks()
        self._history = history
        self._handlers: dict[asyncio.Task[Any], None] = {}
        self._wires: dict[Wire, None] = {}
        view: Any = storage.writer(name)
        observer = SilentObserver()
        self.supervisor = Supervisor(
            storage=view,
            models=models,
            workflows={"chat": Chat(), "attempts": attempts},
            clock=clock,
            observer=observer,
            tasks=self.tasks,
            slots=slots,
            waiting_max=20,
        )
        self.hub = Hub(
            view.log_for_readers,
            clock=clock,
            spawn=self.tasks.spawn,
            observer=observer,
            presence=self.supervisor,
            heartbeat_s=4.0,
            stall_s=8.0,
        )

    @property
    def died(self) -> bool:
        return self.dead

    # ── requests ────────────────────────────────────────────────────────────────────────────────

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Does a request and answers it. Raises `Lost` where the server dies before it has."""
        if self.dead:
            work.close()
            raise Lost
        task = self._handle(work)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            raise
        if self.died or task.cancelled():
            raise Lost
        return task.result()

    def stream(self, wire: Wire, run: str, after: int, *, form: str, types: Any, from_snapshot: bool) -> None:
        """Begins to answer with a run's records."""
        if self.dead:
            wire.cut()
            return
        self._wires[wire] = None
        wire.answering = self._handle(self._stream(wire, run, after, form, types, from_snapshot))

    async def _stream(self, wire: Wire, run: str, after: int, form: str, types: Any, from_snapshot: bool) -> None:
        try:
            found = await self.storage.runs.get(run)
            if found is None:
                raise NotFoundError("There is no such run.")
            serve = self.hub.serve_sse if form == "sse" else self.hub.serve_ndjson
            await serve(wire.scope, wire.receive, wire.send, run, after, types=types, from_snapshot=from_snapshot)
        finally:
            self._wires.pop(wire, None)
            wire.answered()

    async def page(self, run: str, after: int, wait_ms: int, limit: int) -> Page:
        """Answers with a page of a run's records."""
        if await self.storage.runs.get(run) is None:
            raise NotFoundError("There is no such run.")
        return await self.hub.page(run, after, wait_ms, limit)

    async def look(self, run: str) -> tuple[Run, Snapshot]:
        """Answers with a run and its snapshot."""
        found = await self.storage.runs.get(run)
        if found is None:
            raise NotFoundError("There is no such run.")
        return found, await self.hub.snapshot(found)

    def _handle(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._handlers[task] = None
        task.add_done_callback(self._handlers.pop)
        return task

    # ── its end ─────────────────────────────────────────────────────────────────────────────────

    def kill(self) -> None:
        """SIGKILL and a power cut in one: what is not synced is gone, nobody is told, no cleanup counts."""
        self._history.note(Down("kill"))
        self.storage.crash()
        self.cut_off()

    def cut_off(self) -> None:
        """Nobody can call it or hear from it any more."""
        self.dead = True
        for wire in tuple(self._wires):
            wire.cut()
        for task in tuple(self._handlers):
            task.cancel()

    async def drain(self, limit_s: float = 5.0) -> bool:
        """SIGTERM."""
        ended = await self.supervisor.drain(limit_s)
        self.hub.drain()
        return ended

    async def bury(self) -> None:
        """Ends the tasks that a process would have taken with it."""
        self.cut_off()
        await self.tasks.close()
        while self._handlers:
            await asyncio.wait(list(self._handlers))
