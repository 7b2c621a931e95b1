"""A string that grows: whatever its cuts, it is what json makes of it, and its news add up to it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.wire.json_string import GrowingString


@given(st.text(), st.booleans(), st.lists(st.integers(0, 100)), st.booleans())
def test_a_string_is_what_json_makes_of_it(text: str, ascii_only: bool, cuts: list[int], in_haste: bool) -> None:
    body = json.dumps(text, ensure_ascii=ascii_only)[1:] + "behind"
    string, told, at = GrowingString(), "", 0
    for end in [*sorted(cut for cut in cuts if cut < len(body)), len(body)]:
        piece = body[at:end]
        if piece and '"' not in piece and in_haste and string.takes_whole(piece):
            told += piece
        else:
            at += string.take(piece, 0)
            told += string.news()
            assert at == end or string.is_over
        at = end
        if string.is_over:
            break
    assert (string.is_over, string.text, told, string.repairs) == (True, text, text, set())


def test_what_follows_the_string_is_left_where_it_is() -> None:
    string = GrowingString()
    assert string.take('ab", "c', 0) == 3
    assert string.is_over


def test_a_piece_is_taken_whole_only_where_nothing_is_pending() -> None:
    string = GrowingString()
    string.take("a", 0)
    assert not string.takes_whole("b"), "what was not told would be passed over"
    assert string.news() == "a"
    assert string.takes_whole("b")
    assert not string.takes_whole('c"')
    for pending in ("\\", "\\u00e", "\\ud83d"):
        string = GrowingString()
        string.take(pending, 0)
        string.news()
        assert not string.takes_whole("x")


@pytest.mark.parametrize("body", ["\\u12G4", "\\uD8\\u"])
def test_an_escape_of_no_character_breaks_it(body: str) -> None:
    string = GrowingString()
    string.take(body, 0)
    assert string.is_broken
