"""JSON that is anything: halves of surrogate pairs are read, and what is no JSON is nothing."""

import pytest

from headwater.providers.lenient_json import read_json, read_object

DEEP = b"[" * 200_000


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": [1, null]}', {"a": [1, None]}),
        (b'"\\ud83d"', "\ud83d"),
        (b"", None),
        (b"{", None),
        (b"\xff", None),
        (b"<html>", None),
        (DEEP, None),
    ],
)
def test_a_value_is_read_if_it_is_one(data: bytes, value: object) -> None:
    assert read_json(data) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": {"b": 1}}', {"a": {"b": 1}}),
        ("{}", {}),
        ("", None),
        ("[1]", None),
        ("3", None),
        ('{"a": 1', None),
        ('{"a": "\ud83d"}', None),
        ('{"a":' * 200_000, None),
    ],
)
def test_an_object_is_read_and_nothing_else(text: str, value: object) -> None:
    assert read_object(text) == value
