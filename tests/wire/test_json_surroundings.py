"""What is around JSON in an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.wire.json_surroundings import Surrounding, surroundings


@pytest.mark.parametrize(
    ("lead", "tail", "found"),
    [
        ("", "", set()),
        ("\ufeff \n", "\r\n", set()),
        ("```json\n", "\n```\n", {"fence"}),
        ("``` \n", "", {"fence"}),
        ("", "```", {"fence"}),
        ("Sure: ```json\n", "\n```", {"fence", "prose"}),
        ("```json\n", "\n``` Done.", {"fence", "prose"}),
        ("Sure:", "", {"prose"}),
        ("", "Done.", {"prose"}),
        ("```py\nx = 1\n```\nso it is\n", "", {"prose"}),
        ("``` " + "x" * 40, "", {"prose"}),
    ],
)
def test_fences_and_prose_are_told_apart(lead: str, tail: str, found: set[Surrounding]) -> None:
    assert surroundings(lead, tail) == found


@given(st.text("` \njson.x"), st.text("` \njson.x"))
def test_only_what_is_blank_is_nothing(lead: str, tail: str) -> None:
    assert (surroundings(lead, tail) == set()) == (not (lead + tail).strip())
