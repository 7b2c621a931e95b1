"""A supervisor over the reference storage in virtual time, with scripted models: what every test of the room needs."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, cast

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message, Usage
from headwater.domain.run import LOCAL_OWNER, Limits, Run, RunRequest
from headwater.domain.snapshot import fold
from headwater.errors import BadRequestError
from headwater.providers.contract import Finish, Item, Provider, Silence
from headwater.providers.cost import UNPRICED, Pricing
from headwater.providers.resilience import Resilience
from headwater.runs.supervisor import Supervisor, Tasks
from headwater.storage.contract import IdempotencyKey, Storage, wait
from headwater.storage.memory import MemoryStorage
from headwater.storage.memory_medium import MemoryMedium
from headwater.telemetry import CallRepeated, ProviderCalled, RunEnded, SilentObserver
from headwater.workflows.chat import Chat
from headwater.workflows.contract import Workflow
from tests.kit.virtual import VirtualClock, run_virtual

Play = Callable[[GenerationRequest], AsyncGenerator[list[Item], None]]


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs an async test on a virtual loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **fixtures: Any) -> None:
        run_virtual(test(*args, **fixtures))

    return run


async def pause(seconds: float) -> None:
    await asyncio.sleep(seconds)  # paces: virtual time, in which a second takes none


async def turns(number: int = 20) -> None:
    """Lets everything that is ready run, without any time going by."""
    for _ in range(number):
        await pause(0)


def words(*texts: str, every_s: float = 0.0, usage: Usage | None = None, then: Item | None = None) -> Play:
    """A model that says these words, one after another, and comes to its end."""

    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield []
        for text in texts:
            if every_s:
                await pause(every_s)
            yield [ev.Chunk(text, 0)]
        last: list[Item] = [] if usage is None else [ev.UsageReport(usage)]
        yield [*last, then or Finish("stop", "stop")]

    return play


def silent(after: Sequence[str] = (), *, empty_every_s: float | None = None) -> Play:
    """A model that says these words at once and then nothing any more, or empty lists."""

    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield []
        for text in after:
            yield [ev.Chunk(text, 0)]
        while empty_every_s is not None:
            await pause(empty_every_s)
            yield []
        await asyncio.Event().wait()

    return play


class ScriptedProvider:
    """Plays a script for each call and notes what becomes of it."""

    name = "scripted"

    def __init__(self, play: Play) -> None:
        self.play = play
        self.calls: list[GenerationRequest] = []
        self.connect_s: list[float | None] = []
        self.open = 0
        self.on_closed: Callable[[], None] = lambda: None

    def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        self.connect_s.append(connect_s)
        return self._stream(request)

    async def _stream(self, request: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        self.calls.append(request)
        self.open += 1
        try:
            async with aclosing(self.play(request)) as items:
                async for each in items:
                    yield each
        finally:
            self.open -= 1
            self.on_closed()

    async def close(self) -> None: ...


class OneProvider:
    """Models that are all the same provider's, but for names that nobody answers to."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.patience = Silence()
        self.unknown = {"none"}
        self.able: Sequence[str] = ("text", "prefill", "background")
        self.paid: Pricing = UNPRICED

    def resolve(self, name: str) -> tuple[Provider, str]:
        if name in self.unknown:
            raise BadRequestError("no such model", pointer="/model")
        return self.provider, f"upstream-{name}"

    def silence(self, name: str) -> Silence:
        return self.patience

    def capabilities(self, name: str) -> Sequence[str]:
        return self.able

    def who_can(self, capability: str) -> Sequence[str]:
        return []

    def pricing(self, name: str) -> Pricing:
        return self.paid


class Listener(SilentObserver):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: dict[str, RunEnded] = {}
        self.calls: list[ProviderCalled] = []
        self.repeats: list[CallRepeated] = []
        self.recovered: list[tuple[int, int, int]] = []

    def run_started(self, run: str) -> None:
        self.started.append(run)

    def run_ended(self, detail: RunEnded) -> None:
        assert detail.run not in self.ended
        self.ended[detail.run] = detail

    def provider_called(self, detail: ProviderCalled) -> None:
        self.calls.append(detail)

    def call_repeated(self, detail: CallRepeated) -> None:
        self.repeats.append(detail)

    def runs_recovered(self, interrupted: int, cancelled: int, taken_up: int) -> None:
        self.recovered.append((interrupted, cancelled, taken_up))


class Scene:
    """`async with Scene(play) as scene`: made and closed inside a virtual loop; leaves no task behind."""

    def __init__(
        self,
        play: Play | None = None,
        *,
        medium: MemoryMedium | None = None,
        commit_delay: Callable[[], float] | None = None,
        workflows: Mapping[str, Workflow] | None = None,
        foreign: Sequence[str] = (),
        slots: int = 10,
        waiting_max: int = 10,
        stubborn: bool = False,
        resilience: Resilience | None = None,
    ) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.storage = MemoryStorage(medium, commit_delay=commit_delay)
        self.provider = ScriptedProvider(play or words("Hello", " there"))
        self.models = OneProvider(self.provider)
        self.listener = Listener()
        self.tasks = Tasks()
        self.supervisor = Supervisor(
            storage=cast(Storage, self.storage),
            models=self.models,
            workflows=workflows or {"chat": Chat()},
            foreign=foreign,
            clock=self.clock,
            observer=self.listener,
            tasks=self.tasks,
            resilience=resilience,
            slots=slots,
            waiting_max=waiting_max,
        )
        self._stubborn = stubborn

    async def __aenter__(self) -> Scene:
        await self.storage.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closed = await self.tasks.close()
        await self.storage.close()
        if kind is None and not self._stubborn:
            assert closed
            assert self.provider.open == 0
            assert self.storage.log.watcher_count == 0

    async def submit(self, *, key: IdempotencyKey | None = None, **fields: Any) -> Run:
        run, _ = await self.supervisor.submit(request(**fields), LOCAL_OWNER, idempotency=key)
        return run

    async def end_of(self, run: Run | str) -> list[ev.Record]:
        """Waits for the run's end, the row included; returns its records."""
        name = run if isinstance(run, str) else run.id
        while not (page := await self.storage.log.read(name, 0)).closed:
            await wait(cast(Any, self.storage.log), name, page.tail)
        while name not in self.listener.ended:
            await pause(0.001)
        await turns(3)
        return self.records(name)

    def records(self, run: Run | str) -> list[ev.Record]:
        name = run if isinstance(run, str) else run.id
        return [ev.decode_record(payload) for payload in self.storage.medium.logs[name].records]

    def row(self, run: Run | str) -> Run:
        return self.storage.medium.runs[run if isinstance(run, str) else run.id]

    def types(self, run: Run | str) -> list[str]:
        return [record.event.type for record in self.records(run)]

    def final(self, run: Run | str) -> ev.Event:
        """The run's final record; there is exactly one, and it is the last."""
        records = self.records(run)
        assert [r.seq for r in records if ev.is_final(r.event)] == [len(records)]
        return records[-1].event

    def usage(self, run: Run | str) -> Usage | None:
        """What the run's records say that it used."""
        return fold(self.records(run)).usage

    def error(self, run: Run | str) -> ev.Error:
        final = self.final(run)
        assert isinstance(final, ev.Error), final
        return final


def request(text: str = "Hi", **fields: Any) -> RunRequest:
    limits = {name: fields.pop(name) for name in [*fields] if name in Limits.__struct_fields__}
    fields.setdefault("model", "m")
    return RunRequest(messages=[Message("user", text)], limits=Limits(**limits), **fields)


def key(name: str = "k", digest: bytes = b"d") -> IdempotencyKey:
    return IdempotencyKey(LOCAL_OWNER, "POST /api/v1/runs", name, digest)
