"""A value that fits a JSON schema: what the simulated provider answers with when it is asked for JSON.

It knows the part of JSON Schema (2020-12) that providers take for structured output: types, `properties`,
`required`, `items`, `prefixItems`, `enum`, `const`, bounds, formats, `anyOf`, `oneOf`, `allOf` and `$ref` inside
the schema. What it could only guess at (`pattern`, `not`, `if`) it refuses, rather than answer wrongly.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headwater.errors import UnsupportedError

#: Below this depth only what a schema requires is filled in.
_OPTIONAL_DEPTH_MAX = 6
_DEPTH_MAX = 32
_ITEMS_MAX = 1_000
_STRING_MAX = 2_000
#: Values in all: schemas that refer to themselves several times would grow without end.
_VALUES_MAX = 2_000

_REFUSED = frozenset(
    {
        "contains",
        "dependentRequired",
        "dependentSchemas",
        "if",
        "minContains",
        "not",
        "pattern",
        "patternProperties",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)

_FORMATS = {
    "date-time": "2026-11-21T10:00:00Z",
    "date": "2026-11-21",
    "time": "10:00:00Z",
    "duration": "PT10M",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def sample(schema: Mapping[str, Any], rng: random.Random, words: Sequence[str]) -> Any:
    """A value that `schema` accepts, made of `words` and numbers that `rng` picks. Equal seeds give equal values.

    Raises `UnsupportedError` for a schema that this generator can not be sure to satisfy.
    """
    try:
        return _Sampler(schema, rng, words).value(schema, 0)
    except (TypeError, ValueError, AttributeError, KeyError, ArithmeticError, RecursionError) as exc:
        # A keyword with a value of the wrong kind: the schema came from a caller and was checked by nobody.
        raise UnsupportedError("The JSON schema is not well formed.") from exc


class _Sampler:
    def __init__(self, root: Mapping[str, Any], rng: random.Random, words: Sequence[str]) -> None:
        self._root = root
        self._rng = rng
        self._words = words
        self._values = 0
        self._by_type: dict[str, Callable[[Mapping[str, Any], int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": lambda schema, _: self._string(schema),
            "integer": lambda schema, _: self._integer(schema),
            "number": lambda schema, _: self._number(schema),
            "boolean": lambda _schema, _depth: self._rng.random() < 0.5,
            "null": lambda _schema, _depth: None,
        }

    def value(self, schema: Any, depth: int) -> Any:
        if schema is True:
            return self._rng.choice(self._words)
        if not isinstance(schema, Mapping):
            raise UnsupportedError("The JSON schema has a part that is not an object.")
        self._values += 1
        if depth > _DEPTH_MAX or self._values > _VALUES_MAX:
            raise UnsupportedError("The JSON schema asks for too much: it nests too deep, or never ends.")
        schema = self._resolved(schema)
        if refused := _REFUSED & schema.keys():
            raise UnsupportedError(f"The simulated model does not know `{min(refused)}` in a JSON schema.")
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            if not schema["enum"]:
                raise UnsupportedError("The simulated model can not satisfy an empty `enum`.")
            return self._rng.choice(schema["enum"])
        return self._by_type[self._type(schema)](schema, depth)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema with its references and branches merged in; of `anyOf` and `oneOf` the first branch."""
        for _ in range(_DEPTH_MAX):
            rest = {k: v for k, v in schema.items() if k not in {"$ref", "allOf", "anyOf", "oneOf"}}
            branches = [*schema.get("allOf", [])]
            if "$ref" in schema:
                branches.append(self._target(schema["$ref"]))
            branches += [schema[key][0] for key in ("anyOf", "oneOf") if schema.get(key)]
            if not branches:
                return schema
            merged = rest
            for branch in branches:
                if not isinstance(branch, Mapping):
                    raise UnsupportedError("The simulated model can not satisfy this JSON schema's branches.")
                merged = _merged(merged, branch)
            schema = merged
        raise UnsupportedError("The simulated model can not satisfy this JSON schema: its references never end.")

    def _target(self, ref: Any) -> Any:
        """What a JSON pointer into this schema points to. Nothing is ever fetched."""
        if not isinstance(ref, str) or not ref.startswith("#"):
            raise UnsupportedError("The simulated model follows a `$ref` only inside the schema.")
        node: Any = self._root
        for step in ref[1:].split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, Mapping) or key not in node:
                raise UnsupportedError("The JSON schema has a `$ref` that points to nothing.")
            node = node[key]
        return node

    @staticmethod
    def _type(schema: Mapping[str, Any]) -> str:
        named = schema.get("type")
        if isinstance(named, list):
            named = next((each for each in named if each != "null"), "null")
        if named is None:
            return _implied_type(schema)
        if named not in {"object", "array", "string", "integer", "number", "boolean", "null"}:
            raise UnsupportedError("The JSON schema has a `type` that JSON does not.")
        return str(named)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", [])
        properties = schema.get("properties", {})
        made = {
            name: self.value(each, depth + 1)
            for name, each in properties.items()
            if name in required or depth < _OPTIONAL_DEPTH_MAX
        }
        others = schema.get("additionalProperties", True)
        missing = [name for name in required if name not in made]
        if missing and others is False:
            raise UnsupportedError("The JSON schema requires a property that it does not allow.")
        for name in missing:
            made[name] = self.value(others, depth + 1)
        if len(made) < schema.get("minProperties", 0) or len(made) > schema.get("maxProperties", math.inf):
            raise UnsupportedError("The simulated model can not satisfy this schema's number of properties.")
        return made

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        least = max(schema.get("minItems", 0), len(first))
        most = schema.get("maxItems", max(least, 3))
        wanted = least if depth >= _OPTIONAL_DEPTH_MAX else max(least, min(2, most))
        if wanted > most or wanted > _ITEMS_MAX or (schema.get("items") is False and wanted > len(first)):
            raise UnsupportedError("The simulated model can not satisfy this schema's number of items.")
        made = [self.value(each, depth + 1) for each in first]
        made += [self.value(schema.get("items", True), depth + 1) for _ in range(wanted - len(made))]
        if schema.get("uniqueItems") and len({repr(each) for each in made}) < len(made):
            raise UnsupportedError("The simulated model can not satisfy `uniqueItems` here.")
        return made

    def _string(self, schema: Mapping[str, Any]) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength", _STRING_MAX)
        if least > min(most, _STRING_MAX):
            raise UnsupportedError("The simulated model can not satisfy this schema's length of a string.")
        if (known := _FORMATS.get(schema.get("format", ""))) is not None:
            if not least <= len(known) <= most:
                raise UnsupportedError("The simulated model can not satisfy a `format` of that length.")
            return known
        text = self._rng.choice(self._words)
        while len(text) < least:
            text += " " + self._rng.choice(self._words)
        # Cut where a space would be last, so that no limit is passed and no text ends in a blank.
        return text[: int(most)]

    def _integer(self, schema: Mapping[str, Any]) -> int:
        low, high = _bounds(schema)
        step = schema.get("multipleOf", 1)
        first = math.ceil(low / step)
        last = math.floor(high / step)
        for _ in range(8):
            picked = self._rng.randint(first, last) * step if first <= last else math.nan
            if _inside(picked, schema) and picked == int(picked):
                return int(picked)
        raise UnsupportedError("The simulated model can not satisfy this schema's bounds of an integer.")

    def _number(self, schema: Mapping[str, Any]) -> float:
        low, high = _bounds(schema)
        if low > high or "multipleOf" in schema:
            return self._integer(schema)
        for _ in range(8):
            # Two decimals read well; bounds closer than that take what lies between them.
            exact = self._rng.uniform(low, high)
            for picked in (round(exact, 2), exact):
                if _inside(picked, schema):
                    return picked
        raise UnsupportedError("The simulated model can not satisfy this schema's bounds of a number.")


_ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated"})
_LEAST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_MOST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})


def _merged(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """One schema for both. Where their words for one thing can not be joined it refuses."""
    merged = {**left, **right}
    for key in left.keys() & right.keys() - _ANNOTATIONS:
        one, other = left[key], right[key]
        if key in {"properties", "$defs", "definitions"}:
            merged[key] = {**one, **other}
        elif key == "required":
            merged[key] = [*one, *(each for each in other if each not in one)]
        elif key in _LEAST:
            merged[key] = max(one, other)
        elif key in _MOST:
            merged[key] = min(one, other)
        elif key in {"allOf", "anyOf", "oneOf"}:
            merged[key] = [*one, *other] if key == "allOf" else other
        elif one != other:
            raise UnsupportedError(f"The simulated model can not join two different `{key}` in a JSON schema.")
    return merged


def _implied_type(schema: Mapping[str, Any]) -> str:
    implied = {
        "object": {"properties", "required", "additionalProperties"},
        "array": {"items", "prefixItems", "minItems", "maxItems"},
        "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    }
    return next((name for name, keys in implied.items() if keys & schema.keys()), "string")


def _bounds(schema: Mapping[str, Any]) -> tuple[float, float]:
    lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
    highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
    if lows and highs:
        return max(lows), min(highs)
    if lows:
        return max(lows), max(lows) + 100
    if highs:
        return min(highs) - 100, min(highs)
    return 0, 100


def _inside(value: float, schema: Mapping[str, Any]) -> bool:
    return bool(
        value >= schema.get("minimum", -math.inf)
        and value <= schema.get("maximum", math.inf)
        and value > schema.get("exclusiveMinimum", -math.inf)
        and value < schema.get("exclusiveMaximum", math.inf)
    )
