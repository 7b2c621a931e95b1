"""What a workflow's `input` has to be: JSON Schema, and the words with which a request is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import jsonschema_rs

from headwater.errors import BadRequestError, ConfigError

#: What stands for a value in a message: values may be long, and are nobody's business but the caller's.
_MASK: Final = "the value"
#: Names of members are the caller's too, and may be long: a message and a pointer are cut here.
TOLD_CHARS_MAX: Final = 300


class InputSchema:
    """A schema, made ready. Raises `ConfigError` for one that is none, or that needs another document."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            self._validator = jsonschema_rs.validator_for(dict(schema), mask=_MASK, retriever=_refuse)
        except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
            raise ConfigError(f"the schema of its input is none: {str(error).splitlines()[0]}") from None

    def check(self, value: Any) -> None:
        """Raises `BadRequestError` with a JSON pointer from the request's own root to the first thing that is wrong."""
        try:
            # the first of them is enough: looking for all of them would copy each
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            pointer, words = _pointer(error.instance_path), error.message
            if len(words) > TOLD_CHARS_MAX:
                words = words[: TOLD_CHARS_MAX - 1] + "…"
            raise BadRequestError(f"`{pointer}` is not as it has to be: {words}.", pointer=pointer) from None


def _pointer(path: Sequence[str | int]) -> str:
    """Where it is, or what it is in where that takes no longer pointer than is told."""
    pointer = "/input"
    for step in path:
        longer = f"{pointer}/{_escaped(str(step))}"
        if len(longer) > TOLD_CHARS_MAX:
            break
        pointer = longer
    return pointer


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _refuse(address: str) -> NoReturn:
    raise ValueError(f"{address} is not fetched")
