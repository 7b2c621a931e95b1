"""What a regular expression may take: counted groups, and patterns that are looked for again and again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.workflows.pattern_work import BACKTRACKS_MAX, size_of, work_of


@pytest.mark.parametrize(
    ("pattern", "more_than", "less_than"),
    [
        ("", 0, 3),
        ("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", 8, 20),
        ("(a|b){1000}", 3000, 6000),
        ("(a|b){3,1000}", 3000, 6000),
        ("(a|b){1000,}", 3000, 6000),
        ("((a{100}){100}){100}", 1_000_000, 2_000_000),
        ("a{100}{100}", 9_999, 11_000),
        (r"\({1000}[()]{1000}", 1_999, 2_100),
        (r"[\](]{10}a", 10, 15),
        ("{5}", 0, 3),
        (")))(((", 1, 20),
    ],
)
def test_the_size_is_that_of_the_automaton(pattern: str, more_than: int, less_than: int) -> None:
    assert more_than < size_of(pattern) < less_than


@given(st.text(alphabet="ab()[]{}\\|*+?^$.,0123456789", max_size=60))
def test_any_text_has_a_size(pattern: str) -> None:
    assert size_of(pattern) >= 1


@pytest.mark.parametrize(
    "pattern", ["(?=a)b", "(?!a)b", "(?<=a)b", "(?<!a)b", "(?>a)b", r"(a)\1", r"(?<n>a)\k<n>", "a++", "a{2}+"]
)
def test_what_may_be_looked_for_again_counts_for_each_time(pattern: str) -> None:
    plain = work_of("ab", 1000)
    assert work_of(pattern, 1000) > plain * BACKTRACKS_MAX / 10


@pytest.mark.parametrize("pattern", ["(?:a)b", "(?<name>a)b", "(?P<name>a)b", "a+b*c?", r"\d+"])
def test_what_is_looked_for_once_counts_once(pattern: str) -> None:
    assert work_of(pattern, 1000) < 5000
