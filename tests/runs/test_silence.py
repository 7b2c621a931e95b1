"""The watch over one call's silence."""

from __future__ import annotations

import asyncio

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.providers.contract import Silence
from headwater.runs.silence import SilenceWatch
from tests.kit.virtual import VirtualClock
from tests.runs.scene import pause, virtual

WORD = [ev.Chunk("a", 0)]


class Watched:
    def __init__(self, first_token_s: float | None, idle_s: float | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.broken: list[tuple[str, float, float]] = []
        self.watch = SilenceWatch(
            Silence(first_token_s, idle_s),
            VirtualClock(self.loop),
            lambda phase, limit_s: self.broken.append((phase, limit_s, self.loop.time() - self.began)),
        )
        self.began = self.loop.time()


@virtual
async def test_only_output_of_the_model_breaks_its_silence() -> None:
    it = Watched(3.0, 5.0)
    while not it.broken:
        it.watch.waits()
        await pause(0.5)
        it.watch.took([ev.Status("streaming"), ev.UsageReport(Usage())])
    assert it.broken == [("first_token", 3.0, 3.0)]


@virtual
async def test_output_ends_the_wait_for_the_first_token_and_begins_the_watch_for_silence() -> None:
    it = Watched(3.0, 5.0)
    it.watch.waits()
    for _ in range(4):
        await pause(2.5)
        it.watch.took(WORD)
        it.watch.waits()
    await pause(100)
    assert it.broken == [("idle", 5.0, 4 * 2.5 + 5.0)]


@virtual
async def test_who_is_not_asked_is_not_silent() -> None:
    it = Watched(3.0, 3.0)
    for items in ([], WORD, WORD):
        it.watch.waits()
        await pause(1)
        it.watch.took(items)
        await pause(100)
    assert it.broken == []


@virtual
async def test_a_call_that_is_over_is_not_watched() -> None:
    it = Watched(3.0, 3.0)
    it.watch.waits()
    it.watch.took(WORD)
    it.watch.waits()
    it.watch.over()
    await pause(100)
    assert it.broken == []


@virtual
async def test_either_limit_may_be_off() -> None:
    first, idle = Watched(3.0, None), Watched(None, 3.0)
    for it in (first, idle):
        it.watch.waits()
    await pause(100)
    assert (first.broken, idle.broken) == ([("first_token", 3.0, 3.0)], [])
    idle.watch.took(WORD)
    idle.watch.waits()
    await pause(100)
    assert idle.broken == [("idle", 3.0, 103.0)]
