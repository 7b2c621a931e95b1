"""A bucket for each: never more than it holds, and as much as flows in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.admission.rate import RateLimit
from headwater.errors import RateLimitError


def test_as_many_as_a_minute_has_and_then_one_after_another() -> None:
    rate = RateLimit(3)
    for _ in range(3):
        rate.take("a", 100.0)
    with pytest.raises(RateLimitError) as refused:
        rate.take("a", 100.0)
    assert refused.value.retry_after_s == pytest.approx(20)
    rate.take("b", 100.0)
    rate.take("a", 120.0)
    with pytest.raises(RateLimitError):
        rate.take("a", 120.0)


def test_a_refusal_counts_for_nothing() -> None:
    rate = RateLimit(1)
    rate.take("a", 0.0)
    for moment in range(1, 60):
        with pytest.raises(RateLimitError):
            rate.take("a", float(moment))
    rate.take("a", 60.0)


def test_a_clock_that_is_set_back_gives_nothing_and_takes_nothing() -> None:
    rate = RateLimit(2)
    rate.take("a", 100.0)
    rate.take("a", 40.0)
    with pytest.raises(RateLimitError):
        rate.take("a", 40.0)
    rate.take("a", 70.0)


def test_zero_is_no_limit() -> None:
    rate = RateLimit(0)
    for _ in range(1000):
        rate.take("a", 0.0)


def test_who_has_not_asked_for_longest_is_forgotten() -> None:
    rate = RateLimit(1, keys_max=2)
    for key in ("a", "b", "c"):
        rate.take(key, 0.0)
    rate.take("a", 0.0)
    with pytest.raises(RateLimitError):
        rate.take("c", 0.0)


def taken(rate: RateLimit, now_s: float) -> bool:
    try:
        rate.take("a", now_s)
    except RateLimitError:
        return False
    return True


@given(st.integers(1, 20), st.lists(st.floats(0, 30), max_size=100))
def test_never_more_than_flows_in(per_minute: int, steps: list[float]) -> None:
    rate, now, count = RateLimit(per_minute), 0.0, 0
    for step in steps:
        now += step
        count += taken(rate, now)
    assert count <= per_minute + now * per_minute / 60 + 1e-6
