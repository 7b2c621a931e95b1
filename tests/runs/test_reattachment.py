"""Whether, and when, an answer whose connection was lost is asked for again."""

from __future__ import annotations

import pytest

from headwater.errors import ErrorCode, HeadwaterError, ProviderError, StorageError, Truncated
from headwater.providers.retry import RetryPolicy
from headwater.runs.reattachment import Reattachment, is_lost

POLICY = RetryPolicy(tries_max=3, backoff_s=1.0, backoff_max_s=8.0)


def lost(**more: object) -> ProviderError:
    return ProviderError(ErrorCode.NETWORK, **more)  # type: ignore[arg-type]  # what it takes


def wait(again: Reattachment, failure: HeadwaterError, *, new: bool = False, left_s: float = 100.0) -> float | None:
    return again.wait_s(failure, has_progressed=new, left_s=left_s, draw=0.5)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (lost(), True),
        (Truncated(), True),
        (ProviderError(ErrorCode.TIMEOUT, phase="idle"), True),
        (ProviderError(ErrorCode.TIMEOUT, phase="connect"), True),
        # refusals of the request for the rest
        (ProviderError(ErrorCode.OVERLOADED, status_code=503), True),
        (ProviderError(ErrorCode.RATE_LIMIT, status_code=429), True),
        (ProviderError(ErrorCode.AUTH, status_code=401), False),
        (ProviderError(ErrorCode.BAD_REQUEST, status_code=400), False),
        (ProviderError(ErrorCode.SERVER, status_code=500, retryable=False), False),
        # the answer itself
        (ProviderError(ErrorCode.OVERLOADED), False),
        (ProviderError(ErrorCode.SERVER), False),
        (ProviderError(ErrorCode.INTERRUPTED, retryable=True), False),
        (ProviderError(ErrorCode.TIMEOUT, phase="first_token"), False),
        (lost(retryable=False), False),
        (StorageError(), False),
    ],
)
def test_only_a_connection_can_be_lost(failure: HeadwaterError, expected: bool) -> None:
    assert is_lost(failure) is expected
    assert (wait(Reattachment(POLICY), failure) is not None) is expected


def test_waits_grow_and_end_where_nothing_new_comes() -> None:
    again = Reattachment(POLICY)
    assert [wait(again, lost()) for _ in range(4)] == [0.5, 1.0, 2.0, None]


def test_whatever_is_new_begins_the_count_anew() -> None:
    again = Reattachment(POLICY)
    assert [wait(again, lost(), new=True) for _ in range(20)] == [0.5] * 20


def test_who_asks_for_time_gets_it_within_the_deadline() -> None:
    failure = ProviderError(ErrorCode.RATE_LIMIT, status_code=429, retry_after_ms=3000)
    assert wait(Reattachment(POLICY), failure) == 3.5
    assert wait(Reattachment(POLICY), failure, left_s=2.0) is None


def test_silence_on_two_connections_is_the_model_s() -> None:
    again, silent = Reattachment(POLICY), ProviderError(ErrorCode.TIMEOUT, phase="idle")
    assert wait(again, silent) is not None
    assert wait(again, silent) is None
    assert wait(again, silent, new=True) is not None


def test_the_cause_is_how_the_connection_was_lost_unless_the_provider_said_more() -> None:
    again, first, said = Reattachment(POLICY), Truncated(), ProviderError(ErrorCode.SERVER)
    assert again.cause(first) is first
    wait(again, first, new=True)
    forgotten = ProviderError(ErrorCode.INTERRUPTED, retryable=True)
    assert again.cause(lost()) is again.cause(forgotten) is first
    assert again.cause(said) is said
    wait(again, newer := lost(), new=True)
    assert again.cause(forgotten) is newer
