"""Figures that a provider reports: whatever stands where a number should, as a number that can be kept."""

from __future__ import annotations

#: A number beyond any real one would not fit what stores it.
_BEYOND = 2**53


def figure(value: object) -> float | None:
    """The number, 0 or more; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # not a number and infinity are not below anything; a whole number may have more digits than a float can
    return float(value) if 0 <= value < _BEYOND else None


def count(value: object) -> int:
    """The number of something; 0 for what is no number."""
    return int(figure(value) or 0)
