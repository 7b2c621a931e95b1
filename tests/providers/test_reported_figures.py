"""A figure is a number that can be kept, or none."""

import math

import pytest

from headwater.providers.reported_figures import count, figure


@pytest.mark.parametrize(("value", "kept"), [(0, 0.0), (7, 7.0), (0.25, 0.25), (2**53 - 1, float(2**53 - 1))])
def test_a_number_is_kept(value: object, kept: float) -> None:
    assert figure(value) == kept
    assert count(value) == int(kept)


@pytest.mark.parametrize("value", [None, "7", True, [7], -1, math.nan, math.inf, 2**53, 10**400])
def test_what_is_no_number_is_none(value: object) -> None:
    assert figure(value) is None
    assert count(value) == 0
