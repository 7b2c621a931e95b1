"""How sure a model says it is."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.workflows.arc.confidence import UNKNOWN, confidence_of


@pytest.mark.parametrize(
    ("value", "percent"),
    [
        *[(85, 85), (0.85, 85), (1, 100), (1.0, 100), (0, 0), (0.0, 0), (2, 2), (99.6, 100), (0.004, 0)],
        *[(101, 100), (1e300, 100), (10**400, 100), (-5, 0), (-0.5, 0)],
        *[(True, 100), (False, 0)],
        *[("85", 85), ("85%", 85), ("0.85", 85), ("0,85", 85), ("1%", 1), ("1", 100), ("about 70 percent", 70)],
        *[("17/20", 85), ("8 out of 10", 80), ("85/100", 85), ("120%", 100), ("-3", 0), ("Confidence: 0.9", 90)],
        *[("9e-1", 90), ("3 of 4 pairs agree: 90%", 90), ("80-90%", 90)],
        *[({"value": 0.7}, 70), ({"score": "70%"}, 70), ({"confidence": {"percent": 70}}, 70)],
    ],
)
def test_it_is_said_in_many_ways(value: Any, percent: int) -> None:
    assert confidence_of(value) == (percent, True)


@pytest.mark.parametrize(
    "value",
    [
        *[None, "", "high", "very sure", [], [90], {}, {"why": 90}, {"value": {}}, "3/0", "."],
        *[math.nan, math.inf, -math.inf, {"value": {"value": {"value": {"value": 9}}}}],
    ],
)
def test_what_says_nothing_is_fifty(value: Any) -> None:
    assert confidence_of(value) == UNKNOWN == (50, False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "score", "x"]), inner),
)


@given(JSON)
def test_it_is_always_within_bounds(value: Any) -> None:
    percent, _ = confidence_of(value)
    assert isinstance(percent, int)
    assert 0 <= percent <= 100


@given(st.text(alphabet="0123456789.,%/- of", max_size=300))
def test_texts_of_numbers_never_raise(text: str) -> None:
    assert 0 <= confidence_of(text).percent <= 100
