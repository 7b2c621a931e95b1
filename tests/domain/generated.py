"""Events of every type, made by hypothesis from the types of their fields."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from headwater.domain import event as ev
from headwater.domain.message import Usage

#: What text can do to a framing: ends of lines of every script, NUL, quotes, backslashes, a BOM, wide letters.
TEXT = st.text(
    st.one_of(st.sampled_from('\r\n\0\u2028\u2029\x85\x0b\x0c"\\\ufeff\ufffd😀aé:'), st.characters(codec="utf-8"))
)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def of_type(kind: Any) -> st.SearchStrategy[Any]:
    """Values of one of the types that events have fields of."""
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXT,
        int: INTEGERS,
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        Any: JSON,
        types.NoneType: st.none(),
        msgspec.UnsetType: st.just(msgspec.UNSET),
    }
    if kind in plain:
        return plain[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is Annotated:
        (known,) = (meta.examples for meta in kind.__metadata__)
        return st.one_of(st.sampled_from(known), of_type(kind.__origin__))
    if origin in (Union, types.UnionType):
        return st.one_of(*map(of_type, arguments))
    if origin is dict:
        return st.dictionaries(of_type(arguments[0]), of_type(arguments[1]), max_size=3)
    if kind is Usage:
        return struct(Usage)
    raise AssertionError(f"no strategy for {kind}")


def struct(cls: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(cls, **{field.name: of_type(field.type) for field in msgspec.structs.fields(cls)})


def unknown() -> st.SearchStrategy[ev.Unknown]:
    return st.builds(ev.Unknown, name=TEXT.filter(lambda name: name not in ev.EVENT_TYPES), data=JSON)


def events() -> st.SearchStrategy[Any]:
    return st.one_of(*map(struct, ev.EVENT_TYPES.values()), unknown())
