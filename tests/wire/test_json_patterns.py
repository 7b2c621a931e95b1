"""What of JSON is recognised in one step."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.wire.json_patterns import BLANK, INTEGERS, WHOLE_KEY, WHOLE_STRING, end_of


@given(st.lists(st.integers(-(10**15) + 1, 10**15 - 1), min_size=1), st.sampled_from([None, 1]))
def test_an_array_of_integers_is_recognised_however_it_is_laid_out(values: list[int], indent: int | None) -> None:
    text = json.dumps(values, indent=indent)
    assert end_of(INTEGERS, text + ", 1]", 0) == len(text)


@pytest.mark.parametrize(
    "text", ["[]", "[1,]", "[01]", "[1.0]", "[1e3]", "[1, 2", f"[{10**15}]", "[--1]", '["1"]', "[ٱ]"]
)
def test_what_is_no_plain_array_of_integers_is_left_alone(text: str) -> None:
    assert end_of(INTEGERS, text, 0) == 0


@pytest.mark.parametrize("text", ['"a\\nb"', '"a\nb"', '"a', "a"])
def test_a_string_that_needs_a_look_is_left_alone(text: str) -> None:
    assert end_of(WHOLE_STRING, text, 0) == end_of(WHOLE_KEY, text + ":", 0) == 0


def test_a_key_is_whole_with_its_colon() -> None:
    assert end_of(WHOLE_KEY, '"a": 1', 0) == 4
    assert end_of(WHOLE_KEY, '"a"', 0) == 0
    assert end_of(WHOLE_STRING, '"a", 1', 0) == 3


def test_only_json_s_own_blanks_are_blanks() -> None:
    assert end_of(BLANK, "x \t\r\n\u00a0", 1) == 5
