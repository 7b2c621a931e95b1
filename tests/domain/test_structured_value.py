"""What fields amount to: each rule by an example, and against the value itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.event import Field
from headwater.domain.structured_value import applied, value_at, value_of


def put(path: str, value: Any) -> Field:
    return Field(path, value, False)


def more(path: str, value: Any) -> Field:
    return Field(path, value, False, delta=True)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ([], None),
        ([put("", 1)], 1),
        ([put("", {}), put("/a", 1), put("/a", 2)], {"a": 2}),
        ([put("", {"a": 1}), put("", [2])], [2]),
        ([put("/a/b", 1)], {"a": {"b": 1}}),
        ([put("", {"a": 5}), put("/a/b", 1)], {"a": {"b": 1}}),
        ([put("", []), put("/0", "x"), put("/1", "y"), put("/0", "z")], ["z", "y"]),
        ([put("", [[]]), put("/0/0", 7)], [[7]]),
        ([put("", {}), put("/a~1b~0c/", 1)], {"a/b~c": {"": 1}}),
        ([put("", "a"), more("", "b"), more("", "c")], "abc"),
        ([put("", {"s": "a"}), more("/s", "b"), put("/n", 1), more("/s", "c")], {"s": "abc", "n": 1}),
        ([put("", [1]), more("", [2, 3])], [1, 2, 3]),
        ([put("", {"a": 1}), more("", {"b": 2, "a": 3})], {"a": 3, "b": 2}),
        ([put("", {"a": []}), more("/a", []), more("", {})], {"a": []}),
    ],
)
def test_a_field_takes_a_place_or_is_put_behind(fields: list[Field], value: Any) -> None:
    assert value_of(fields) == value


@pytest.mark.parametrize(
    "field",
    [
        put("a", 1),
        put("/list/2", 1),
        put("/list/01", 1),
        put("/list/-", 1),
        put("/list/x/y", 1),
        put("/list/9999999999999999999999", 1),
        put("/list/٣", 1),
        more("a", "b"),
        more("/text", 1),
        more("/text", ["x"]),
        more("/list", "x"),
        more("/number", "x"),
        more("/none", "x"),
        more("/none/x", "x"),
        more("/list/1", "x"),
        more("/text/0", "x"),
    ],
    ids=repr,
)
def test_a_field_that_fits_nowhere_says_nothing(field: Field) -> None:
    value = {"list": [1], "text": "t", "number": 1}
    assert value_of([put("", value), field]) == value


def test_what_a_field_holds_stays_as_it_was() -> None:
    begun, row = put("", {"rows": []}), put("/rows/0", [1])
    fields = [begun, row, more("/rows/0", [2]), more("/rows", [[3]]), put("/rows/1/0", 4)]
    assert value_of(fields) == {"rows": [[1, 2], [4]]}
    assert value_of(fields) == {"rows": [[1, 2], [4]]}
    assert (begun.value, row.value) == ({"rows": []}, [1])


@pytest.mark.parametrize(
    ("path", "found"),
    [("", {"a": [{"~/": 1}]}), ("/a/0/~0~1", 1), ("/a/1", None), ("/a/x", None), ("/a/0/~0~1/b", None), ("/b/c", None)],
)
def test_what_is_at_a_path(path: str, found: Any) -> None:
    assert value_at({"a": [{"~/": 1}]}, path) == found


_paths = st.lists(st.sampled_from(["a", "b", "0", "1", "~0", ""]), max_size=4).map(
    lambda steps: "".join("/" + step for step in steps)
)
_values = st.recursive(
    st.none() | st.integers(0, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0"]), inner, max_size=3),
    max_leaves=5,
)
_fields = st.lists(st.builds(Field, path=_paths, value=_values, done=st.booleans(), delta=st.booleans()), max_size=12)


@given(_fields, st.integers(0, 12))
def test_what_came_before_can_be_told_as_one_value(fields: list[Field], at: int) -> None:
    assert value_of([put("", value_of(fields[:at])), *fields[at:]]) == value_of(fields)


@given(_fields)
def test_one_by_one_and_together_they_amount_to_the_same(fields: list[Field]) -> None:
    value: Any = None
    for field in fields:
        value = applied(value, field)
    assert value == value_of(fields)
