"""A schedule: everything that happens in one world, all of it drawn from one seed.

history = simulate(seed)
violations = check(history)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from unittest import mock

from headwater.domain.message import Message
from headwater.domain.run import CancelAfter, Limits, OnCrash, OnDisconnect, RunRequest, is_ended
from headwater.errors import ConflictError, NotFoundError, RefusedError
from headwater.storage.contract import IdempotencyKey
from tests.kit.history import (
    CancelAsked,
    Cancelled,
    ClockSet,
    Counted,
    Deleted,
    Down,
    History,
    LogFound,
    Looked,
    RowFound,
    Submitted,
    Up,
)
from tests.kit.virtual import VirtualClock, run_virtual
from tests.simulation.client import Client, habits
from tests.simulation.disk import Disk, SimulatedStorage
from tests.simulation.model import AttemptsWorkflow, ScriptedProvider, script, superseding
from tests.simulation.node import OWNER, Lost, Node
from tests.simulation.virtual import Group, pause

#: After everything else is over, how long a reader may take to get what it has not got yet.
GRACE_S = 20.0
#: No run's limits are longer than this; with what a full disk and a restart add, all have ended.
RUNS_S = 60.0


def simulate(seed: int) -> History:
    """Plays the schedule of a seed; the same seed is the same history."""
    ids = random.Random(f"ids {seed}")
    with mock.patch("secrets.token_hex", lambda count: ids.randbytes(count).hex()):
        return run_virtual(_play(seed))


async def _play(seed: int) -> History:
    loop = asyncio.get_running_loop()
    history = History(loop.time)
    world = World(seed, history, VirtualClock(loop, seed))
    await world.play()
    return history


class World:
    def __init__(self, seed: int, history: History, clock: VirtualClock) -> None:
        self._chance = random.Random(seed)
        self._history = history
        self._clock = clock
        self._disk = Disk(self._chance, history)
        self._models = ScriptedProvider(history)
        self._attempts = AttemptsWorkflow()
        #: prompts whose past is too long for a snapshot
        self._long: set[str] = set()
        self._clients: list[Client] = []
        self._readers = Group()
        self._others = Group()
        self._burials = Group()
        self._nodes: list[Node] = []
        self._serving = asyncio.Event()
        self._node: Node | None = None
        self._striking = asyncio.Lock()
        # A run that waits for its slot has a record more, which the plans of attempts do not reckon with.
        self._with_attempts = self._chance.random() < 0.4
        self._slots = 20 if self._with_attempts else self._chance.choice((1, 2, 20))

    async def play(self) -> None:
        self._history.note(Counted("before", self._counts()))
        await self._start(self._disk.engine())
        for number in range(self._chance.randrange(1, 6)):
            self._others.start(self._order(number))
        self._others.start(self._trouble())
        stuck = await self._others.finish(RUNS_S)
        assert not stuck, f"the schedule itself does not end: {stuck}"
        await self._all_ended()
        for client in self._clients:
            client.hurry = True
        await self._readers.finish(GRACE_S)
        await self._burials.finish(GRACE_S)
        node = self._node
        assert node is not None
        await node.drain()
        await node.storage.close()
        await node.bury()
        await pause(GRACE_S)
        failures = [failure for node in self._nodes for failure in node.tasks.failures]
        assert not failures, f"tasks of the server failed: {failures}"
        self._history.note(Counted("after", self._counts()))
        self._look()

    # ── servers ─────────────────────────────────────────────────────────────────────────────────

    async def serving(self) -> Node:
        """The server that takes requests, once there is one."""
        while self._node is None:
            await self._serving.wait()
        return self._node

    async def _start(self, storage: SimulatedStorage) -> None:
        """A server on a storage that is open or not; it takes requests when it has recovered."""
        node = self._make(storage)
        if storage.medium.held_by is not storage:
            await storage.open()
        self._history.note(Up())
        recovered = await node.supervisor.recover()
        node.supervisor.take_up(recovered.taken_up)
        self._node = node
        self._serving.set()

    def _make(self, storage: SimulatedStorage) -> Node:
        name = f"node {len(self._nodes) + 1}"
        node = Node(name, storage, self._models, self._attempts, self._clock, self._history, self._slots)
        self._nodes.append(node)
        return node

    def _withdraw(self) -> Node:
        node = self._node
        assert node is not None
        self._node = None
        self._serving.clear()
        return node

    # ── trouble ─────────────────────────────────────────────────────────────────────────────────

    async def _trouble(self) -> None:
        kinds = (
            *(self._kill, self._kill, self._kill, self._take_over, self._take_over, self._take_over),
            *(self._fill_up, self._fill_up, self._fill_up, self._break, self._drain, self._jump),
        )
        for _ in range(self._chance.choice((0, 1, 1, 2, 3))):
            await pause(self._chance.uniform(0.0, 1.5))
            await self._strike(self._chance.choice(kinds))

    async def _strike(self, trouble: Callable[[], Awaitable[None]]) -> None:
        """One after the other: each finds a server that takes requests."""
        if trouble == self._fill_up:
            await trouble()  # that may come at any time
            return
        async with self._striking:
            await trouble()

    async def _kill(self) -> None:
        node = self._withdraw()
        node.kill()
        self._burials.start(node.bury())
        await pause(self._chance.uniform(0.0, 0.5))
        while self._chance.random() < 0.25:
            await self._die_while_starting()
        await self._start(self._disk.engine())

    async def _die_while_starting(self) -> None:
        """A server is killed in the middle of its recovery."""
        node = self._make(self._disk.engine())
        await node.storage.open()
        self._history.note(Up())
        starting = self._burials.start(node.supervisor.recover())
        await pause(self._chance.uniform(0.0, 0.05))
        node.kill()
        starting.cancel()
        self._burials.forget(starting)
        self._burials.start(node.bury())

    async def _break(self) -> None:
        """The disk fails, the server stops itself, and the next one finds a disk that works."""
        node = self._withdraw()
        self._history.note(Down("disk"))
        node.storage.fail()
        await pause(self._chance.uniform(0.0, 0.2))
        node.cut_off()
        node.storage.crash()
        self._burials.start(node.bury())
        await self._start(self._disk.engine())

    async def _take_over(self) -> None:
        """Another server believes that this one is dead; it was only frozen, and goes on."""
        old = self._withdraw()
        old.cut_off()
        # One engine holds a medium, so in truth no run is made behind the back of who takes over.
        while old.supervisor._arriving:
            await pause(0.005)
        await self._start(old.storage)
        self._burials.start(self._wake_and_stop(old))

    async def _wake_and_stop(self, old: Node) -> None:
        await pause(self._chance.uniform(0.0, 1.0))
        await old.bury()

    async def _fill_up(self) -> None:
        node = await self.serving()
        node.storage.space_gone()
        await pause(self._chance.uniform(0.0, 2.0))
        node.storage.space_back()

    async def _drain(self) -> None:
        node = await self.serving()
        assert await node.drain() or node.storage.full, "a drain did not end all runs in time"
        self._withdraw()
        await node.storage.close()
        self._history.note(Down("drain"))
        await node.bury()
        await self._start(self._disk.engine())

    async def _jump(self) -> None:
        """The wall clock is set."""
        by_s = self._chance.choice((-3600.0, 3600.0))
        self._clock.jump(by_s)
        self._history.note(ClockSet(by_s))

    # ── clients ─────────────────────────────────────────────────────────────────────────────────

    async def _order(self, number: int) -> None:
        """Somebody wants an answer, asks for it until there is one, reads it, and may change its mind."""
        chance = self._chance
        await pause(chance.uniform(0.0, 2.0))
        request, answer = self._request(f"prompt {number}")
        key = f"key {number}" if chance.random() < 0.7 else None
        together = 1 if key is None else chance.choice((1, 1, 3, 10))
        asking = [self._others.start(self._submit(request, key, answer)) for _ in range(together)]
        for run in {run: None for run in [await each for each in asking] if run is not None}:
            for reader in range(chance.choice((0, 1, 2, 3))):
                self._follow(f"reader {number}.{reader} of {run[-4:]}", run)
            if request.input in self._long:
                self._follow(f"late reader {number} of {run[-4:]}", run, late=True)
            if chance.random() < 0.3:
                self._others.start(self._watch(f"watcher {number} of {run[-4:]}", run))
            if chance.random() < 0.35:
                await pause(chance.uniform(0.0, 1.0))
                await self._cancel(run)
            if chance.random() < 0.1:
                await pause(chance.uniform(0.0, 1.0))
                await self._delete(run)

    def _request(self, prompt: str) -> tuple[RunRequest, str | None]:
        chance = self._chance
        policies: tuple[OnDisconnect, ...] = ("continue", "continue", "continue", "cancel", CancelAfter(0.5))
        limits = Limits(
            queue_s=chance.choice((60.0, 60.0, 0.5)),
            first_token_s=chance.choice((None, None, 1.0)),
            idle_s=chance.choice((None, None, 1.5)),
            total_s=chance.choice((2.0, 6.0)),
        )
        policy = chance.choice(policies)
        if self._with_attempts and chance.random() < 0.6:
            long = chance.random() < 0.5
            if long:
                self._long.add(prompt)
            plan = superseding(chance, long=long)
            self._attempts.plans[prompt] = plan
            asked = RunRequest("any", "attempts", input=prompt, limits=limits, on_disconnect=policy)
            return asked, plan.text
        # Of its own, so that what is drawn here moves nothing else.
        tries = random.Random(f"{prompt} {chance.random()}")
        plan_ = script(chance)._replace(recovers_at=tries.choice((2, 3, 99)))
        on_crash: OnCrash = chance.choice(("interrupt", "rerun"))
        if tries.random() < 0.5:
            on_crash = tries.choice(("continue", "reattach"))
            plan_ = plan_._replace(mark=tries.choice((1, 2, 5)), cuts=tuple(tries.sample(range(1, 26), 4)))
            if plan_.steps:
                # said once, so that what follows a beginning never looks like it
                plan_.steps[0].words.insert(0, "§ ")
        self._models.scripts[prompt] = plan_
        request = RunRequest(
            "any",
            messages=[Message("user", prompt)],
            limits=limits,
            on_disconnect=policy,
            on_crash=on_crash,
            after_output=tries.choice(("fail", "new_attempt")),
            fallback=tries.choice(([], ["another"])),
        )
        return request, plan_.text

    async def _submit(self, request: RunRequest, key: str | None, answer: str | None) -> str | None:
        """Asks until it is answered; only with a key is it safe to ask again."""
        idempotency = None if key is None else IdempotencyKey(OWNER, "/runs", key, b"digest")
        prompt = str(request.input or request.messages[0].content)
        for attempt in range(12):
            patience_s = self._chance.uniform(0.0, 0.02) if attempt == 0 and self._chance.random() < 0.15 else None
            node = await self.serving()
            try:
                async with asyncio.timeout(patience_s):
                    run, _ = await node.call(node.supervisor.submit(request, OWNER, idempotency=idempotency))
            except ConflictError:
                return None  # it was made and deleted
            except RefusedError:
                pass
            except (Lost, TimeoutError):
                if key is None:
                    return None
            else:
                stays = request.on_disconnect == "continue"
                self._history.note(
                    Submitted(run.id, prompt, key, request.limits.total_s, answer, stays, request.on_crash)
                )
                return run.id
            await pause(self._chance.uniform(0.1, 0.5))
        return None

    def _follow(self, name: str, run: str, within_s: float = 3.0, late: bool = False) -> None:
        client = Client(name, run, habits(self._chance, late=late), self._history, self._chance, self.serving)
        self._clients.append(client)

        async def follow() -> None:
            await pause(self._chance.choice((0.0, 0.0, self._chance.uniform(0.0, within_s))))
            await client.follow()

        self._readers.start(follow())

    async def _watch(self, name: str, run: str) -> None:
        """Looks at the run itself, again and again."""
        for _ in range(self._chance.randrange(1, 8)):
            await pause(self._chance.uniform(0.0, 0.3))
            node = await self.serving()
            try:
                row, snapshot = await node.call(node.look(run))
            except (Lost, RefusedError):
                continue
            self._history.note(Looked(run, name, row.state, snapshot.seq, snapshot.text))

    async def _cancel(self, run: str) -> None:
        node = await self.serving()
        self._history.note(CancelAsked(run))
        try:
            found = await node.call(node.supervisor.cancel(run, OWNER))
        except (Lost, RefusedError):
            return
        if is_ended(found.state):
            return
        self._history.note(Cancelled(run))
        if self._chance.random() < 0.15:
            await self._strike(self._kill)

    async def _delete(self, run: str) -> None:
        self._history.note(Deleted(run))
        for number in range(self._chance.choice((0, 2))):
            self._follow(f"reader of what goes {number} of {run[-4:]}", run, within_s=0.05)
        for _ in range(5):
            node = await self.serving()
            try:
                await node.call(node.supervisor.delete(run, OWNER))
                return
            except NotFoundError:
                return
            except (Lost, RefusedError):
                await pause(0.3)

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    async def _all_ended(self) -> None:
        """Waits, so long as no run could still be running by its limits."""
        waited_s = 0.0
        while waited_s < RUNS_S and not all(is_ended(run.state) for run in self._disk.medium.runs.values()):
            await pause(0.25)
            waited_s += 0.25

    def _counts(self) -> dict[str, int]:
        loop = asyncio.get_running_loop()
        others: dict[str, Callable[[], int]] = {
            "watchers": self._disk.watchers,
            "upstream": lambda: self._models.open,
            "readers": lambda: sum(node.hub.readers for node in self._nodes),
            "live runs": lambda: sum(node.supervisor.live for node in self._nodes if not node.dead),
            "server tasks": lambda: sum(len(node.tasks) for node in self._nodes),
            "feeds": lambda: sum(len(node.hub._feeds) for node in self._nodes),
            "runners": lambda: sum(len(node.supervisor._runners) for node in self._nodes),
            "slots": lambda: sum(
                node.supervisor._queue.running + node.supervisor._queue.waiting for node in self._nodes
            ),
            "leave timers": lambda: sum(len(node.supervisor._leave_timers) for node in self._nodes),
            "tasks": lambda: sum(not task.done() for task in asyncio.all_tasks()),
            "timers": lambda: sum(not timer.cancelled() for timer in getattr(loop, "_scheduled", ())),
        }
        return {name: count() for name, count in others.items()}

    def _look(self) -> None:
        medium, note = self._disk.medium, self._history.note
        for run, row in medium.runs.items():
            request = row.request
            prompt = str(request.input or request.messages[0].content)
            note(RowFound(run, row.state, prompt, None if row.snapshot is None else row.snapshot.text))
            if (log := medium.logs.get(run)) is not None:
                note(LogFound(run, list(log.records), log.closed, log.epoch))
