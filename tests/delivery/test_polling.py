"""Pages, and polls that wait for one, in virtual time (T3)."""

from __future__ import annotations

import asyncio

from headwater.delivery.polling import WAIT_MS_MAX, Polling
from tests.delivery.rig import RUN, final, records
from tests.delivery.sinks import ColdLog
from tests.kit.virtual import VirtualClock, run_virtual

GAP_S = 15.0


class Scene:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.log = ColdLog(lambda: True)
        self.joined: list[tuple[str, float]] = []
        self.left: list[tuple[str, float, float, int]] = []
        self.polling = Polling(
            self.log,
            VirtualClock(self.loop),
            gap_s=GAP_S,
            joined=lambda run: self.joined.append((run, self.loop.time())),
            left=lambda run, seconds, count: self.left.append((run, self.loop.time(), seconds, count)),
        )

    async def append(self, count: int, after: int = 0) -> None:
        await self.log.append(RUN, after, records(count, after), 1)


async def opened() -> Scene:
    scene = Scene()
    await scene.log.claim(RUN, 1)
    return scene


def test_a_page_without_waiting_is_nobody() -> None:
    async def scene() -> None:
        here = await opened()
        await here.append(5)
        page = await here.polling.page(RUN, 2, 0, 2)
        assert (page.after, list(page.payloads), page.tail, page.closed) == (2, records(2, 2), 5, False)
        assert (here.joined, here.polling.pollers) == ([], 0)

    run_virtual(scene())


def test_a_poll_is_answered_by_what_comes() -> None:
    async def scene() -> None:
        here = await opened()
        began = here.loop.time()
        poll = asyncio.create_task(here.polling.page(RUN, 0, 30_000, 10))
        await asyncio.sleep(7)  # paces: virtual time
        await here.append(3)
        page = await poll
        assert (len(page.payloads), here.loop.time() - began) == (3, 7)

    run_virtual(scene())


def test_a_poll_ends_with_the_run_at_once() -> None:
    async def scene() -> None:
        here = await opened()
        poll = asyncio.create_task(here.polling.page(RUN, 1, 30_000, 10))
        await here.log.append(RUN, 0, [final(1)], 1, True)
        page = await poll
        assert (list(page.payloads), page.closed, page.tail) == ([], True, 1)

    run_virtual(scene())


def test_a_wait_has_an_end() -> None:
    async def scene() -> None:
        here = await opened()
        for asked, waited in ((2_500, 2.5), (10**9, WAIT_MS_MAX / 1000)):
            began = here.loop.time()
            page = await here.polling.page(RUN, 0, asked, 10)
            assert (list(page.payloads), here.loop.time() - began) == ([], waited)

    run_virtual(scene())


def test_polls_in_a_row_are_one_reader_that_leaves_after_the_gap() -> None:
    async def scene() -> None:
        here = await opened()
        began = here.loop.time()
        for after in range(3):
            await asyncio.sleep(GAP_S * 0.9)  # paces: virtual time
            await here.append(1, after)
            await here.polling.page(RUN, after, 1000, 10)
        last = here.loop.time()
        assert here.polling.pollers == 1
        await asyncio.sleep(GAP_S * 2)  # paces: virtual time
        first = began + GAP_S * 0.9
        assert here.joined == [(RUN, first)]
        assert here.left == [(RUN, last + GAP_S, last + GAP_S - first, 3)]
        assert here.polling.pollers == 0

    run_virtual(scene())


def test_a_poll_that_waits_is_not_a_gap() -> None:
    async def scene() -> None:
        here = await opened()
        one = asyncio.create_task(here.polling.page(RUN, 0, 60_000, 10))
        await here.polling.page(RUN, 0, 1000, 10)
        await asyncio.sleep(GAP_S * 2)  # paces: virtual time
        assert here.left == []
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
        await asyncio.sleep(GAP_S * 2)  # paces: virtual time
        assert len(here.left) == 1
        assert here.polling._waits == set()

    run_virtual(scene())


def test_a_drain_answers_every_poll_now() -> None:
    async def scene() -> None:
        here = await opened()
        began = here.loop.time()
        poll = asyncio.create_task(here.polling.page(RUN, 0, 30_000, 10))
        await asyncio.sleep(1)  # paces: virtual time
        here.polling.drain()
        assert list((await poll).payloads) == []
        await here.polling.page(RUN, 0, 30_000, 10)
        assert here.loop.time() - began == 1
        assert (len(here.left), here.polling.pollers) == (2, 0)

    run_virtual(scene())


def test_a_drain_does_not_wait_for_gaps() -> None:
    async def scene() -> None:
        here = await opened()
        await here.append(1)
        await here.polling.page(RUN, 0, 1000, 10)
        here.polling.drain()
        assert (len(here.left), here.polling.pollers) == (1, 0)

    run_virtual(scene())


def test_a_run_without_a_log_yet_is_waited_for() -> None:
    async def scene() -> None:
        here = Scene()
        poll = asyncio.create_task(here.polling.page(RUN, 0, 30_000, 10))
        await asyncio.sleep(1)  # paces: virtual time
        await here.log.claim(RUN, 1)
        await here.append(1)
        assert len((await poll).payloads) == 1

    run_virtual(scene())
