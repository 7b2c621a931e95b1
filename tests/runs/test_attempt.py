"""One try alone: what it notes, and whose interruption ended it."""

from __future__ import annotations

import asyncio

import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Usage
from headwater.domain.snapshot import Fold
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Silence
from headwater.providers.resilience import Resilience, Route
from headwater.runs.attempt import LET_GO_S, Attempt, Surroundings, is_shorter
from headwater.runs.silence import Phase
from tests.kit.virtual import VirtualClock
from tests.runs.scene import Listener, OneProvider, Play, ScriptedProvider, pause, request, silent, virtual, words


class Stage:
    """One attempt at a scripted model, which may be silent for 3 s."""

    def __init__(self, play: Play) -> None:
        self.provider, self.listener, self.fold = ScriptedProvider(play), Listener(), Fold()
        self.told: list[tuple[Phase, float]] = []
        models = OneProvider(self.provider)
        models.patience = Silence(first_token_s=3.0)
        clock = VirtualClock(asyncio.get_running_loop())
        self.around = Surroundings(
            run="r",
            request=request(),
            models=models,
            clock=clock,
            observer=self.listener,
            resilience=Resilience(),
            deadline=clock.monotonic() + 300,
            fold=lambda: self.fold,
            on_call=lambda: None,
            on_silence=lambda phase, limit_s: self.told.append((phase, limit_s)),
            on_left=lambda _provider, _place: None,
        )
        self.attempt = Attempt(self.around, Route("m", self.provider, "upstream-m"), GenerationRequest("m", []))

    async def wait(self) -> None:
        """Reads until something ends it, as a call does."""
        stream, watch = self.attempt.open(), self.attempt.watch
        assert watch is not None
        watch.waits()
        async for items in stream:
            watch.took(items)
            watch.waits()


@virtual
async def test_output_is_noted_where_it_begins_and_a_report_of_usage_is_none() -> None:
    stage = Stage(words("a"))
    stage.attempt.open()
    stage.fold.apply(ev.Record(1, 0, ev.Status("connecting")))
    assert not stage.attempt.took([])
    assert not stage.attempt.took([ev.UsageReport(Usage(1))])
    places = [stage.attempt.put_out_from]
    assert stage.attempt.took([ev.Reasoning("hm", 0)])
    assert [*places, stage.attempt.put_out_from] == [None, 2]
    await stage.attempt.close()


@virtual
async def test_a_silence_interrupts_whoever_waits_and_leaves_no_cancel_behind() -> None:
    stage = Stage(silent())
    with pytest.raises(asyncio.CancelledError):
        await stage.wait()
    failure = stage.attempt.silence()
    assert failure is not None
    assert (failure.code, failure.phase) == (ErrorCode.TIMEOUT, "first_token")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await stage.attempt.close()
    await pause(10 * LET_GO_S)
    assert (stage.told, stage.provider.open) == ([], 0)
    stage.attempt.give_up()
    assert stage.told == [("first_token", 3.0)]


@virtual
async def test_a_cancel_of_somebody_else_s_is_not_a_silence() -> None:
    stage = Stage(silent())

    async def wait() -> ProviderError | None:
        with pytest.raises(asyncio.CancelledError):
            await stage.wait()
        return stage.attempt.silence()

    # in the same turn of the loop as the limit, after it
    waiting = asyncio.create_task(wait())
    await pause(0)
    asyncio.get_running_loop().call_later(3.0, waiting.cancel)
    assert await waiting is None
    await stage.attempt.close()


@virtual
async def test_a_try_is_told_of_once_with_how_it_went() -> None:
    stage = Stage(words("a"))
    await stage.wait()
    stage.attempt.code = None
    await stage.attempt.close()
    await stage.attempt.close()
    assert [(call.provider, call.model, call.code) for call in stage.listener.calls] == [
        ("scripted", "upstream-m", None)
    ]


@virtual
async def test_a_probe_that_puts_something_out_gives_the_model_back_to_others_while_it_goes_on() -> None:
    stage = Stage(words("a"))
    resilience, route, clock = stage.around.resilience, stage.attempt.route, stage.around.clock
    for _ in range(resilience.policy.breaker.failures):
        permit = resilience.admit(route, clock.monotonic())
        resilience.ended(route, permit, ErrorCode.SERVER, clock.monotonic())
    await pause(resilience.policy.breaker.rest_s)
    breaker = resilience.breakers.of(route)
    states = [breaker.state]
    stage.attempt.open()
    for items in ([], [ev.UsageReport(Usage(1))], [ev.Chunk("a", 0)]):
        stage.attempt.took(items)
        states.append(breaker.state)
    assert states == ["open", "half_open", "half_open", "closed"]
    await stage.attempt.close()


def test_a_limit_is_shorter_than_none() -> None:
    assert [is_shorter(1, None), is_shorter(1, 2), is_shorter(2, 2), is_shorter(None, 2), is_shorter(None, None)] == [
        *[True] * 2,
        *[False] * 3,
    ]
