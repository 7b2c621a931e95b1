"""A provider's own value fits a record, and says what was left out of it."""

from typing import Any

import msgspec
import pytest

from headwater.domain.event import RECORD_BYTES_MAX, Annotation, encode_record
from headwater.providers.opaque import VALUE_BYTES_MAX, fits, fitted

PICTURE = "iVBORw0KGgo" * 100_000


def test_what_fits_is_as_it_came() -> None:
    value = {"type": "web_search_call", "action": {"query": "x" * 1000}, "sources": [1, None, True]}
    assert fits(value)
    assert fitted(value) is value


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (
            {"type": "image_generation_call", "result": PICTURE, "size": "1024x1024"},
            {"type": "image_generation_call", "result": None, "size": "1024x1024"},
        ),
        (
            {"type": "code_interpreter_call", "outputs": [{"logs": "done"}, {"url": PICTURE}]},
            {"type": "code_interpreter_call", "outputs": [{"logs": "done"}, {"url": None}]},
        ),
        ({"type": "pages", "texts": ["word" * 5_000] * 20}, {"type": "pages", "texts": [None] * 20}),
        ({"type": "marks", "marks": list(range(100_000))}, {"type": "marks"}),
        ({"type": PICTURE, "marks": list(range(100_000))}, {"type": None}),
    ],
)
def test_what_does_not_fit_is_left_out_and_said(value: dict[str, Any], left: dict[str, Any]) -> None:
    assert not fits(value)
    less = fitted(value)
    omitted = less.pop("omitted_bytes")
    assert less == left
    assert omitted > 100_000
    assert len(msgspec.json.encode(less)) <= VALUE_BYTES_MAX


def test_a_list_stays_one() -> None:
    assert fitted([PICTURE, "short"]) == [None, "short"]
    assert fitted([PICTURE[:1_000_000]]) == [None]


@pytest.mark.parametrize("value", [PICTURE, [PICTURE[:200]] * 5_000, {"\x00" * 40_000: 1, "type": "odd"}])
def test_a_record_holds_whatever_is_left(value: object) -> None:
    payload = encode_record(1, 0, Annotation("openai", fitted(value)))
    assert len(payload) <= RECORD_BYTES_MAX
