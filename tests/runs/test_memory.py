"""What a run held is let go of at its end, by itself."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.domain.run import LOCAL_OWNER, RunRequest
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Item
from headwater.workflows.contract import RunContext, Workflow
from tests.runs.scene import Scene, pause, virtual, words

TEN_SECONDS = words(*"0123456789", every_s=1.0)


async def _fails(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
    yield [ev.Chunk("some", 0)]
    raise ProviderError(ErrorCode.NETWORK, provider="scripted")


@pytest.mark.parametrize("end", ["complete", "cancelled", "error", "timeout"])
@virtual
async def test_what_a_run_held_is_freed_at_its_end_without_the_garbage_collector(end: str) -> None:
    """Else all text of each run would lie in memory until the collector's next long look, for which all tokens wait."""
    play = {"complete": words("a", "b"), "error": _fails}.get(end, TEN_SECONDS)
    async with Scene(play) as scene:
        gc.collect()
        gc.disable()
        try:
            run = await scene.submit(total_s=3.0 if end == "timeout" else 300.0)
            held = weakref.ref(scene.supervisor._runners[run.id])
            if end == "cancelled":
                await pause(1.5)
                await scene.supervisor.cancel(run.id, LOCAL_OWNER)
            await scene.end_of(run)
            await pause(1.0)
            assert held() is None
        finally:
            gc.enable()
    assert scene.final(run.id).type == ("error" if end == "timeout" else end)


class Lingering(Workflow):
    """Begins to read a model's answer, keeps it open, and swallows more cancellations than a run waits for."""

    name = "lingering"

    def __init__(self) -> None:
        self.left = 10

    def check(self, request: RunRequest) -> None: ...

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        request = context.request
        events = context.generate(GenerationRequest(request.model, request.messages, request.settings))
        async for each in events:
            if any(isinstance(event, ev.Chunk) for event in each):
                break
        while self.left:
            try:
                await pause(3600)
            except asyncio.CancelledError:
                self.left -= 1
        yield []


@virtual
async def test_work_that_outlives_its_run_closes_what_it_had_open() -> None:
    workflow = Lingering()
    async with Scene(TEN_SECONDS, workflows={"lingering": workflow}, stubborn=True) as scene:
        run = await scene.submit(workflow="lingering", total_s=5.0)
        await scene.end_of(run)
        assert scene.provider.open == 1
        workflow.left = 0
        await pause(4000)
        assert scene.provider.open == 0
