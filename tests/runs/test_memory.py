"""What a run held is let go of at its end, by itself."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncGenerator

import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.domain.run import LOCAL_OWNER
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Item
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
