"""Tokens where nobody counted them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.message import ImagePart, Message, TextPart, ToolResultPart, ToolUse, Usage
from headwater.providers import estimate


@pytest.mark.parametrize(("size", "count"), [(0, 0), (1, 1), (4, 1), (5, 2), (400, 100)])
def test_four_bytes_are_a_token_and_what_is_left_is_one_too(size: int, count: int) -> None:
    assert estimate.tokens(size) == count


@given(st.text())
def test_text_is_measured_as_utf8(text: str) -> None:
    assert estimate.utf8_bytes(text) == len(text.encode("utf-8", "replace"))


def test_half_a_pair_is_measured_too() -> None:
    assert estimate.utf8_bytes("a\ud83d") == 2


def test_all_text_of_a_message_is_counted_and_no_image() -> None:
    messages = [
        Message("user", "abcd"),
        Message("user", [TextPart("ab"), ImagePart(data="aGk=", media_type="image/png")]),
        Message("assistant", tool_calls=[ToolUse("call_1", "clock", '{"a":1}')]),
        Message("tool", [ToolResultPart("call_1", "noon")]),
        Message("assistant", "It is.", reasoning="Hm."),
    ]
    assert estimate.input_bytes(messages) == 4 + 2 + 7 + 4 + 6 + 3


def test_an_estimate_says_that_it_is_one() -> None:
    assert estimate.usage(9, 5, 4) == Usage(3, 0, 2, 1, source="estimated")
    assert estimate.usage(0, 1, 1).reasoning_tokens == 1
