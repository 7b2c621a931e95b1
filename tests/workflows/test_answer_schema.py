"""The schema that an answer is held to: refused where it is none, applied within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.errors import BadRequestError
from headwater.workflows.answer_schema import (
    FLAWS_MAX,
    MESSAGE_CHARS_MAX,
    SCHEMA_BYTES_MAX,
    AnswerSchema,
    Flaw,
    is_bounded,
)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "objct"}, "at `/type`"),
        ({"properties": {"a": {"minimum": "one"}}}, "at `/properties/a/minimum`"),
        ({"pattern": "("}, "at `/pattern`"),
        ({"pattern": "((a{1000}){1000}){1000}"}, "at `/pattern`"),
        ({"$ref": "https://example.com/schema"}, "`https://example.com/schema`"),
        ({"properties": {"a": {"$ref": "#name"}}}, "`#name`"),
        ({"$ref": "#/$defs/none"}, "/$defs/none"),
        ({"allOf": [{"$dynamicRef": "#x"}]}, "`$dynamicRef`"),
        ({"properties": {"a": {"$id": "https://example.com/a"}}}, "`$id`"),
        ({"$schema": "https://example.com/draft"}, "https://example.com/draft"),
        ({"description": "x" * SCHEMA_BYTES_MAX}, f"{SCHEMA_BYTES_MAX} bytes"),
    ],
)
def test_a_schema_that_is_none_or_can_not_be_applied_is_refused(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        AnswerSchema(schema)
    assert words in refused.value.message
    assert refused.value.extra == {"pointer": "/settings/json_schema"}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$id": "https://example.com/own", "type": "object"},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}, "$ref": "#/definitions/a"},
        {"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}},
        {"pattern": "^(?=.*[a-z])x(?!y)"},
    ],
)
def test_a_schema_of_any_draft_is_taken(schema: dict[str, Any]) -> None:
    AnswerSchema(schema)


@pytest.mark.parametrize(
    ("schema", "begins"),
    [
        ({}, "{["),
        ({"type": "object"}, "{"),
        ({"type": ["array", "null"]}, "[n"),
        ({"type": "integer"}, "-0123456789"),
        ({"type": ["number", "integer"]}, "-0123456789"),
        ({"anyOf": [{"type": "string"}]}, "{["),
    ],
)
def test_what_a_value_may_begin_with(schema: dict[str, Any], begins: str) -> None:
    assert "".join(dict.fromkeys(AnswerSchema(schema).begins)) == begins


def test_flaws_say_where_and_what() -> None:
    schema = AnswerSchema({"properties": {"a/b": {"items": {"type": "integer"}}}, "required": ["c"]})
    assert schema.flaws({"a/b": [1, "x"], "c": 0}) == [
        Flaw("schema", "/a~1b/1", 'the value is not of type "integer"'),
    ]
    assert schema.flaws({"a/b": [], "c": 0}) == []


def test_flaws_are_bounded() -> None:
    flaws = AnswerSchema({"items": {"enum": ["x" * 9999]}}).flaws(["y"] * 1000)
    assert len(flaws) == FLAWS_MAX
    assert max(len(flaw.message) for flaw in flaws) <= MESSAGE_CHARS_MAX


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def doubling(keyword: str, levels: int) -> dict[str, Any]:
    """Definitions each of which applies the next one twice to the same value."""
    defs: dict[str, Any] = {f"d{level}": {keyword: [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(levels)}
    return {"$defs": {**defs, f"d{levels}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def branching(*keywords: str) -> dict[str, Any]:
    """A definition that comes back to itself by several ways with each level of the value."""
    ways = [{keyword: _by(keyword)} for keyword in keywords]
    return {"$defs": {"t": {"anyOf": ways}}, "$ref": "#/$defs/t"}


def _by(keyword: str) -> Any:
    again = {"$ref": "#/$defs/t"}
    return {"patternProperties": {"a": again}, "properties": {"a": again}}.get(keyword, again)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubling("allOf", 40), {}),
        (doubling("anyOf", 40), {}),
        (doubling("oneOf", 40), {}),
        (branching("properties", "additionalProperties"), nested(40)),
        (branching("patternProperties", "properties"), nested(40)),
        ({"$defs": {"t": {"not": {"$ref": "#/$defs/t"}}}, "$ref": "#/$defs/t"}, {}),
        ({"$ref": "#"}, {}),
        ({"items": {"enum": list(range(40_000))}}, list(range(1000))),
        ({"items": {"pattern": "(a*)*b"}}, ["a" * 1000] * 6000),
        ({"items": {"properties": {"a": {"type": "object"}}}}, [{}] * 30_000),
        ({"pattern": "(a|b)*a(a|b){1000}c"}, "ab" * 10_000),
        ({"pattern": "(?=a)(a|b)*c"}, "ab" * 10_000),
        ({"patternProperties": {"(a|b)*a(a|b){1000}c": {}}}, {"ab" * 1000: 0}),
        ({"propertyNames": {"pattern": "(a|b)*a(a|b){1000}c"}}, {"ab" * 1000: 0}),
        ({"allOf": [{"maxLength": 1}] * 50}, "x" * 1_000_000),
        ({"items": {"allOf": [{"required": ["a"]}] * 50}}, [{"b": [0] * 100_000}]),
    ],
)
def test_a_schema_that_multiplies_the_work_is_not_applied(schema: dict[str, Any], value: Any) -> None:
    assert not is_bounded(schema, value)
    assert [flaw.code for flaw in AnswerSchema(schema).flaws(value)] == ["unchecked"]


def test_unevaluated_members_are_counted_for_each_time_that_they_are_looked_for() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(20):
        schema = {"allOf": [schema], "unevaluatedProperties": False}
    assert not is_bounded(schema, {})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"items": {"type": "integer"}}, list(range(100_000))),
        ({"items": {"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}}, ["2026-11-21"] * 5000),
        ({"items": {"pattern": "^(?!x)[a-z]+$"}}, ["lowercase"] * 50),
        ({"properties": {"text": {"type": "string", "pattern": "^[^<]*$"}}}, {"text": "word " * 100_000}),
        ({"properties": {"g": {"items": {"items": {"type": "integer"}}}}}, {"g": [[0] * 30] * 3000}),
        ({"$defs": {"t": {"properties": {"a": {"$ref": "#/$defs/t"}}}}, "$ref": "#/$defs/t"}, nested(60)),
        ({"prefixItems": [{"type": "integer"}], "additionalProperties": False, "propertyNames": {"maxLength": 9}}, [1]),
    ],
)
def test_a_large_answer_to_a_plain_schema_is_checked(schema: dict[str, Any], value: Any) -> None:
    assert AnswerSchema(schema).flaws(value) == []


def test_what_the_walk_counts_is_what_is_checked() -> None:
    """A keyword that the walk forgot would let a schema through that never ends."""
    wrong = {"type": "null"}
    schemas: dict[str, dict[str, Any]] = {
        "$ref": {"$defs": {"n": wrong}, "$ref": "#/$defs/n"},
        **{each: {each: [wrong]} for each in ("allOf", "anyOf", "oneOf", "prefixItems")},
        **{each: {each: wrong} for each in ("items", "contains", "additionalProperties", "propertyNames")},
        **{each: {each: wrong} for each in ("unevaluatedItems", "unevaluatedProperties")},
        "properties": {"properties": {"a": wrong}},
        "patternProperties": {"patternProperties": {"a": wrong}},
        "if": {"if": {}, "then": wrong, "else": wrong},
        "dependentSchemas": {"dependentSchemas": {"a": wrong}},
    }
    for keyword, schema in schemas.items():
        value: Any = [1] if "tems" in keyword or keyword == "contains" else {"a": 1}
        assert AnswerSchema(schema).flaws(value), keyword
        bomb = _with_bomb(schema)
        assert not is_bounded(bomb, value), keyword


def _with_bomb(schema: Any) -> Any:
    """The schema with one that never ends where it says null."""
    if schema == {"type": "null"}:
        return {"$ref": "#/$defs/bomb"}
    if isinstance(schema, list):
        return [_with_bomb(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: _with_bomb(each) for name, each in schema.items()}
    return {**inner, "$defs": {**inner.get("$defs", {}), "bomb": {"$ref": "#/$defs/bomb"}}}
