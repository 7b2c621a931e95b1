"""A value is told as it is, or named where a record could not hold it. (The blocks: `test_anthropic.py`.)"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.event import RECORD_BYTES_MAX, Annotation, encode_record
from headwater.providers.anthropic_blocks import VALUE_BYTES_MAX, bounded

LARGE = "é" * VALUE_BYTES_MAX


@pytest.mark.parametrize("value", [None, 7, "x", [1], {"type": "hologram", "content": "x"}])
def test_a_value_is_told_as_it_is(value: Any) -> None:
    assert bounded(value) is value


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({"type": "a", "id": "b", "tool_use_id": "c", "name": "d", "server_name": "e", "x": LARGE}, "abcde"),
        ({"type": ["a"], "id": "b" * 201, "x": LARGE}, ""),
        ([LARGE], ""),
        (LARGE, ""),
    ],
)
def test_a_large_one_is_named(value: Any, left: str) -> None:
    named = bounded(value)
    assert "".join(each for name, each in named.items() if name != "omitted_bytes") == left
    assert named["omitted_bytes"] > 2 * VALUE_BYTES_MAX


@given(st.integers(VALUE_BYTES_MAX - 40, VALUE_BYTES_MAX + 40), st.sampled_from(['"', "a", "\n"]))
def test_whatever_is_told_fits_a_record(length: int, character: str) -> None:
    value = bounded({"type": "a", "text": character * length})
    assert len(encode_record(2**53, 2**53, Annotation("p" * 100, value, 2**31))) <= RECORD_BYTES_MAX
