from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.client.backoff import Backoff, RetryPolicy
from headwater.client.errors import (
    Cancelled,
    ClientError,
    MaxRetriesExceeded,
    NetworkError,
    ParseError,
    ServerError,
    TimedOut,
)


def backoff(policy: RetryPolicy | None = None, random: float = 1.0) -> Backoff:
    return Backoff(policy or RetryPolicy(), lambda: random)


def delays(line: Backoff, count: int, error: ClientError | None = None) -> list[float]:
    return [line.delay_s(error or NetworkError()) for _ in range(count)]


def test_doubles_up_to_the_cap() -> None:
    assert delays(backoff(RetryPolicy(tries_max=6)), 6) == [1, 2, 4, 8, 8, 8]


def test_gives_up_with_the_last_error() -> None:
    line = backoff()
    delays(line, 3)
    last = TimedOut()
    with pytest.raises(MaxRetriesExceeded) as caught:
        line.delay_s(last)
    assert caught.value.last is last
    assert caught.value.tries == 3


def test_progress_begins_again() -> None:
    line = backoff()
    assert delays(line, 3) == [1, 2, 4]
    line.progressed()
    assert delays(line, 3) == [1, 2, 4]


@given(st.floats(0, 1), st.integers(0, 50), st.floats(0.001, 1e6))
def test_never_waits_longer_than_it_may(random: float, tries: int, base_s: float) -> None:
    policy = RetryPolicy(tries_max=100)
    line = backoff(policy, random)
    line.base_s = base_s
    for delay_s in delays(line, tries):
        assert 0 <= delay_s <= max(policy.cap_s, min(base_s, policy.retry_after_s_max))


@pytest.mark.parametrize(
    "error", [Cancelled(), ServerError(404, {}), ServerError(503, {"retryable": False}), ServerError(400, {})]
)
def test_what_another_try_can_not_help_is_raised_itself(error: ClientError) -> None:
    with pytest.raises(type(error)) as caught:
        backoff().delay_s(error)
    assert caught.value is error


@pytest.mark.parametrize(
    "error", [NetworkError(), TimedOut(), ParseError(), ServerError(503, {}), ServerError(429, {})]
)
def test_what_another_try_may_help_is_waited_for(error: ClientError) -> None:
    assert backoff().delay_s(error) == 1


def test_no_tries_means_the_error_itself() -> None:
    with pytest.raises(NetworkError):
        backoff(RetryPolicy(tries_max=0)).delay_s(NetworkError())


def test_a_server_that_is_not_there_may_be_told_at_once() -> None:
    line = backoff(RetryPolicy(unreachable=False))
    assert line.delay_s(NetworkError()) == 1
    with pytest.raises(NetworkError):
        line.delay_s(NetworkError(unreachable=True))


def test_retry_after_comes_before_the_jitter() -> None:
    assert backoff(random=0.5).delay_s(ServerError(503, {}, 7.0)) == 7.5


def test_too_long_a_retry_after_is_not_waited_for() -> None:
    with pytest.raises(ServerError):
        backoff(RetryPolicy(retry_after_s_max=10)).delay_s(ServerError(503, {}, 10.5))
