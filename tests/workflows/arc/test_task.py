"""What is a grid, and what only looks like one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.workflows.arc.task import is_grid


@pytest.mark.parametrize("value", [[[0]], [[0, 9], [1, 2]], [[5] * 30] * 30])
def test_a_grid(value: Any) -> None:
    assert is_grid(value)


@pytest.mark.parametrize(
    "value",
    [
        *[None, 7, "0 1", {}, [], [[]], [1, 2]],
        *[[[1], [1, 2]], [[1, 2], []], [[10]], [[-1]]],
        *[[[True]], [[1.0]], [["1"]], [[None]], [[[1]]]],
        *[[[0] * 31], [[0]] * 31],
    ],
)
def test_no_grid(value: Any) -> None:
    assert not is_grid(value)


def anything() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers(-2, 11) | st.floats() | st.text(max_size=3)
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner))


@given(anything())
def test_never_raises(value: Any) -> None:
    if is_grid(value):
        assert {len(row) for row in value} == {len(value[0])}
        assert all(type(cell) is int for row in value for cell in row)
