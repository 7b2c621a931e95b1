"""The value that `field` events amount to (PROTOCOL, "Structured answers"). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from headwater.domain.event import Field

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def value_of(fields: Iterable[Field]) -> Any:
    """What the fields amount to, each told behind the one before; None of none. Linear in what they hold.

    What a field holds is copied, so that it stays what it was.
    """
    value: Any = None
    growing, pieces = "", [""]
    for field in fields:
        if field.delta and type(field.value) is str:
            # Text is joined once and not with each of its words.
            if field.path == growing:
                pieces.append(field.value)
                continue
            value = _extended(value, growing, "".join(pieces))
            growing, pieces = field.path, [field.value]
            continue
        value = applied(_extended(value, growing, "".join(pieces)), field)
        pieces = [""]
    return _extended(value, growing, "".join(pieces))


def applied(value: Any, field: Field) -> Any:
    """The value after one more field. It is changed in place, so it must be one that this function made, or None."""
    said = _copy(field.value)
    return _extended(value, field.path, said) if field.delta else _put(value, field.path, said)


def value_at(value: Any, path: str) -> Any:
    """What is at the path (RFC 6901); None where nothing is."""
    at = value
    for step in _steps(path) or []:
        place = _place(at, step) if isinstance(at, dict | list) else None
        if place is None:
            return None
        at = _get(at, place)
    return at


def _steps(path: str) -> list[str] | None:
    """The steps of a JSON pointer; None where it is none."""
    if not path:
        return []
    first, *steps = path.split("/")
    return None if first else [step.replace("~1", "/").replace("~0", "~") for step in steps]


def _put(value: Any, path: str, new: Any) -> Any:
    """The value with `new` at `path`."""
    steps = _steps(path)
    if steps is None:
        return value
    if not steps:
        return new
    root: dict[str, Any] = {"": value}
    at: Any = root
    for step, following in zip(["", *steps], [*steps, None], strict=True):
        place = _place(at, step)
        if place is None:
            return root[""]
        if following is None:
            _set(at, place, new)
        else:
            inner = _get(at, place)
            if not isinstance(inner, dict | list):
                inner = {}
                _set(at, place, inner)
            at = inner
    return root[""]


def _place(container: Any, step: str) -> str | int | None:
    """The key or index that a step means there; None where there is no such place."""
    if isinstance(container, dict):
        return step
    if _INDEX.fullmatch(step) is None or int(step) > len(container):
        return None
    return int(step)


def _get(container: Any, place: Any) -> Any:
    if isinstance(container, dict):
        return container.get(place)
    return container[place] if place < len(container) else None


def _set(container: Any, place: Any, value: Any) -> None:
    if isinstance(container, list) and place == len(container):
        container.append(value)
    else:
        container[place] = value


def _extended(value: Any, path: str, more: Any) -> Any:
    """The value with `more` behind what is at `path`; as it was where that does not fit."""
    steps = _steps(path)
    if not more or steps is None:
        return value
    root: dict[str, Any] = {"": value}
    at: Any = root
    place: str | int | None = ""
    for step in steps:
        inner = _get(at, place)
        place = _place(inner, step) if isinstance(inner, dict | list) else None
        if place is None:
            return value
        at = inner
    old = _get(at, place)
    if type(old) is str and type(more) is str:
        _set(at, place, old + more)
    elif type(old) is list and type(more) is list:
        old.extend(more)
    elif type(old) is dict and type(more) is dict:
        old.update(more)
    return root[""]


def _copy(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copy(each) for key, each in value.items()}
    if type(value) is list:
        return [_copy(each) for each in value]
    return value
