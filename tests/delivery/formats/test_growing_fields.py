"""Fields for formats without text that grows: what is said last is what there is, and not much is said again."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headwater.delivery.formats.growing_fields import GrowingFields, Place
from headwater.domain.event import Field
from headwater.domain.structured_value import applied, value_at
from headwater.wire.partial_json import PartialJSON


def put(path: str, value: Any, done: bool = False) -> Field:
    return Field(path, value, done)


def more(path: str, value: Any, done: bool = False) -> Field:
    return Field(path, value, done, delta=True)


def places(*fields: Field) -> list[Place | None]:
    growing = GrowingFields()
    return [growing.place(seq, field) for seq, field in enumerate(fields, 1)]


def test_a_text_is_said_whole_with_each_of_its_words_while_it_is_short() -> None:
    assert places(put("/a", "x"), more("/a", "y"), more("/a", "z", True)) == [
        Place("/a", "x", False, True),
        Place("/a", "xy", False, False),
        Place("/a", "xyz", True, False),
    ]


def test_a_text_that_began_within_something_larger_is_found_there() -> None:
    assert places(put("", {"l": [{"a": "x"}]}), more("/l/0/a", "y"))[1] == Place("/l/0/a", "xy", False, False)


def test_the_end_of_a_container_and_text_that_fits_nowhere_say_nothing() -> None:
    assert places(put("", {"n": 1}), more("", {}, True), more("/n", "x"), more("/none", "x"))[1:] == [None, None, None]


def test_a_place_is_new_again_once_what_is_above_it_was_told_anew() -> None:
    fields = [put("", {}), put("/l", []), put("/l/0", 1), put("/l/0", 2), put("", {"l": []}), put("/l/0", 3)]
    assert [place and place.is_first for place in places(*fields)] == [True, True, True, False, False, True]
    texts = [put("", {"a": "x"}), more("/a", "y"), put("", {"a": "p"}), more("/a", "q")]
    assert [place and place.value for place in places(*texts)][3] == "pq"


def test_a_text_that_took_the_place_of_another_grows_from_its_own_beginning() -> None:
    fields = [put("", {"a": "x"}), more("/a", "y"), put("/a", "p"), more("/a", "q")]
    assert places(*fields)[2:] == [Place("/a", "p", False, False), Place("/a", "pq", False, False)]


def test_text_that_fits_nowhere_makes_no_place() -> None:
    assert places(put("", {}), more("/a", "x"), put("/a", "y"))[2] == Place("/a", "y", False, True)


def test_a_long_text_is_said_a_few_times_only_and_at_its_end() -> None:
    words = ["word "] * 20_000
    said = [
        place for place in places(put("/a", ""), *(more("/a", word) for word in words), more("/a", "", True)) if place
    ]
    assert said[-1] == Place("/a", "".join(words), True, False)
    assert sum(len(place.value) for place in said) < 10 * len("".join(words))
    lengths = [len(place.value) for place in said]
    assert all(b <= a * 9 / 8 + 5 for a, b in pairwise(lengths))


def test_what_was_told_below_a_place_that_is_told_anew_is_told_as_it_is_now() -> None:
    fields = [put("", {}), put("/l", []), put("/l/0", [1]), put("/x", 2), more("/x/y", "z"), put("", {"l": [3]}, True)]
    growing = GrowingFields()
    told = [
        (place, growing.below(seq, place))
        for seq, field in enumerate(fields, 1)
        if (place := growing.place(seq, field))
    ]
    assert [below for _, below in told[:-1]] == [[]] * 4
    assert told[-1] == (
        Place("", {"l": [3]}, True, False),
        [Place("/l", [3], True, False), Place("/l/0", 3, True, False), Place("/x", None, True, False)],
    )


_json = st.recursive(
    st.none() | st.integers(0, 99) | st.text("ab~/", max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("a/~", max_size=2), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(_json, min_size=1, max_size=2), st.integers(1, 5))
def test_what_the_places_amount_to_is_the_answer(values: list[Any], size: int) -> None:
    """Also where a second attempt begins anew; and a page may be made a second time."""
    fields: list[Field] = []
    for value in values:
        text, parser = json.dumps({"all": value}), PartialJSON()
        for at in range(0, len(text), size):
            fields += [Field(k.path, k.value, k.is_done, None, k.is_delta) for k in parser.feed(text[at : at + size])]
    growing = GrowingFields()
    state: Any = None
    newest: dict[str, Any] = {}
    said = [growing.place(seq, field) for seq, field in enumerate(fields, 1)]
    for seq, place in enumerate(said, 1):
        if place is not None:
            state = applied(state, put(place.path, place.value))
            newest |= {each.path: each.value for each in (place, *growing.below(seq, place))}
    assert state == {"all": values[-1]}
    for path, value in newest.items():
        there = value_at(state, path)
        assert type(value) is type(there), "what grew in it has places of its own"
        assert isinstance(there, list | dict) or value == there
    assert [growing.place(seq, field) for seq, field in reversed([*enumerate(fields, 1)])][::-1] == said
