"""Totals replace totals, and what they leave out is counted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.message import Usage
from headwater.providers.anthropic_usage import Tokens


def counted(*reported: Any, final: bool = True) -> Usage | None:
    tokens = Tokens()
    for each in reported:
        tokens.take(each)
    return tokens.usage(final=final)


def test_a_later_total_takes_the_place_of_an_earlier_one() -> None:
    assert counted({"input_tokens": 9, "output_tokens": 1}, {"output_tokens": 7}) == Usage(9, 0, 7)
    assert counted({"input_tokens": 9, "output_tokens": 1}, {"input_tokens": 12, "output_tokens": 7}) == Usage(12, 0, 7)
    assert counted({"input_tokens": 9}, {"input_tokens": None, "output_tokens": 7}) == Usage(9, 0, 7)


def test_until_the_end_it_is_an_estimate() -> None:
    assert counted({"input_tokens": 9, "output_tokens": 1}, final=False) == Usage(9, 0, 1, source="estimated")


def test_input_includes_what_the_cache_gave_and_took() -> None:
    reported = {
        "input_tokens": 9,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens": 3,
    }
    assert counted(reported) == Usage(129, 100, 3, cache_write_tokens=20)
    lifetimes = {"ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 8}
    kept = {**reported, "cache_creation": lifetimes}
    assert counted(kept) == Usage(129, 100, 3, cache_write_tokens=20, cache_write_1h_tokens=8)
    odd: Any
    for odd in ([], {"ephemeral_1h_input_tokens": "8"}, None):
        assert counted({**reported, "cache_creation": odd}) == Usage(129, 100, 3, cache_write_tokens=20)


def test_reasoning_is_part_of_the_output() -> None:
    assert counted({"output_tokens": 30, "output_tokens_details": {"thinking_tokens": 20}}) == Usage(0, 0, 30, 20)


def test_compactions_are_added_and_advisors_are_not() -> None:
    iterations = [
        {"type": "compaction", "input_tokens": 100, "cache_read_input_tokens": 1000, "output_tokens": 80},
        {"type": "message", "input_tokens": 9, "output_tokens": 3},
        {"type": "advisor_message", "input_tokens": 500, "output_tokens": 50},
    ]
    assert counted({"input_tokens": 9, "output_tokens": 3, "iterations": iterations}) == Usage(1109, 1000, 83)


@pytest.mark.parametrize("reported", [None, 7, [], {}, {"service_tier": "standard"}, {"input_tokens": None}])
def test_nothing_was_counted(reported: Any) -> None:
    assert counted(reported) is None


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "input_tokens", "output_tokens", "thinking_tokens"]), inner)
    ),
)


@given(
    st.lists(
        _VALUES | st.dictionaries(st.sampled_from(["input_tokens", "iterations", "output_tokens_details"]), _VALUES)
    )
)
def test_whatever_is_reported_counts_are_counts(reported: list[Any]) -> None:
    usage = counted(*reported)
    if usage is not None:
        counts = (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens)
        assert all(count >= 0 for count in counts)
