"""Answers that go on at their provider's while the connection to it is lost: each piece once, and paid for once."""

from __future__ import annotations

import random
from typing import Any, Self

import pytest

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.run import LOCAL_OWNER
from headwater.domain.snapshot import fold
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.contract import Item
from headwater.providers.resilience import Resilience
from headwater.storage.memory_medium import MemoryMedium
from tests.runs.lasting import LastingProvider
from tests.runs.scene import Scene, pause, virtual

LETTERS = "abcdefghij"
USAGE = Usage(3, 0, 10)
ANSWER: list[Item] = [*(ev.Chunk(letter, 0) for letter in LETTERS), ev.UsageReport(USAGE)]


class Cut(Scene):
    """A model whose answers last, one letter a second, a checkpoint after each second one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.lasting = LastingProvider(ANSWER)
        self.models.provider = self.lasting

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def told(self, **asked: Any) -> list[ev.Event]:
        records = await self.end_of(await self.submit(on_crash="reattach", **asked))
        assert [record.t for record in records] == sorted(record.t for record in records)
        return [record.event for record in records]


def states(events: list[ev.Event]) -> list[str]:
    return [event.state for event in events if isinstance(event, ev.Status)]


@pytest.mark.parametrize("after", range(2, len(ANSWER)))
@pytest.mark.parametrize("how", [ErrorCode.NETWORK, ErrorCode.TRUNCATED])
@virtual
async def test_wherever_the_connection_is_lost_each_piece_is_there_once(how: ErrorCode, after: int) -> None:
    async with Cut() as scene:
        scene.lasting.cuts = {after: Truncated() if how is ErrorCode.TRUNCATED else ProviderError(how)}
        events = await scene.told()
        assert [event.content for event in events if isinstance(event, ev.Chunk)] == [*LETTERS]
        complete = events[-1]
        assert isinstance(complete, ev.Complete)
        assert (complete.final_response, complete.usage) == (LETTERS, USAGE)
        assert [event.usage for event in events if isinstance(event, ev.UsageReport)] == [USAGE]
        assert states(events) == ["connecting", "streaming", "reattaching", "streaming"]
        assert not any(isinstance(event, ev.Attempt) for event in events)
        assert list(scene.lasting.begun) == ["resp_1"]
        assert [place.sequence_number for place in scene.lasting.asked_again] == [after // 2 * 2]
        assert scene.lasting.stopped == []
        (repeated,) = scene.listener.repeats
        assert (repeated.code, repeated.step) == (how, "reattach")
        (called,) = scene.listener.calls
        assert called.code is None, "one try, which has reached its end"


@virtual
async def test_any_number_of_cuts_between_which_something_comes() -> None:
    async with Cut() as scene:
        scene.lasting.cuts = {number: Truncated() for number in range(2, len(ANSWER))}
        complete = (await scene.told())[-1]
        assert isinstance(complete, ev.Complete)
        assert complete.final_response == LETTERS
        assert len(scene.lasting.asked_again) == len(ANSWER) - 2
        assert len(scene.lasting.begun) == 1


@virtual
async def test_a_stall_is_a_lost_connection_once() -> None:
    async with Cut() as scene:
        scene.lasting.cuts = {5: None}
        complete = (await scene.told(idle_s=3.0))[-1]
        assert isinstance(complete, ev.Complete)
        assert complete.final_response == LETTERS
    async with Cut() as scene:
        scene.lasting._every_s, scene.lasting._mark = 100.0, 1
        events = await scene.told(idle_s=15.0, first_token_s=None)
        error = events[-1]
        assert isinstance(error, ev.Error)
        assert (error.code, error.phase) == ("TIMEOUT", "idle")
        assert states(events).count("reattaching") == 1


@virtual
async def test_before_it_has_a_name_it_is_asked_for_anew() -> None:
    """Nobody could find it, and nothing was put out."""

    async with Cut() as scene:
        scene.lasting._script = [ev.Chunk("", 0), *scene.lasting._script]
        scene.lasting.cuts = {1: ProviderError(ErrorCode.NETWORK)}
        events = await scene.told()
        assert isinstance(events[-1], ev.Complete | ev.Error)
        assert scene.lasting.asked_again == []


@virtual
async def test_who_is_not_reached_any_more_is_given_up_before_another_is_paid() -> None:
    """After output the run ends with how it was cut, unless it may be superseded; then there is one paid call more."""
    for after_output, calls in (("fail", 1), ("new_attempt", 2)):
        async with Cut() as scene:
            scene.lasting.cuts = {5: Truncated()}
            scene.lasting.failures = [ProviderError(ErrorCode.OVERLOADED, status_code=503) for _ in range(3)]
            events = await scene.told(after_output=after_output)
            assert len(scene.lasting.asked_again) == 3
            assert len(scene.lasting.begun) == calls
            assert states(events).count("reattaching") == 3
            assert scene.lasting.stopped == ["resp_1"], "it is not left to go on unheard"
            final = events[-1]
            if after_output == "fail":
                assert isinstance(final, ev.Error)
                assert (final.code, final.partial_bytes) == ("TRUNCATED", 5)
                snapshot = fold(scene.records(next(iter(scene.storage.medium.runs))))
                assert snapshot.usage == Usage(1, 0, 2, source="estimated")
            else:
                assert isinstance(final, ev.Complete)
                assert final.final_response == LETTERS
                (attempt,) = [event for event in events if isinstance(event, ev.Attempt)]
                assert (attempt.reason, attempt.number) == ("TRUNCATED", 2)
                # what was cut is estimated, and added to what the second one said
                assert final.usage == Usage(4, 0, 12, source="estimated")


@virtual
async def test_an_answer_that_was_begun_and_is_lost_is_paid_for_though_nothing_of_it_was_heard() -> None:
    async with Cut() as scene:
        scene.lasting._script = [ev.Chunk("", 0), ev.Chunk("", 0), *scene.lasting._script]
        scene.lasting.cuts = {2: Truncated()}
        scene.lasting.failures = [ProviderError(ErrorCode.AUTH, status_code=401)]
        events = await scene.told()
        assert isinstance(events[-1], ev.Error)
        assert [event.usage for event in events if isinstance(event, ev.UsageReport)] == [
            Usage(1, 0, 0, source="estimated")
        ]


@virtual
async def test_what_the_provider_has_forgotten_or_says_otherwise_ends_as_it_was_cut() -> None:
    for other in (False, True):
        async with Cut() as scene:
            scene.lasting.cuts = {5: Truncated()}
            scene.lasting.forgotten = not other
            run = await scene.submit(on_crash="reattach")
            await pause(5.0)
            if other:
                scene.lasting._script[4] = ev.Chunk("x", 0)
            events = [record.event for record in await scene.end_of(run)]
            error = events[-1]
            assert isinstance(error, ev.Error)
            assert (error.code, error.partial_bytes) == ("TRUNCATED", 5)
            assert len(scene.lasting.begun) == 1


@virtual
async def test_a_cancel_while_it_waits_stops_the_answer_and_tells_of_the_try() -> None:
    async with Cut() as scene:
        scene.lasting.cuts = {5: Truncated()}
        scene.lasting.failures = [ProviderError(ErrorCode.OVERLOADED, status_code=503, retry_after_ms=30_000)]
        run = await scene.submit(on_crash="reattach")
        await pause(15.0)
        await scene.supervisor.cancel(run.id, LOCAL_OWNER)
        events = [record.event for record in await scene.end_of(run)]
        assert events[-1] == ev.Cancelled("user", 5)
        assert scene.lasting.stopped == ["resp_1"]
        assert [event.usage for event in events if isinstance(event, ev.UsageReport)] == [
            Usage(1, 0, 2, source="estimated")
        ]
        (called,) = scene.listener.calls
        assert called.code == "CANCELLED"


@virtual
async def test_asking_again_is_one_call_for_the_breaker_and_nothing_for_the_budget() -> None:
    resilience = Resilience()
    async with Cut(resilience=resilience) as scene:
        scene.lasting.cuts = {number: Truncated() for number in range(2, 9)}
        await scene.told()
        (row,) = resilience.breakers.snapshot(scene.clock.monotonic())
        assert (row.figures.failures, row.figures.state) == (0, "closed")
        (budget,) = resilience._budgets.values()
        assert budget.tokens == 10.0


@pytest.mark.parametrize("seed", range(30))
@virtual
async def test_crashes_and_cuts_together(seed: int) -> None:
    chance = random.Random(seed)
    provider = LastingProvider(ANSWER, every_s=0.2, mark=chance.choice((1, 2, 3)))
    provider.cuts = {number: Truncated() for number in range(3, len(ANSWER)) if chance.random() < 0.5}
    medium = MemoryMedium()
    for number in range(3):
        async with Cut(medium=medium) as scene:
            scene.models.provider = provider
            scene.supervisor.take_up((await scene.supervisor.recover()).taken_up)
            if number == 0:
                await scene.submit(on_crash="reattach")
            if number < 2:
                await pause(chance.uniform(0.65, 2.0))
                scene.storage.crash()
                continue
            (name,) = medium.runs
            if not medium.logs[name].closed:
                await scene.end_of(name)
            final = scene.final(name)
            assert isinstance(final, ev.Complete)
            assert final.final_response == fold(scene.records(name)).text == LETTERS
            assert final.usage == USAGE
            assert len(provider.begun) == 1, "nothing is paid for twice"
