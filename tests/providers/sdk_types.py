"""What the types of a provider's own SDK understand of a request."""

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter


def understood(types: TypeAdapter[Any], value: Any) -> Any:
    """`value` as these types have it: fields that they do not know are gone. Raises what pydantic raises."""
    return _drained(types.validate_python(value))


def _drained(value: Any) -> Any:
    # pydantic checks an `Iterable` while it is read, and not before.
    if isinstance(value, dict):
        return {name: _drained(each) for name, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_drained(each) for each in value]
    return value
