"""A model call's tries, as the run's log tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Usage
from headwater.errors import BadRequestError, ErrorCode, ProviderError, Truncated
from headwater.providers.breaker import Thresholds
from headwater.providers.contract import Finish, Item, Provider, Silence
from headwater.providers.resilience import Resilience, ResiliencePolicy
from headwater.providers.retry import RetryPolicy
from headwater.runs.runner import STOP_TRY_S
from tests.runs.lasting import LastingProvider
from tests.runs.scene import OneProvider, Play, Scene, ScriptedProvider, pause, silent, virtual, words


def fails(code: ErrorCode = ErrorCode.OVERLOADED, *said: Item, **more: Any) -> Play:
    """A model that says this, and fails."""

    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield []
        if said:
            yield [*said]
        raise ProviderError(code, "Too busy.", provider="scripted", **more)

    return play


def in_turn(*plays: Play) -> Play:
    """A model that plays one of these for each call, the last one from then on."""
    left = list(plays)

    async def play(request: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        chosen = left.pop(0) if len(left) > 1 else left[0]
        async for items in chosen(request):
            yield items

    return play


class Several(OneProvider):
    """A model for each name, each its own provider's."""

    def __init__(self, **plays: Play) -> None:
        self.providers = {name: ScriptedProvider(play) for name, play in plays.items()}
        super().__init__(next(iter(self.providers.values())))

    def resolve(self, name: str) -> tuple[Provider, str]:
        if name not in self.providers:
            raise BadRequestError("no such model", pointer="/model")
        return self.providers[name], f"upstream-{name}"

    @property
    def calls(self) -> dict[str, int]:
        return {name: len(provider.calls) for name, provider in self.providers.items()}


def stage(resilience: Resilience | None = None, **plays: Play) -> tuple[Scene, Several]:
    scene, models = Scene(resilience=resilience or Resilience()), Several(**plays)
    scene.models = scene.supervisor._models = models
    return scene, models


def steps(records: list[ev.Record]) -> list[Any]:
    """What the log says of calls and tries, in short."""
    told: list[Any] = []
    for record in records:
        match record.event:
            case ev.Status(state=state) if state in ("retrying", "falling_back"):
                told.append(state)
            case ev.Call(model=model):
                told.append(model)
            case ev.Attempt() as attempt:
                told.append((attempt.number, attempt.reason, attempt.model, attempt.supersedes_from))
            case ev.Chunk(content=text):
                told.append(text)
            case ev.Complete() | ev.Error() | ev.Cancelled() as final:
                told.append(final.type)
    return told


@virtual
async def test_a_try_that_fails_before_output_is_made_again() -> None:
    scene, models = stage(m=in_turn(fails(), fails(ErrorCode.NETWORK), words("Hello")))
    async with scene:
        run = await scene.submit()
        records = await scene.end_of(run)
        assert steps(records) == [
            "upstream-m",
            "retrying",
            (2, "OVERLOADED", "upstream-m", None),
            "retrying",
            (3, "NETWORK", "upstream-m", None),
            "Hello",
            "complete",
        ]
        waits = [r.event for r in records if isinstance(r.event, ev.Status) and r.event.state == "retrying"]
        assert all(0 <= (wait.wait_ms or 0) <= bound for wait, bound in zip(waits, (500, 1000), strict=True))
        assert waits[0].message == "The provider is overloaded: trying again."
        assert records[-1].t == pytest.approx(sum(wait.wait_ms or 0 for wait in waits), abs=2)
        snapshot = scene.row(run).snapshot
        assert snapshot is not None
        assert (snapshot.text, snapshot.calls[0].attempt) == ("Hello", 3)
        assert [(call.code, call.model) for call in scene.listener.calls] == [
            ("OVERLOADED", "upstream-m"),
            ("NETWORK", "upstream-m"),
            (None, "upstream-m"),
        ]
        assert [(each.code, each.step) for each in scene.listener.repeats] == [
            ("OVERLOADED", "retry"),
            ("NETWORK", "retry"),
        ]
        assert models.calls == {"m": 3}


@virtual
async def test_after_three_tries_the_failure_is_the_run_s() -> None:
    scene, models = stage(m=fails(retry_after_ms=2000))
    async with scene:
        run = await scene.submit()
        records = await scene.end_of(run)
        error = scene.error(run)
        assert (error.code, error.retry_after_ms, models.calls) == ("OVERLOADED", 2000, {"m": 3})
        assert 4000 <= records[-1].t <= 5502


@virtual
async def test_calls_that_outlive_us_are_made_again_from_the_same_budget() -> None:
    class Failing(LastingProvider):
        calls = 0

        def stream_in_background(
            self, request: GenerationRequest, *, connect_s: float | None
        ) -> AsyncGenerator[list[Item], None]:
            self.calls += 1
            return fails()(request)

    provider = Failing([])
    policy = ResiliencePolicy(RetryPolicy(backoff_s=0.0), budget_reserve=3.0, breaker=Thresholds(failures=0))
    async with Scene(resilience=Resilience(policy)) as scene:
        scene.models.provider = provider
        for _ in range(10):
            await scene.end_of(await scene.submit(on_crash="reattach"))
    assert provider.calls == 10 + 3


@virtual
async def test_the_next_model_answers_where_the_first_can_not() -> None:
    scene, models = stage(m=fails(ErrorCode.AUTH), n=fails(ErrorCode.BUDGET), o=words("Hi"))
    async with scene:
        run = await scene.submit(fallback=["n", "gone", "m", "o"])
        records = await scene.end_of(run)
        assert steps(records) == [
            "upstream-m",
            "falling_back",
            (2, "AUTH", "upstream-n", None),
            "falling_back",
            (3, "BUDGET", "upstream-o", None),
            "Hi",
            "complete",
        ]
        said = [r.event.message for r in records if isinstance(r.event, ev.Status) and r.event.state == "falling_back"]
        assert said[0] == "The key was not accepted: going on with the model `n`."
        assert models.calls == {"m": 1, "n": 1, "o": 1}


@pytest.mark.parametrize("said", [ev.Chunk("a", 0), ev.Reasoning("a", 0), ev.ProviderData("scripted", "sig")])
@virtual
async def test_after_output_nothing_is_tried_again(said: ev.Event) -> None:
    scene, models = stage(m=fails(ErrorCode.OVERLOADED, said), n=words("Hi"))
    async with scene:
        run = await scene.submit(fallback=["n"])
        await scene.end_of(run)
        assert (scene.error(run).code, models.calls) == ("OVERLOADED", {"m": 1, "n": 0})


@virtual
async def test_where_the_run_allows_it_output_is_superseded() -> None:
    first = fails(ErrorCode.OVERLOADED, ev.UsageReport(Usage(5, 0, 1)), ev.Chunk("wro", 0), ev.Chunk("ng", 0))
    scene, _ = stage(m=in_turn(first, fails(), words("right", usage=Usage(5, 0, 2))))
    async with scene:
        run = await scene.submit(after_output="new_attempt")
        records = await scene.end_of(run)
        attempts = [r.event for r in records if isinstance(r.event, ev.Attempt)]
        # the try between put out nothing, and supersedes nothing again
        assert [attempt.supersedes_from for attempt in attempts] == [4, None]
        assert isinstance(records[3].event, ev.UsageReport)
        final = records[-1].event
        assert isinstance(final, ev.Complete)
        assert (final.final_response, final.usage.input_tokens, final.usage.output_tokens) == ("right", 10, 3)


@virtual
async def test_each_superseded_try_is_superseded_from_its_own_beginning() -> None:
    scene, _ = stage(m=in_turn(*(fails(ErrorCode.OVERLOADED, ev.Chunk(text, 0)) for text in "ab"), words("c")))
    async with scene:
        run = await scene.submit(after_output="new_attempt")
        records = await scene.end_of(run)
        by_seq = {r.seq: r.event for r in records}
        starts = [r.event.supersedes_from for r in records if isinstance(r.event, ev.Attempt)]
        assert [by_seq[start or 0] for start in starts] == [ev.Chunk("a", 0), ev.Chunk("b", 0)]
        assert scene.final(run) == records[-1].event
        snapshot = scene.row(run).snapshot
        assert snapshot is not None
        assert snapshot.text == "c"


@virtual
async def test_a_silent_model_is_replaced_and_its_time_counts_anew_for_the_next() -> None:
    """Fault 14."""
    scene, models = stage(m=silent(), n=words("Hi", every_s=2.5))
    async with scene:
        run = await scene.submit(fallback=["n"], first_token_s=3.0)
        records = await scene.end_of(run)
        assert steps(records)[1:] == ["falling_back", (2, "TIMEOUT", "upstream-n", None), "Hi", "complete"]
        assert (records[-1].t, models.calls) == (5500, {"m": 1, "n": 1})
        assert models.providers["m"].open == 0


@pytest.mark.parametrize(("own_s", "code"), [(3.0, "TIMEOUT"), (None, "CIRCUIT_OPEN")], ids=["its own", "the model's"])
@virtual
async def test_the_impatience_of_some_does_not_take_a_model_from_others(own_s: float | None, code: str) -> None:
    scene, models = stage(Resilience(ResiliencePolicy(breaker=Thresholds(failures=2))), m=silent())
    models.patience = Silence(first_token_s=4.0)
    async with scene:
        codes = []
        for _ in range(3):
            run = await scene.submit(first_token_s=own_s)
            await scene.end_of(run)
            codes.append(scene.error(run).code)
        assert codes == ["TIMEOUT", "TIMEOUT", code]
        assert [call.was_hurried for call in scene.listener.calls] == [code == "TIMEOUT"] * len(scene.listener.calls)


@virtual
async def test_silence_after_output_ends_the_run_or_begins_anew_as_it_wants() -> None:
    """Fault 15."""
    for after_output, ends in (("fail", "error"), ("new_attempt", "complete")):
        scene, _ = stage(m=in_turn(silent(["some"]), words("all")))
        async with scene:
            run = await scene.submit(after_output=after_output, idle_s=3.0)
            await scene.end_of(run)
            assert scene.final(run).type == ends
            if ends == "error":
                assert (scene.error(run).code, scene.error(run).phase) == ("TIMEOUT", "idle")


@virtual
async def test_a_provider_that_will_not_let_go_is_the_end_of_the_run() -> None:
    async def stubborn(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield []
        while True:
            try:
                await pause(3600)
            except asyncio.CancelledError:
                await pause(STOP_TRY_S)

    scene, models = stage(m=stubborn, n=words("Hi"))
    scene._stubborn = True
    async with scene:
        run = await scene.submit(fallback=["n"], first_token_s=3.0)
        records = await scene.end_of(run)
        assert (scene.error(run).phase, models.calls["n"]) == ("first_token", 0)
        assert records[-1].t < 4000
        await models.providers["m"].close()


@virtual
async def test_a_cancel_in_a_wait_ends_the_run_at_once() -> None:
    scene, models = stage(m=fails(retry_after_ms=60_000))
    async with scene:
        run = await scene.submit()
        await pause(30)
        await scene.supervisor.cancel(run.id, run.owner)
        records = await scene.end_of(run)
        assert (records[-1].event.type, records[-1].t, models.calls) == ("cancelled", 30_000, {"m": 1})


@virtual
async def test_a_wait_does_not_go_beyond_the_deadline() -> None:
    scene, models = stage(m=fails(ErrorCode.RATE_LIMIT, retry_after_ms=60_000))
    async with scene:
        run = await scene.submit(total_s=59.0)
        records = await scene.end_of(run)
        assert (scene.error(run).code, records[-1].t, models.calls) == ("RATE_LIMIT", 0, {"m": 1})


@virtual
async def test_a_model_whose_breaker_is_open_is_not_called() -> None:
    memory = Resilience(ResiliencePolicy(RetryPolicy(tries_max=1), breaker=Thresholds(failures=2)))
    scene, models = stage(memory, m=fails(), n=words("Hi"))
    async with scene:
        for _ in range(2):
            await scene.end_of(await scene.submit())
        alone, fallen = await scene.submit(), await scene.submit(fallback=["n"])
        await scene.end_of(alone)
        records = await scene.end_of(fallen)
        assert scene.error(alone).code == "CIRCUIT_OPEN"
        assert 14_000 < (scene.error(alone).retry_after_ms or 0) <= 15_001
        assert scene.usage(alone) == Usage(cost_usd=0.0, source="estimated")
        assert steps(records) == [
            "upstream-m",
            "falling_back",
            (2, "CIRCUIT_OPEN", "upstream-n", None),
            "Hi",
            "complete",
        ]
        assert models.calls == {"m": 2, "n": 1}


@virtual
async def test_failures_in_the_middle_of_an_answer_open_the_breaker() -> None:
    """Fault 17, and that a stream which is cut counts."""
    memory = Resilience(ResiliencePolicy(breaker=Thresholds(failures=2)))

    async def cut(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield [ev.Chunk("a", 0)]
        raise Truncated(provider="scripted")

    scene, models = stage(memory, m=in_turn(fails(ErrorCode.SERVER, ev.Chunk("a", 0)), cut))
    async with scene:
        codes = []
        for _ in range(3):
            run = await scene.submit()
            await scene.end_of(run)
            codes.append(scene.error(run).code)
        assert (codes, models.calls) == (["SERVER", "TRUNCATED", "CIRCUIT_OPEN"], {"m": 2})


@virtual
async def test_who_refuses_to_stream_is_asked_for_the_whole_answer_and_remembered() -> None:
    def play(request: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        if request.stream:
            return fails(ErrorCode.UNSUPPORTED, detail="unsupported_value: stream")(request)
        return words("whole")(request)

    scene, models = stage(m=play)
    models.providers["m"].answers_whole = True  # type: ignore[attr-defined]  # as a provider that can
    async with scene:
        first = await scene.submit()
        records = await scene.end_of(first)
        again = await scene.submit()
        await scene.end_of(again)
        assert steps(records) == [
            "upstream-m",
            "falling_back",
            (2, "UNSUPPORTED", "upstream-m", None),
            "whole",
            "complete",
        ]
        assert scene.types(again).count("attempt") == 0
        assert [call.stream for call in models.providers["m"].calls] == [True, False, False]


@virtual
async def test_a_refusal_that_only_quotes_the_caller_is_not_remembered() -> None:
    def play(request: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        if request.messages[0].content == "bad":
            return fails(ErrorCode.BAD_REQUEST, detail="no schema of the function `stream`")(request)
        return words("streamed")(request)

    scene, models = stage(m=play)
    models.providers["m"].answers_whole = True  # type: ignore[attr-defined]  # as a provider that can
    async with scene:
        for question in ("bad", "good"):
            await scene.end_of(await scene.submit(text=question))
        assert [call.stream for call in models.providers["m"].calls] == [True, False, True]


@virtual
async def test_a_bug_is_not_tried_again() -> None:
    async def buggy(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield []
        raise LookupError("canary")

    scene, models = stage(m=buggy, n=words("Hi"))
    async with scene:
        run = await scene.submit(fallback=["n"])
        await scene.end_of(run)
        assert (scene.error(run).code, models.calls) == ("SERVER", {"m": 1, "n": 0})


@virtual
async def test_an_end_that_comes_before_a_failure_is_no_end() -> None:
    async def late(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield [ev.Chunk("a", 0), Finish("stop")]
        raise ProviderError(ErrorCode.NETWORK, provider="scripted")

    scene, _ = stage(m=late)
    async with scene:
        run = await scene.submit()
        await scene.end_of(run)
        assert scene.error(run).code == "NETWORK"
