"""What follows a failed try: the table, the waits, the budget and the plan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import BadRequestError, ErrorCode, HeadwaterError, ProviderError
from headwater.providers.retry import (
    CONSEQUENCES,
    Leg,
    Plan,
    Reach,
    RetryBudget,
    RetryPolicy,
    Step,
    consequence_of,
    refuses_streaming,
)

POLICY = RetryPolicy(tries_max=3, backoff_s=0.5, backoff_max_s=8.0)
DRAWS = st.floats(0, 1, exclude_max=True)
TIMES = st.floats(0, 1e6)


def failure(code: ErrorCode = ErrorCode.OVERLOADED, **more: object) -> ProviderError:
    return ProviderError(code, **more)  # type: ignore[arg-type]  # the members of one error


def reach(left_s: float = 300.0, *, resting: bool = False, budget: RetryBudget | None = None) -> Reach:
    return Reach(left_s, 0.5, resting, budget or RetryBudget())


def plan(*legs: Leg, after_output: bool = False) -> Plan:
    return Plan(legs or [Leg(POLICY)], after_output=after_output)


# ── the table ───────────────────────────────────────────────────────────────────────────────────


def test_neither_spending_nor_keys_are_tried_again() -> None:
    assert [code for code in (ErrorCode.BUDGET, ErrorCode.AUTH) if consequence_of(code).retry] == []


def test_what_is_retried_is_counted_and_may_fall_back() -> None:
    assert all(row.counted and row.fall_back for row in CONSEQUENCES.values() if row.retry)


@pytest.mark.parametrize("code", [ErrorCode.BAD_REQUEST, ErrorCode.CONTENT_FILTER, ErrorCode.CANCELLED])
def test_nothing_follows_what_the_request_is_at_fault_for(code: ErrorCode) -> None:
    assert consequence_of(code) == (False, False, False, False)


def test_whoever_counts_requests_is_not_down() -> None:
    assert [code for code, row in CONSEQUENCES.items() if row.retry and not row.down] == [ErrorCode.RATE_LIMIT]


# ── the wait ────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(1, 1000), DRAWS)
def test_a_wait_is_drawn_below_a_bound_that_doubles(failures: int, draw: float) -> None:
    wait_s = POLICY.wait_s(failures, None, float("inf"), draw)
    assert wait_s == draw * min(8.0, 0.5 * 2 ** min(failures - 1, 10))


@given(st.integers(1, 10), st.none() | TIMES, TIMES, DRAWS)
def test_a_wait_ends_before_the_deadline_and_not_before_the_provider_wants(
    failures: int, asked_s: float | None, left_s: float, draw: float
) -> None:
    wait_s = POLICY.wait_s(failures, asked_s, left_s, draw)
    if wait_s is None:
        assert asked_s is None or asked_s >= left_s or left_s == 0
    else:
        assert (asked_s or 0.0) <= wait_s < left_s


# ── the budget ──────────────────────────────────────────────────────────────────────────────────


#: "good" is a call that reaches its end; the others want another try.
HAPPENS = st.lists(st.sampled_from(["good", "down", "limited"]), max_size=400)


@given(HAPPENS, st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([0.0, 3.0, 10.0]), st.integers(0, 12))
def test_further_tries_are_the_reserve_and_a_share_of_the_successes_and_few_while_nothing_succeeds(
    happens: list[str], ratio: float, reserve: float, in_vain_max: int
) -> None:
    budget = RetryBudget(ratio, reserve, in_vain_max)
    taken = succeeded = in_vain = 0
    for each in happens:
        if each == "good":
            succeeded, in_vain = succeeded + 1, 0
            budget.succeeded()
        elif budget.take(down=each == "down"):
            taken += 1
            in_vain += each == "down"
        assert taken <= reserve + ratio * succeeded + 1e-6
        assert in_vain <= in_vain_max
        assert 0 <= budget.tokens <= reserve


def test_one_success_ends_an_outage() -> None:
    budget = RetryBudget(0.1, 10, in_vain_max=3)
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]
    # who counts requests is up
    assert budget.take(down=False)
    budget.succeeded()
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]


def test_ten_successes_pay_for_one_further_try() -> None:
    budget = RetryBudget(0.1, 10, in_vain_max=10)
    while budget.take():
        pass
    for _ in range(10):
        assert not budget.take()
        budget.succeeded()
    assert (budget.take(), budget.take()) == (True, False)


# ── the plan ────────────────────────────────────────────────────────────────────────────────────


def test_a_model_is_tried_three_times_then_the_next_one_three_times() -> None:
    it = plan(Leg(POLICY), Leg(POLICY))
    steps = [it.after(failure(), reach(), put_out=False) for _ in range(6)]
    assert [step and step.kind for step in steps] == ["retry", "retry", "fall_back", "retry", "retry", None]
    assert [step.wait_s for step in steps[:3] if step] == [0.25, 0.5, 0.0]


def test_nothing_follows_output_unless_that_was_allowed() -> None:
    legs = Leg(POLICY), Leg(POLICY)
    assert plan(*legs).after(failure(), reach(), put_out=True) is None
    assert plan(*legs, after_output=True).after(failure(), reach(), put_out=True) == Step("retry", 0.25)


@pytest.mark.parametrize(
    "error",
    [
        failure(ErrorCode.AUTH),
        failure(ErrorCode.BUDGET),
        failure(ErrorCode.AUTH, retryable=True),
        failure(ErrorCode.OVERLOADED, retryable=False),
        failure(ErrorCode.TIMEOUT, phase="first_token"),
        failure(ErrorCode.RATE_LIMIT, retry_after_ms=300_000),
        failure(ErrorCode.RATE_LIMIT, retry_after_ms=9_000),
    ],
)
def test_what_is_not_tried_again_goes_to_the_next_model(error: ProviderError) -> None:
    assert plan(Leg(POLICY), Leg(POLICY)).after(error, reach(), put_out=False) == Step("fall_back")


def test_a_wish_to_wait_is_obeyed_within_the_deadline_where_nobody_else_is_left() -> None:
    wish = failure(ErrorCode.RATE_LIMIT, retry_after_ms=120_000)
    assert plan().after(wish, reach(left_s=300), put_out=False) == Step("retry", 120.25)
    assert plan().after(wish, reach(left_s=120.1), put_out=False) == Step("retry", 120.0)
    assert plan().after(wish, reach(left_s=120), put_out=False) is None


def test_a_model_that_rests_is_not_tried_again() -> None:
    assert plan().after(failure(), reach(resting=True), put_out=False) is None


def test_without_budget_there_is_no_further_try_of_the_same_model() -> None:
    budget = RetryBudget(reserve=1)
    it = plan(Leg(POLICY), Leg(POLICY))
    steps = [it.after(failure(), reach(budget=budget), put_out=False) for _ in range(3)]
    assert [step and step.kind for step in steps] == ["retry", "fall_back", None]


def test_a_limit_of_requests_is_waited_out_by_more_than_an_outage_is() -> None:
    def retried(code: ErrorCode) -> int:
        budget = RetryBudget(reserve=10, in_vain_max=3)
        steps = [plan().after(failure(code), reach(budget=budget), put_out=False) for _ in range(20)]
        return sum(step is not None for step in steps)

    assert (retried(ErrorCode.OVERLOADED), retried(ErrorCode.RATE_LIMIT)) == (3, 10)


def test_a_step_that_is_not_taken_costs_nothing() -> None:
    budget = RetryBudget(reserve=1)
    assert plan().after(failure(ErrorCode.AUTH), reach(budget=budget), put_out=False) is None
    assert plan().after(failure(), reach(left_s=0, budget=budget), put_out=False) is None
    assert budget.tokens == 1


REFUSALS: list[HeadwaterError] = [
    failure(ErrorCode.UNSUPPORTED, detail="unsupported_value Your organization must be verified to stream this model."),
    failure(ErrorCode.BAD_REQUEST, detail="`stream` is not supported"),
]


@pytest.mark.parametrize("error", [*REFUSALS, failure(ErrorCode.PARSE)])
def test_a_stream_that_can_not_be_had_is_replaced_by_a_whole_answer_once(error: HeadwaterError) -> None:
    it = plan(Leg(POLICY, can_whole=True))
    assert it.after(error, reach(), put_out=False) == Step("whole")
    assert it.is_last
    assert it.after(failure(), reach(), put_out=False) is None


def test_a_whole_answer_is_asked_of_those_who_give_one_only() -> None:
    assert plan(Leg(POLICY)).after(REFUSALS[0], reach(), put_out=False) is None
    assert plan(Leg(POLICY), Leg(POLICY)).after(REFUSALS[0], reach(), put_out=False) == Step("fall_back")


@pytest.mark.parametrize("error", [failure(ErrorCode.PARSE), REFUSALS[0]])
def test_without_budget_no_whole_answer_is_asked_for(error: HeadwaterError) -> None:
    it, budget = plan(Leg(POLICY, can_whole=True)), RetryBudget(reserve=1)
    assert it.after(error, reach(budget=budget), put_out=False) == Step("whole")
    assert plan(Leg(POLICY, can_whole=True)).after(error, reach(budget=budget), put_out=False) is None


def test_many_at_once_may_be_refused_a_stream_before_the_first_is_answered() -> None:
    """Who refuses is up: only what can not be read counts as a try in vain."""
    for error, more in ((REFUSALS[0], 10), (REFUSALS[1], 10), (failure(ErrorCode.PARSE), 3)):
        budget = RetryBudget(reserve=10, in_vain_max=3)
        steps = [plan(Leg(POLICY, can_whole=True)).after(error, reach(budget=budget), put_out=False) for _ in range(20)]
        assert steps.count(Step("whole")) == more


def test_only_a_provider_refuses_to_stream() -> None:
    assert [refuses_streaming(error) for error in REFUSALS] == [True, True]
    assert not refuses_streaming(failure(ErrorCode.SERVER, detail="the stream broke"))
    assert not refuses_streaming(failure(ErrorCode.UNSUPPORTED, detail="no such model"))
    # what the caller named
    for quoted in ("https://a.example/stream.png", "the tool `upstream_name`", "`stream_data`: no type", "bitstream"):
        assert not refuses_streaming(failure(ErrorCode.BAD_REQUEST, detail=quoted))
    assert not refuses_streaming(BadRequestError("stream"))
