"""Depth is counted of what is JSON's own, and not of what its strings hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.nesting import NESTING_MAX, is_too_deep


def nested(levels: int, text: str = "") -> bytes:
    value: Any = text
    for level in range(levels):
        value = [value] if level % 2 else {text: value}
    return json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize("text", ["", "[[{{", '"]}', "\\", '\\"', "é[\n"])
def test_the_limit_is_exact(text: str) -> None:
    assert not is_too_deep(nested(NESTING_MAX, text))
    assert is_too_deep(nested(NESTING_MAX + 1, text))


def test_many_that_are_not_within_each_other_are_not_deep() -> None:
    assert not is_too_deep(json.dumps([[{}]] * 10_000).encode())
    assert not is_too_deep(json.dumps("[" * 10_000).encode())


@given(st.recursive(st.text('\\"[]{}é', max_size=6), lambda inner: st.lists(inner, max_size=4), max_leaves=50))
def test_strings_do_not_count(value: Any) -> None:
    levels = NESTING_MAX - 60
    text = json.dumps(value, ensure_ascii=False).encode()
    wrapped = b"[" * levels + text + b", " + b"[]," * 300 + b"0" + b"]" * levels
    assert not is_too_deep(wrapped)
    assert is_too_deep(b"[" * (NESTING_MAX + 1) + text + b"]" * (NESTING_MAX + 1))
