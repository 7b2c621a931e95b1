"""What is remembered over all calls: breakers by model, budgets by provider, and who can not stream."""

from __future__ import annotations

import pytest

from headwater.errors import ErrorCode, ProviderError
from headwater.providers.breaker import BreakerState, Thresholds
from headwater.providers.resilience import WHOLE_ONLY_S, Resilience, ResiliencePolicy, Route
from headwater.providers.retry import Leg, RetryPolicy
from headwater.providers.simulated import Simulated
from headwater.telemetry import BreakerMoved
from tests.runs.scene import ScriptedProvider, words

POLICY = ResiliencePolicy(breaker=Thresholds(failures=2))


class Whole(ScriptedProvider):
    answers_whole = True


ONE, OTHER = ScriptedProvider(words()), Whole(words())
MODEL = Route("m", ONE, "upstream-m")


def fail(memory: Resilience, route: Route, code: ErrorCode = ErrorCode.OVERLOADED, times: int = 2) -> None:
    for _ in range(times):
        memory.ended(route, memory.admit(route, 0.0), code, 0.0)


def test_a_model_that_fails_is_refused_and_its_neighbours_are_not() -> None:
    moves: list[BreakerMoved] = []
    memory = Resilience(POLICY, moves.append)
    fail(memory, MODEL)
    with pytest.raises(ProviderError) as refused:
        memory.admit(MODEL, 5.0)
    assert (refused.value.code, refused.value.provider) == (ErrorCode.CIRCUIT_OPEN, "scripted")
    assert refused.value.retry_after_ms == 10_001
    assert memory.is_resting(MODEL, 5.0)
    memory.admit(Route("other", ONE, "upstream-m"), 5.0)
    assert moves == [BreakerMoved("m", "scripted", "upstream-m", "open")]


@pytest.mark.parametrize("code", [ErrorCode.BAD_REQUEST, ErrorCode.CONTENT_FILTER, ErrorCode.CANCELLED, ErrorCode.AUTH])
def test_what_says_nothing_about_a_model_does_not_count(code: ErrorCode) -> None:
    memory = Resilience(POLICY)
    fail(memory, MODEL, code, times=50)
    assert not memory.is_resting(MODEL, 0.0)


def test_a_success_fills_the_budget_of_its_provider() -> None:
    memory = Resilience(POLICY)
    budget = memory.budget(MODEL)
    assert budget.take()
    memory.ended(Route("n", ONE, "upstream-n"), memory.admit(MODEL, 0.0), None, 0.0)
    assert budget.tokens == pytest.approx(9.1)
    assert memory.budget(Route("m", OTHER, "upstream-m")) is not budget
    # whoever makes the tries for it, at the same provider they are
    assert memory.budget(MODEL._replace(caller=OTHER)) is budget


def test_what_fails_on_request_is_neither_retried_nor_given_a_rest() -> None:
    memory = Resilience(POLICY)
    simulated = Route("simulated", Simulated(), "simulated")
    fail(memory, simulated, times=50)
    assert not memory.is_resting(simulated, 0.0)
    assert memory.leg(simulated, 0.0) == Leg(RetryPolicy(tries_max=1))


def test_who_refused_to_stream_is_asked_for_whole_answers_for_a_while() -> None:
    memory, route = Resilience(POLICY), Route("m", OTHER, "upstream-m")
    assert (memory.leg(MODEL, 0.0).can_whole, memory.leg(route, 0.0).can_whole) == (False, True)
    memory.remember_whole_only(route, 5.0)
    last = 5.0 + WHOLE_ONLY_S - 1
    assert memory.is_whole_only(route, last)
    assert not memory.leg(route, last).can_whole
    # what made it refuse, an account that was not verified, may have passed
    assert not memory.is_whole_only(route, last + 1)
    assert memory.leg(route, last + 1).can_whole


def test_the_breakers_tell_how_they_stand() -> None:
    memory = Resilience(POLICY)
    fail(memory, MODEL)
    memory.admit(Route("n", OTHER, "upstream-n"), 0.0)
    rows = memory.breakers.snapshot(5.0)
    assert [(row.name, row.provider, row.model, row.figures.state) for row in rows] == [
        ("m", "scripted", "upstream-m", BreakerState.OPEN),
        ("n", "scripted", "upstream-n", BreakerState.CLOSED),
    ]
    assert rows[0].figures.rests_s == 10.0
