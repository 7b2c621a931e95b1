"""A document as it is stored: encoded once, bounded, and nobody's to change any more."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.domain.document import TOGETHER_MAX, WORDS_MAX, Document, encode_body, opened, sealed
from headwater.domain.nesting import NESTING_MAX
from headwater.errors import BadRequestError, TooLargeError


def test_a_sealed_document_does_not_change_with_what_it_was_made_of() -> None:
    body, words = {"list": [1]}, {"of": "one"}
    (kept,) = sealed([Document("c", "k", body, words, "run_1")])
    body["list"].append(2)
    words["of"] = "another"
    assert opened(kept) == Document("c", "k", {"list": [1]}, {"of": "one"}, "run_1")
    assert sealed([kept]) == (kept,)


@pytest.mark.parametrize("body", [object(), {1: object()}, b"\xff".decode("latin-1").encode, float("nan") * 1j])
def test_what_json_can_not_say_is_refused(body: Any) -> None:
    with pytest.raises(BadRequestError):
        encode_body(body)


def test_what_goes_round_in_circles_is_refused() -> None:
    body: list[Any] = []
    body.append(body)
    with pytest.raises(BadRequestError):
        sealed([Document("c", "k", body)])


def test_what_could_not_be_read_again_is_refused() -> None:
    body: list[Any] = []
    for _ in range(NESTING_MAX - 1):
        body = [body]
    assert opened(sealed([Document("c", "k", body)])[0]).body == body
    with pytest.raises(TooLargeError):
        sealed([Document("c", "k", [body])])


def test_structs_and_halves_of_characters_are_said() -> None:
    class Verdict(msgspec.Struct):
        right: bool

    assert encode_body({"v": Verdict(True), "half": "\ud83d"}) == '{"v":{"right":true},"half":"\ufffd"}'.encode()


def test_what_is_too_many_is_refused() -> None:
    with pytest.raises(TooLargeError):
        sealed(Document("c", str(number), None) for number in range(TOGETHER_MAX + 1))
    with pytest.raises(TooLargeError):
        sealed([Document("c", "k", None, {str(number): "" for number in range(WORDS_MAX + 1)})])
