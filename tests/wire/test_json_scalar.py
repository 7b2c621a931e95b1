"""Numbers and words, as json reads them, within what others can say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.wire.json_scalar import scalar_of


@given(
    st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
    | st.integers(-120, 120)
)
def test_what_json_writes_is_read_as_json_reads_it(value: float | None) -> None:
    found = scalar_of(json.dumps(value))
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("number", [1 << 64, -(1 << 63) - 1, 10**300])
def test_whole_numbers_beyond_64_bits_are_floats(number: int) -> None:
    assert scalar_of(str(number)) == float(number)
    assert type(scalar_of(str(number))) is float


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x1", "1_0", "NaN", "True", "nul", "٣"),
        "1e999",
        "9" * 999,
    ],
)
def test_nothing_else_is_one(text: str) -> None:
    with pytest.raises(ValueError):
        scalar_of(text)
