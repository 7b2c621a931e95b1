"""Values made from JSON schemas, held to an independent validator."""

import random
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import UnsupportedError
from headwater.providers.json_sample import sample

WORDS = ("river", "stone", "light")

PERSON = {
    "$defs": {"name": {"type": "string", "minLength": 2, "maxLength": 12}},
    "type": "object",
    "properties": {
        "name": {"$ref": "#/$defs/name"},
        "age": {"type": "integer", "minimum": 18, "exclusiveMaximum": 20},
        "height": {"type": "number", "minimum": 1.5, "maximum": 1.51},
        "mail": {"type": "string", "format": "email"},
        "kind": {"enum": ["a", "b"]},
        "fixed": {"const": {"deep": [1]}},
        "maybe": {"type": ["null", "boolean"]},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "both": {"allOf": [{"properties": {"x": {"type": "null"}}, "required": ["x"]}, {"type": "object"}]},
        "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    },
    "required": ["name", "age", "height", "kind"],
    "additionalProperties": False,
}

TREE = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["label", "children"],
}

FITTING: list[Any] = [
    PERSON,
    TREE,
    {},
    {"type": "array", "items": {"type": "integer", "multipleOf": 5}, "minItems": 4, "maxItems": 4},
    {"type": "array", "maxItems": 0},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {"type": "integer", "maximum": -7},
    {"type": "string", "minLength": 300},
    {"properties": {"a": {"type": "boolean"}}, "required": ["a", "b"]},
    {"allOf": [{"type": "integer", "minimum": 5, "maximum": 90}, {"minimum": 50, "maximum": 60}]},
    {"required": ["x"], "additionalProperties": {"type": "integer"}, "type": "object"},
]


@pytest.mark.parametrize("schema", FITTING, ids=lambda schema: str(schema)[:40])
@pytest.mark.parametrize("seed", range(5))
def test_the_value_fits(schema: Any, seed: int) -> None:
    jsonschema.Draft202012Validator(schema).validate(sample(schema, random.Random(seed), WORDS))


def test_equal_seeds_give_equal_values() -> None:
    assert sample(PERSON, random.Random(3), WORDS) == sample(PERSON, random.Random(3), WORDS)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^a+$"},
        {"not": {"type": "string"}},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#"},
        {"type": "tuple"},
        {"enum": []},
        {"type": "object", "properties": {"again": {"$ref": "#"}}, "required": ["again"]},
        {"type": "object", "required": ["a"], "additionalProperties": False},
        {"type": "integer", "minimum": 1.2, "maximum": 1.8},
        {"type": "number", "minimum": 5, "maximum": 4},
        {"type": "string", "minLength": 10**9},
        {"type": "array", "minItems": 10**9},
        {"type": "array", "items": {"const": 1}, "uniqueItems": True, "minItems": 2},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "object", "properties": {"a": 5}},
        {"type": "object", "properties": []},
        {"type": "string", "minLength": "long"},
        {"type": "number", "multipleOf": 0},
        {"type": ["object", 5], "properties": {str(n): {"$ref": "#"} for n in range(30)}},
    ],
    ids=lambda schema: str(schema)[:60],
)
def test_what_it_can_not_be_sure_of_is_refused(schema: Any) -> None:
    with pytest.raises(UnsupportedError):
        sample(schema, random.Random(1), WORDS)


_KEYWORDS = st.sampled_from(
    ["type", "properties", "required", "items", "enum", "minimum", "maxLength", "allOf", "anyOf", "$ref", "multipleOf"]
)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["object", "array", "string", "integer", "number", "#"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYWORDS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(_KEYWORDS, _JSON, max_size=4), st.integers(0, 9))
def test_anything_at_all_is_answered_or_refused(schema: dict[str, Any], seed: int) -> None:
    try:
        sample(schema, random.Random(seed), WORDS)
    except UnsupportedError:
        pass
