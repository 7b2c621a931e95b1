"""What a workflow's `input` has to be: JSON Schema, and the words with which a request is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import jsonschema_rs

from headwater.errors import BadRequestError, ConfigError

#: What stands for a value in a message: values may be long, and are nobody's business but the caller's.
_MASK: Final = "the value"


class InputSchema:
    """A schema, made ready. Raises `ConfigError` for one that is none, or that needs another document."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            self._validator = jsonschema_rs.validator_for(dict(schema), mask=_MASK, retriever=_refuse)
        except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
            raise ConfigError(f"the schema of its input is none: {str(error).splitlines()[0]}") from None

    def check(self, value: Any) -> None:
        """Raises `BadRequestError` with a JSON pointer from the request's own root to the first thing that is wrong."""
        error = next(iter(self._validator.iter_errors(value)), None)
        if error is not None:
            pointer = "".join(f"/{_escaped(str(step))}" for step in ["input", *error.instance_path])
            raise BadRequestError(f"`{pointer}` is not as it has to be: {error.message}.", pointer=pointer)


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _refuse(address: str) -> NoReturn:
    raise ValueError(f"{address} is not fetched")
