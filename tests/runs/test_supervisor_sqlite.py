"""The supervisor over the embedded engine, in real time: what virtual time and the reference engine can not show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from headwater.clock import SystemClock
from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.domain.run import LOCAL_OWNER, Run, RunState
from headwater.errors import ConflictError, NotFoundError
from headwater.providers.contract import Finish, Item
from headwater.runs.supervisor import Supervisor, Tasks
from headwater.storage.contract import wait
from headwater.storage.sqlite import SqliteStorage
from headwater.workflows.chat import Chat
from tests.runs.scene import Listener, OneProvider, ScriptedProvider, key, request


class Server:
    """The write half of one process over a data directory. The model says "par" and waits for its gate."""

    def __init__(self, directory: Path) -> None:
        self.storage = SqliteStorage(directory)
        self.gate = asyncio.Event()
        self.tasks = Tasks()
        self.listener = Listener()
        self.provider = ScriptedProvider(self.play)
        self.supervisor = Supervisor(
            storage=self.storage,
            models=OneProvider(self.provider),
            workflows={"chat": Chat()},
            clock=SystemClock(),
            observer=self.listener,
            tasks=self.tasks,
        )

    async def play(self, _: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield [ev.Chunk("par", 0)]
        await self.gate.wait()
        yield [ev.Chunk("tial", 0), Finish("stop")]

    async def start(self) -> Server:
        await self.storage.open()
        return self

    async def stop(self) -> None:
        """Drained or not: what has not ended by now is cut."""
        await self.storage.close()
        assert await self.tasks.close()
        assert self.provider.open == 0

    async def records(self, run: str, after: int, *, closed: bool = False) -> list[ev.Record]:
        """The run's records once there are more than `after`, or once it has its end."""
        records: list[ev.Record] = []
        while True:
            await wait(self.storage.log, run, len(records))
            page = await self.storage.log.read(run, len(records))
            records += map(ev.decode_record, page.payloads)
            if page.at_end or (len(records) > after and not closed):
                return records

    async def row(self, run: str) -> Run:
        found = await self.storage.runs.get(run)
        assert found is not None
        return found


async def test_fifty_starts_with_one_key_are_one_run(data_dir: Path) -> None:
    server = await Server(data_dir).start()
    server.gate.set()
    starts = (server.supervisor.submit(request(), LOCAL_OWNER, idempotency=key()) for _ in range(50))
    answers = await asyncio.gather(*starts)
    (name,) = {run.id for run, _ in answers}
    assert [created for _, created in answers].count(True) == 1
    records = await server.records(name, 0, closed=True)
    assert [r.event.type for r in records] == ["status", "call", "status", "chunk", "chunk", "usage", "complete"]
    assert len(server.provider.calls) == 1
    with pytest.raises(ConflictError):
        await server.supervisor.submit(request(), LOCAL_OWNER, idempotency=key(digest=b"other"))
    assert await server.supervisor.drain(10.0)
    assert (await server.row(name)).state is RunState.COMPLETED
    await server.stop()


async def test_what_a_stop_cut_is_ended_by_the_next_start(data_dir: Path) -> None:
    first = await Server(data_dir).start()
    names = [(await first.supervisor.submit(request(), LOCAL_OWNER))[0].id for _ in range(3)]
    for name in names:
        await first.records(name, 3)
    await first.storage.runs.request_cancel(names[0], "user")
    await first.stop()
    second = await Server(data_dir).start()
    recovered = await second.supervisor.recover()
    assert (recovered.interrupted, recovered.cancelled) == (2, 1)
    for name, state in zip(names, [RunState.CANCELLED, RunState.FAILED, RunState.FAILED], strict=True):
        row = await second.row(name)
        assert row.state is state
        assert row.snapshot is not None
        assert row.snapshot.text == "par"
        assert sum(ev.is_final(r.event) for r in await second.records(name, 0, closed=True)) == 1
    await second.stop()


async def test_a_cancel_and_a_deletion_reach_the_disk(data_dir: Path) -> None:
    server = await Server(data_dir).start()
    run, _ = await server.supervisor.submit(request(), LOCAL_OWNER)
    await server.records(run.id, 3)
    noted = await server.supervisor.cancel(run.id, LOCAL_OWNER)
    assert noted.cancel_requested_by == "user"
    records = await server.records(run.id, 0, closed=True)
    assert records[-1].event == ev.Cancelled("user", 3)
    other, _ = await server.supervisor.submit(request(), LOCAL_OWNER)
    await server.supervisor.delete(other.id, LOCAL_OWNER)
    assert await server.storage.runs.get(other.id) is None
    with pytest.raises(NotFoundError):
        await server.supervisor.delete(other.id, LOCAL_OWNER)
    assert await server.supervisor.drain(10.0)
    await server.stop()
