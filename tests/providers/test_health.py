"""How a model has been lately."""

from __future__ import annotations

import random

import pytest

from headwater.errors import ErrorCode
from headwater.providers.health import CALLS_MAX, NEUTRAL, NOTHING, WINDOW_S, Health, LastError, RecentCalls
from headwater.telemetry import ProviderCalled


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.random = random.Random(0)

    def monotonic(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return int(self.now * 1000)


def called(code: ErrorCode | None = None, first_s: float | None = None, rate: float | None = None) -> ProviderCalled:
    return ProviderCalled("run_1", "openai", "gpt", code, 1.0, "mini", first_s, rate)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def health(clock: HandClock) -> Health:
    return Health(clock)


def test_nothing_is_said_of_a_model_that_was_not_called(health: Health) -> None:
    assert health.figures("mini") == NOTHING


def test_calls_that_ended_well_and_badly_make_the_rate(health: Health, clock: HandClock) -> None:
    for _ in range(3):
        health.provider_called(called())
    clock.now = 1234.5
    health.provider_called(called(ErrorCode.TRUNCATED))
    figures = health.figures("mini")
    assert (figures.calls, figures.failures, figures.success_rate) == (4, 1, 0.75)
    assert figures.last_error == LastError(ErrorCode.TRUNCATED, 1_234_500)
    assert health.figures("another") == NOTHING


def test_the_impatience_of_a_caller_is_not_the_model_s(health: Health) -> None:
    health.provider_called(called(ErrorCode.TIMEOUT)._replace(was_hurried=True))
    figures = health.figures("mini")
    assert (figures.calls, figures.success_rate, figures.last_error) == (0, None, None)


@pytest.mark.parametrize("code", sorted(NEUTRAL))
def test_what_says_nothing_about_the_model_is_not_counted(health: Health, code: ErrorCode) -> None:
    health.provider_called(called(code, first_s=0.5))
    figures = health.figures("mini")
    assert (figures.calls, figures.success_rate, figures.last_error) == (0, None, None)
    # how soon it began was seen all the same
    assert figures.first_token_ms == 500


@pytest.mark.parametrize("code", [ErrorCode.AUTH, ErrorCode.RATE_LIMIT, ErrorCode.TIMEOUT, ErrorCode.BUDGET])
def test_what_keeps_the_model_from_answering_is_a_failure(health: Health, code: ErrorCode) -> None:
    health.provider_called(called(code))
    assert health.figures("mini").failures == 1


def test_the_middle_and_the_slowest_are_told_apart(health: Health) -> None:
    for n in range(1, 101):
        health.provider_called(called(first_s=n / 100, rate=float(n)))
    figures = health.figures("mini")
    assert (figures.first_token_ms, figures.first_token_ms_p95, figures.tokens_per_s) == (505, 950, 50.5)


def test_old_calls_are_forgotten_and_the_last_error_is_not(health: Health, clock: HandClock) -> None:
    health.provider_called(called(ErrorCode.SERVER, first_s=1.0, rate=9.0))
    clock.now += WINDOW_S - 1
    assert health.figures("mini").calls == 1
    clock.now += 1
    assert health.figures("mini") == NOTHING._replace(last_error=LastError(ErrorCode.SERVER, 1_000_000))


def test_no_more_than_the_newest_are_kept() -> None:
    model = RecentCalls()
    model.note(called(ErrorCode.SERVER), 0.0, 0)
    for n in range(CALLS_MAX):
        model.note(called(), float(n), n)
    figures = model.figures(1.0)
    assert (figures.calls, figures.failures) == (CALLS_MAX, 0)
