"""Halves of surrogate pairs are joined when their other half comes, and replaced when it does not."""

import itertools
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.surrogates import join_surrogates, replace_surrogates, scrub_surrogates


def test_a_pair_in_two_halves_is_joined() -> None:
    text, half = join_surrogates("wave \ud83d")
    assert (text, half) == ("wave ", "\ud83d")
    assert join_surrogates(half + "\udc4b!") == ("👋!", "")


def test_a_half_that_stays_alone_is_replaced() -> None:
    assert replace_surrogates("a\ud83db") == "a\ufffdb"
    assert replace_surrogates("\udc4b\ud83d") == "\ufffd\ufffd"
    assert join_surrogates("\udc4bx") == ("\ufffdx", "")


def test_two_first_halves_keep_the_second() -> None:
    assert join_surrogates("\ud83d\ud83d") == ("\ufffd", "\ud83d")


def test_every_string_of_a_value_is_scrubbed() -> None:
    value = {"na\ud800me": ["\udc00", {"deep": "\ud83d\udc4b"}], "number": 1, "nothing": None}
    assert scrub_surrogates(value) == {"na\ufffdme": ["\ufffd", {"deep": "👋"}], "number": 1, "nothing": None}


@given(st.text(), st.data())
def test_text_cut_between_utf16_units_comes_back(text: str, data: st.DataObject) -> None:
    units = text.encode("utf-16-le")
    places = sorted(data.draw(st.lists(st.integers(0, len(units) // 2), max_size=5)))
    edges = [0, *places, len(units) // 2]
    joined = half = ""
    for start, stop in itertools.pairwise(edges):
        delta = units[2 * start : 2 * stop].decode("utf-16-le", "surrogatepass")
        piece, half = join_surrogates(half + delta)
        joined += piece
    assert joined + replace_surrogates(half) == text


@given(st.text(alphabet=st.characters(categories=["Cs", "L"])))
def test_what_is_left_can_be_encoded(text: str) -> None:
    joined, half = join_surrogates(text)
    assert len(half) <= 1
    (joined + replace_surrogates(half)).encode()
    json.dumps(joined).encode()


@given(st.text(st.characters(categories=["Cs", "L", "So"])))
def test_nothing_else_changes(text: str) -> None:
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    assert replace_surrogates(text) == re.sub("[\ud800-\udfff]", "\ufffd", joined)
