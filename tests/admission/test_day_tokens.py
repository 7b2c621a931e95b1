"""A day's tokens: held before the call, settled with what it used, and never counted twice."""

from __future__ import annotations

import pytest

from headwater.admission.day_tokens import DayTokens
from headwater.domain.run import Owner
from headwater.errors import BudgetError, ErrorCode
from headwater.telemetry import ProviderCalled, RunEnded

ANN, BOB = Owner("o", "ann"), Owner("o", "bob")


class Day:
    """A day's tokens, and a clock beside it."""

    def __init__(self, limit: int = 100, owners_max: int = 10) -> None:
        self.now_ms = 0
        self.tokens = DayTokens(limit, lambda: self.now_ms, owners_max=owners_max)


def called(run: str, sent: int, received: int, code: ErrorCode | None = None) -> ProviderCalled:
    return ProviderCalled(run, "p", "m", code, 1.0, input_tokens=sent, output_tokens=received)


def ended(run: str) -> RunEnded:
    return RunEnded(run, "w", "m", "completed", None, 1.0, None, None, 0, None, 0, 0.0, 0, 0)


def test_what_was_held_gives_way_to_what_was_used() -> None:
    day = Day().tokens
    day.hold(ANN, 30).bind("r")
    assert day.used(ANN) == 30
    day.provider_called(called("r", 20, 5))
    assert day.used(ANN) == 25
    day.provider_called(called("r", 1, 1))
    day.run_ended(ended("r"))
    assert (day.used(ANN), day.used(BOB)) == (27, 0)


def test_what_was_held_for_the_answer_stays_while_tries_fail() -> None:
    day = Day().tokens
    day.hold(ANN, 5, 50).bind("r")
    day.provider_called(called("r", 0, 0, ErrorCode.OVERLOADED))
    day.provider_called(called("r", 5, 2, ErrorCode.NETWORK))
    assert day.used(ANN) == 55
    day.provider_called(called("r", 40, 20, ErrorCode.NETWORK))
    assert day.used(ANN) == 67, "more than was held"
    day.provider_called(called("r", 5, 10))
    assert day.used(ANN) == 82


def test_a_run_that_failed_frees_the_rest_with_its_end() -> None:
    day = Day().tokens
    day.hold(ANN, 5, 50).bind("r")
    day.provider_called(called("r", 5, 2, ErrorCode.NETWORK))
    day.run_ended(ended("r"))
    assert day.used(ANN) == 7


def test_the_last_tokens_are_for_one_answer_and_not_for_all_that_are_asked_for_at_once() -> None:
    day = Day().tokens
    day.hold(ANN, 10, 50).bind("first")
    # less is left than is held for an answer: all of it
    day.hold(ANN, 10, 50).bind("second")
    assert day.used(ANN) == 100
    with pytest.raises(BudgetError):
        day.hold(ANN, 1, 50)
    day.hold(BOB, 1, 50)
    day.provider_called(called("first", 10, 5))
    day.run_ended(ended("first"))
    day.hold(ANN, 1, 50)


def test_a_day_smaller_than_what_is_held_for_an_answer_has_room_for_one() -> None:
    day = Day(limit=20).tokens
    day.hold(ANN, 5, 1_000).bind("r")
    with pytest.raises(BudgetError):
        day.hold(ANN, 1, 1_000)


def test_no_more_than_the_day_has_not_even_side_by_side() -> None:
    day = Day().tokens
    day.hold(ANN, 60)
    with pytest.raises(BudgetError):
        day.hold(ANN, 41)
    day.hold(ANN, 40)
    day.hold(BOB, 100)


def test_who_has_used_it_up_waits_for_the_next_day() -> None:
    day = Day()
    day.tokens.hold(ANN, 1).bind("r")
    day.tokens.provider_called(called("r", 90, 60))
    with pytest.raises(BudgetError):
        day.tokens.hold(ANN, 0)
    day.now_ms = 86_400_000
    day.tokens.hold(ANN, 100)


def test_a_run_that_never_called_a_model_frees_what_was_held() -> None:
    day = Day().tokens
    day.hold(ANN, 100).bind("r")
    day.run_ended(ended("r"))
    assert day.used(ANN) == 0


def test_a_run_that_never_was_frees_it_too() -> None:
    day = Day().tokens
    day.hold(ANN, 100).release()
    assert day.used(ANN) == 0


def test_what_was_told_before_the_run_had_a_name_here_counts() -> None:
    day = Day().tokens
    hold, other = day.hold(ANN, 10), day.hold(BOB, 10)
    day.provider_called(called("r", 7, 1))
    day.run_ended(ended("r"))
    day.provider_called(called("another's", 50, 50))
    other.release()
    hold.bind("r")
    assert (day.used(ANN), day.used(BOB)) == (8, 0)


def test_two_holds_for_one_run_are_one() -> None:
    day = Day().tokens
    day.hold(ANN, 10).bind("r")
    day.hold(ANN, 10).bind("r")
    assert day.used(ANN) == 10


def test_runs_of_others_count_for_nobody() -> None:
    day = Day().tokens
    day.provider_called(called("r", 50, 50))
    day.run_ended(ended("r"))
    day.hold(ANN, 100)


def test_without_a_limit_nothing_is_counted() -> None:
    day = Day(limit=0).tokens
    hold = day.hold(ANN, 10**9)
    day.provider_called(called("r", 1, 1))
    hold.bind("r")
    day.hold(ANN, 10**9).release()
    assert day.used(ANN) == 0


def test_whose_tokens_were_settled_longest_ago_is_forgotten() -> None:
    day = Day(owners_max=2).tokens
    for number in range(3):
        owner = Owner("o", str(number))
        day.hold(owner, 1).bind(f"r{number}")
        day.provider_called(called(f"r{number}", 1, 1))
    assert [day.used(Owner("o", str(number))) for number in range(3)] == [0, 2, 2]
