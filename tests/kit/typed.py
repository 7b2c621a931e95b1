"""Whether a JSON value is what a type of a provider's own SDK says, to the letter: a `TypedDict` or a pydantic model.

pydantic can check them too, but it reads an `Iterable` late and takes a string for one, passes over members that a
type does not have, and takes any word for one of a list that may grow. Here nothing is passed over: that is what a
provider's server would refuse.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as Sequence_
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typing_extensions
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

_LISTS = (list, Iterable, Sequence_, tuple)
_PLAIN: Mapping[object, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
    type(None): (type(None),),
}


def faults(value: object, hint: Any, where: str = "") -> Iterator[str]:
    """What is wrong with a value, as `place: words`; nothing where it is of the type."""
    origin = get_origin(hint)
    if hint is Any or hint is object:
        return
    if origin in (Annotated, typing_extensions.Required, typing_extensions.NotRequired):
        yield from faults(value, get_args(hint)[0], where)
    elif (alias := _alias(hint)) is not None:
        yield from faults(value, alias, where)
    elif origin in (Union, types.UnionType):
        yield from _none_of(value, get_args(hint), where)
    elif origin is Literal:
        if not any(value == each and type(value) is type(each) for each in get_args(hint)):
            yield f"{where}: {value!r} is none of {get_args(hint)}"
    elif typing_extensions.is_typeddict(hint):
        yield from _members(value, hint, _members_of(hint), where)
    elif isinstance(hint, type) and issubclass(hint, BaseModel):
        yield from _of_model(value, hint, where)
    elif origin in _LISTS:
        yield from _elements(value, get_args(hint), where)
    elif origin in (dict, Mapping):
        yield from _entries(value, get_args(hint), where)
    elif hint in _PLAIN:
        if not isinstance(value, _PLAIN[hint]) or (isinstance(value, bool) and hint is not bool):
            yield f"{where}: {value!r} is no {hint.__name__}"
    else:
        yield f"{where}: a type that is not understood, {hint}"


def _alias(hint: Any) -> Any:
    """What a name for a type, `type X = ...`, stands for; None for what is no such name."""
    if isinstance(hint, typing_extensions.TypeAliasType):
        return hint.__value__
    origin = get_origin(hint)
    return origin.__value__[get_args(hint)] if isinstance(origin, typing_extensions.TypeAliasType) else None


def _none_of(value: object, options: tuple[Any, ...], where: str) -> Iterator[str]:
    """The faults of the option that fits best: with the fewest, and those deepest inside."""
    found = [[*faults(value, option, where)] for option in options]
    found.sort(key=lambda each: (len(each), -max((fault.count("/") for fault in each), default=0)))
    yield from found[0]


def _members(value: object, hint: Any, known: Mapping[str, tuple[Any, bool]], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no object"
        return
    for name, each in value.items():
        if name not in known:
            yield f"{where}/{name}: {hint.__name__} has no such member"
        else:
            yield from faults(each, known[name][0], f"{where}/{name}")
    for name, (_, required) in known.items():
        if required and name not in value:
            yield f"{where}/{name}: {hint.__name__} needs it"


@cache
def _members_of(hint: Any) -> dict[str, tuple[Any, bool]]:
    """Type and need of each member. `__required_keys__` is wrong where annotations are strings, as they are there."""
    total: dict[str, bool] = {}

    def walk(cls: Any) -> None:
        for base in types.get_original_bases(cls) if hasattr(types, "get_original_bases") else cls.__orig_bases__:
            if typing_extensions.is_typeddict(base):
                walk(base)
        total.update(dict.fromkeys(cls.__annotations__.keys() - total.keys(), cls.__total__))

    walk(hint)
    found = {}
    for name, each in get_type_hints(hint, include_extras=True).items():
        origin = get_origin(each)
        required = total.get(name, hint.__total__)
        if origin in (typing_extensions.Required, typing_extensions.NotRequired):
            required = origin is typing_extensions.Required
        found[name] = (each, required)
    return found


def _elements(value: object, hints: tuple[Any, ...], where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where}: {value!r} is no list"
        return
    for at, each in enumerate(value):
        yield from faults(each, hints[0], f"{where}/{at}")


def _entries(value: object, hints: tuple[Any, ...], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no object"
        return
    for name, each in value.items():
        yield from faults(each, hints[1], f"{where}/{name}")


def _of_model(value: object, hint: type[BaseModel], where: str) -> Iterator[str]:
    """Google's models forbid what they do not know, and are asked themselves; others are read member by member."""
    extra = hint.model_config.get("extra")
    if extra != "forbid":
        known = _fields_of(hint)
        more = dict.fromkeys(value.keys() - known, (Any, False)) if extra == "allow" and isinstance(value, dict) else {}
        # A model of nothing stands for a member that is not sent.
        yield from (
            _members(value, hint, {**known, **more}, where) if known else [f"{where}: {hint.__name__} is not sent"]
        )
        return
    try:
        _adapter(hint).validate_python(value)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False):
            yield f"{where}/{'/'.join(map(str, each['loc']))}: {each['msg']}"


@cache
def _fields_of(hint: type[BaseModel]) -> dict[str, tuple[Any, bool]]:
    """Type and need of each member, by its name on the wire. What an SDK always adds, because the type has one value
    only, is needed: whoever does without the SDK has to say it."""
    return {
        each.alias or name: (each.annotation, each.is_required() or _is_constant(each))
        for name, each in hint.model_fields.items()
    }


def _is_constant(field: FieldInfo) -> bool:
    return field.default is not None and [*_literals(field.annotation)] == [field.default]


def _literals(hint: Any) -> Iterator[object]:
    if get_origin(hint) is Literal:
        yield from get_args(hint)
    elif get_origin(hint) in (Annotated, Union, types.UnionType):
        for each in get_args(hint):
            yield from _literals(each)


@cache
def _adapter(hint: type[BaseModel]) -> TypeAdapter[BaseModel]:
    return TypeAdapter(hint)
