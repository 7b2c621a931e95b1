"""The breaker: its table, and a model of it that many sequences of calls are held against."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headwater.providers.breaker import (
    OUTCOMES_MAX,
    TRANSITIONS,
    Breaker,
    BreakerState,
    Permit,
    Thresholds,
    breaker_diagram,
)

THRESHOLDS = Thresholds(failures=3, share=0.5, window_s=60.0, rest_s=15.0)


def breaker() -> tuple[Breaker, list[BreakerState]]:
    moves: list[BreakerState] = []
    return Breaker(THRESHOLDS, moves.append), moves


def state_of(it: Breaker) -> BreakerState:
    return it.state


def permit(it: Breaker, now: float = 0.0) -> Permit:
    got = it.admit(now)
    assert got is not None
    return got


def opened(now: float = 0.0) -> tuple[Breaker, list[BreakerState]]:
    it, moves = breaker()
    for _ in range(3):
        permit(it, now).failed(now)
    assert state_of(it) is BreakerState.OPEN
    return it, moves


def test_enough_failures_open_it_and_then_nothing_is_let_through_until_it_has_rested() -> None:
    it, moves = opened(now=100.0)
    assert moves == [BreakerState.OPEN]
    assert (it.admit(100.0), it.admit(114.9)) == (None, None)
    assert it.rests_s(105.0) == 10.0
    assert it.admit(115.0) is not None


def test_a_small_share_of_failures_does_not_open_it() -> None:
    it, _ = breaker()
    for _ in range(4):
        permit(it).succeeded(0.0)
    for _ in range(3):
        permit(it).failed(0.0)
    assert state_of(it) is BreakerState.CLOSED
    permit(it).failed(0.0)
    assert state_of(it) is BreakerState.OPEN


def test_what_is_long_ago_does_not_count() -> None:
    it, _ = breaker()
    for now in (0.0, 1.0, 61.0):
        permit(it, now).failed(now)
    assert state_of(it) is BreakerState.CLOSED
    assert it.figures(61.0)[:3] == (BreakerState.CLOSED, 1, 1)


def test_a_probe_that_puts_something_out_closes_it_and_may_still_fail() -> None:
    it, moves = opened()
    probe = permit(it, 15.0)
    assert it.admit(15.0) is None
    probe.put_out()
    assert state_of(it) is BreakerState.CLOSED
    probe.failed(16.0)
    assert it.figures(16.0)[:3] == (BreakerState.CLOSED, 1, 1)
    assert moves == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]


def test_a_probe_that_fails_opens_it_for_another_rest() -> None:
    it, _ = opened()
    permit(it, 15.0).failed(20.0)
    assert (it.state, it.rests_s(20.0)) == (BreakerState.OPEN, 15.0)


def test_a_probe_that_is_given_up_lets_the_next_call_be_one() -> None:
    it, _ = opened()
    permit(it, 15.0).abandoned(16.0)
    assert state_of(it) is BreakerState.OPEN
    permit(it, 16.0).succeeded(16.0)
    assert state_of(it) is BreakerState.CLOSED


def test_a_probe_that_says_nothing_is_joined_by_another_after_a_rest() -> None:
    it, _ = opened()
    slow = permit(it, 15.0)
    assert it.admit(29.9) is None
    assert it.admit(30.0) is not None
    slow.put_out()
    assert state_of(it) is BreakerState.CLOSED


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_a_call_from_before_it_opened_says_nothing_any_more(outcome: str) -> None:
    it, _ = breaker()
    early = permit(it)
    for _ in range(3):
        permit(it).failed(0.0)
    probe = permit(it, 15.0)
    early.put_out()
    getattr(early, outcome)(15.0)
    assert state_of(it) is BreakerState.HALF_OPEN
    probe.succeeded(15.0)
    assert state_of(it) is BreakerState.CLOSED


def test_without_a_threshold_it_never_opens() -> None:
    it = Breaker(Thresholds(failures=0))
    for _ in range(1000):
        permit(it).failed(0.0)
    assert state_of(it) is BreakerState.CLOSED


def test_the_diagram_has_every_move() -> None:
    drawn = breaker_diagram()
    assert all(f"{state} --> {to}: {why}" in drawn for state, exits in TRANSITIONS.items() for to, why in exits.items())


class Calls(RuleBasedStateMachine):
    """Calls that begin, go on and end in any order, beside a count that is kept in the plainest way."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: list[BreakerState] = []
        self.breaker = Breaker(THRESHOLDS, self.moves.append)
        self.now = 0.0
        self.calls: list[Permit] = []
        self.refused_until = 0.0

    @rule(seconds=st.sampled_from([0.0, 0.5, 5.0, 14.0, 16.0, 61.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_call_begins(self) -> None:
        rests, state = self.breaker.rests_s(self.now), self.breaker.state
        got = self.breaker.admit(self.now)
        assert (got is None) == (rests > 0)
        if got is not None:
            self.calls.append(got)
            assert self.breaker.state is (
                BreakerState.CLOSED if state is BreakerState.CLOSED else BreakerState.HALF_OPEN
            )

    @rule(data=st.data(), outcome=st.sampled_from(["succeeded", "failed", "abandoned"]), puts_out=st.booleans())
    def a_call_ends(self, data: Any, outcome: str, puts_out: bool) -> None:
        if not self.calls:
            return
        call = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        before = self.breaker.state
        if puts_out:
            call.put_out()
        getattr(call, outcome)(self.now)
        if before is BreakerState.OPEN:
            # whoever was under way when it opened changes nothing
            assert self.breaker.state is before
        if before is BreakerState.CLOSED and outcome != "failed":
            assert self.breaker.state is before

    @invariant()
    def every_move_is_in_the_table(self) -> None:
        states = [BreakerState.CLOSED, *self.moves]
        assert all(after in TRANSITIONS[state] for state, after in pairwise(states))
        assert self.breaker.state is states[-1]

    @invariant()
    def the_figures_are_bounded(self) -> None:
        figures = self.breaker.figures(self.now)
        assert 0 <= figures.failures <= figures.outcomes <= OUTCOMES_MAX
        assert 0 <= figures.rests_s <= THRESHOLDS.rest_s
        # else it would have opened
        if figures.state is BreakerState.CLOSED and figures.outcomes == figures.failures:
            assert figures.failures < THRESHOLDS.failures


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
