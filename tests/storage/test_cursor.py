"""A cursor comes back, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import BadRequestError
from headwater.storage.cursor import decode_cursor, encode_cursor


@given(st.integers(0, 10**14), st.text(st.characters(codec="utf-8"), max_size=40))
def test_a_cursor_comes_back(created_at_ms: int, run: str) -> None:
    assert decode_cursor(encode_cursor(created_at_ms, run)) == (created_at_ms, run)


@given(st.text(max_size=300))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        created_at_ms, _ = decode_cursor(text)
    except BadRequestError:
        return
    assert 0 <= created_at_ms < 10**15


@pytest.mark.parametrize("text", ["", "x", "LTEuYQ", "MTIzNDU2Nzg5MDEyMzQ1Ni5h", "4pyTLmE", "MS5h" * 100])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError):
        decode_cursor(text)
