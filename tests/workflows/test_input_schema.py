"""What a request's input is held to, and how it is told of what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.errors import BadRequestError, ConfigError
from headwater.workflows.input_schema import TOLD_CHARS_MAX, InputSchema

SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 1},
        "to": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "a/b~c": {"type": "integer"},
    },
    "required": ["text"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        (None, "/input"),
        ({}, "/input"),
        ([], "/input"),
        ({"text": ""}, "/input/text"),
        ({"text": "x", "to": ["de", 7]}, "/input/to/1"),
        ({"text": "x", "to": []}, "/input/to"),
        ({"text": "x", "a/b~c": "1"}, "/input/a~1b~0c"),
        ({"text": "x", "other": 1}, "/input"),
    ],
)
def test_the_first_thing_that_is_wrong_is_pointed_to(value: Any, pointer: str) -> None:
    schema = InputSchema(SCHEMA)
    schema.check({"text": "x", "to": ["de"], "a/b~c": 1})
    with pytest.raises(BadRequestError) as refused:
        schema.check(value)
    assert refused.value.extra == {"pointer": pointer}


def test_values_are_not_repeated() -> None:
    with pytest.raises(BadRequestError) as refused:
        InputSchema(SCHEMA).check({"text": ["PromptKanarie"]})
    assert "Kanarie" not in refused.value.message


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({f"name {number}": 1 for number in range(1000)}, "/input"),
        ({"to": {"n" * TOLD_CHARS_MAX: 1}}, "/input/to"),
    ],
)
def test_long_names_are_told_as_far_as_they_fit(value: Any, pointer: str) -> None:
    schema = InputSchema({"properties": {"to": {"additionalProperties": {"type": "null"}}}, "maxProperties": 9})
    with pytest.raises(BadRequestError) as refused:
        schema.check(value)
    assert refused.value.extra == {"pointer": pointer}
    with pytest.raises(BadRequestError) as refused:
        InputSchema({"additionalProperties": False}).check(value)
    assert len(refused.value.message) < 2 * TOLD_CHARS_MAX


@pytest.mark.parametrize(
    "schema",
    [{"type": "nonsense"}, {"properties": 7}, {"$ref": "http://127.0.0.1:9/x.json"}, {"$ref": "file:///etc/passwd"}],
)
def test_a_schema_that_is_none_or_is_elsewhere_can_not_be_used(schema: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        InputSchema(schema)
