"""A schema has a name and is strict where it can be."""

from typing import Any

import pytest

from headwater.domain.message import Settings
from headwater.providers.openai_parts import chat_format, named_schema

OPEN = {"type": "object", "properties": {"x": {"type": "integer"}}}
CLOSED = {**OPEN, "required": ["x"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        (OPEN, False),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "required": "x"}, False),
        ({**CLOSED, "additionalProperties": True}, False),
        ({**CLOSED, "properties": {"x": OPEN}}, False),
        ({**CLOSED, "anyOf": [OPEN]}, False),
        ({"type": "string", "enum": [{"type": "object"}]}, True),
    ],
)
def test_a_schema_is_strict_where_it_can_be(schema: dict[str, Any], strict: bool) -> None:
    wanted = named_schema(schema)
    assert wanted["schema"] == schema
    assert wanted.get("strict", False) is strict


def test_a_schema_that_is_too_deep_is_not_strict() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "array", "items": schema}
    assert "strict" not in named_schema(schema)


@pytest.mark.parametrize(
    ("title", "name"), [("An answer!", "An_answer_"), ("", "answer"), (5, "answer"), ("x" * 99, "x" * 64)]
)
def test_a_schema_has_a_name_that_is_allowed(title: object, name: str) -> None:
    assert named_schema({"type": "string", "title": title})["name"] == name


def test_the_format_of_an_answer() -> None:
    assert chat_format(Settings()) is None
    assert chat_format(Settings(json_object=True)) == {"type": "json_object"}
    both = chat_format(Settings(json_object=True, json_schema=OPEN))
    assert both == {"type": "json_schema", "json_schema": {"name": "answer", "schema": OPEN}}
