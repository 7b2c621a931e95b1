"""Marks of thinking: where one is, and where one may have begun."""

from __future__ import annotations

import pytest

from headwater.wire.thinking_marks import THINKING_MARKS, has_mark, mark_end, next_mark

MARKS = [*THINKING_MARKS, *THINKING_MARKS.values()]


@pytest.mark.parametrize("mark", MARKS)
def test_each_mark_is_found_where_it_begins_also_when_it_is_not_all_there(mark: str) -> None:
    assert next_mark(f"ab {mark}c", 0) == (3, mark)
    for size in range(1, len(mark)):
        text = f"ab {mark[:size]}"
        assert has_mark(text)
        assert next_mark(text, 0) == (3, ""), "it may have begun"
        assert next_mark(text + " ", 0) == (len(text) + 1, ""), "it has not"
        assert mark_end(text, 0, mark) == (3, False)
    assert mark_end(f"ab {mark}c", 0, mark) == (3 + len(mark), True)


def test_no_mark_begins_another() -> None:
    """So that one is known when it is whole."""
    assert not [(one, other) for one in MARKS for other in MARKS if one != other and other.startswith(one)]


def test_nothing_before_the_position_counts() -> None:
    assert next_mark("<think> a", 1) == (9, "")
    assert next_mark("<think", 1) == (6, "")
    assert mark_end("</think> a", 1, "</think>") == (10, False)


def test_the_nearest_is_told_first() -> None:
    assert next_mark("a </thought> <think>", 0) == (2, "</thought>")
    assert next_mark("a << <thinking>", 0) == (5, "<thinking>")


def test_text_without_a_mark_is_known_for_it() -> None:
    assert not has_mark('{"a": 1} and so on > |')
    assert next_mark("a < b <thinker", 0) == (14, "")
