"""How much is told again: the newest, whole messages, and the user's first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.message import Message
from headwater.providers import estimate
from headwater.workflows.history import newest_within

SAID = [Message("user", "a" * 8), Message("assistant", "b" * 8), Message("user", "c" * 8)]


def test_all_of_it_where_there_is_room() -> None:
    assert newest_within(SAID, 6) == SAID


def test_an_answer_without_its_question_is_left_out_too() -> None:
    assert newest_within(SAID, 5) == newest_within(SAID, 4) == SAID[2:]


def test_nothing_where_there_is_no_room() -> None:
    assert newest_within(SAID, 1) == newest_within([], 100) == []


@given(st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), st.text(max_size=40))), st.integers(0, 50))
def test_it_is_an_end_within_the_bound(messages: list[Message], tokens_max: int) -> None:
    kept = newest_within(messages, tokens_max)
    assert kept == messages[len(messages) - len(kept) :]
    assert estimate.tokens(estimate.input_bytes(kept)) <= tokens_max
    assert not kept or kept[0].role == "user"
