"""The JSON schema that an answer is held to (2020-12 where it does not say another). Pure.

Checked before the run exists, applied once at its end. Nothing is fetched, and a schema that takes too much work with
a value (references that branch and come back, patterns that are looked for in long texts) is not applied to it at all:
its caller shares the event loop with everybody else's runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal
from urllib.parse import unquote

import jsonschema_rs
import msgspec

from headwater.errors import BadRequestError
from headwater.wire.partial_json import Note
from headwater.workflows.pattern_work import BACKTRACKS_MAX, work_of

#: A schema's own length as JSON: making it ready takes time too.
SCHEMA_BYTES_MAX: Final = 256 * 1024
#: So many faults of an answer are told.
FLAWS_MAX: Final = 20
MESSAGE_CHARS_MAX: Final = 300
#: So many times a subschema may meet a value, about a microsecond each; a large answer to a plain schema needs a few
#: for each of its values.
WORK_MAX: Final = 500_000
#: And so many of them may have subschemas of their own: each is looked at beforehand.
STEPS_MAX: Final = 20_000
#: A fault is told with a copy of the value, whose length counts so: each so many characters like one more value.
_CHARS_PER_WORK: Final = 50
#: What is no text and holds nothing is so many characters.
_PLAIN_CHARS: Final = 8
_REGEX_BYTES_MAX: Final = 1 << 20

_POINTER: Final = "/settings/json_schema"
#: References that a walk over the schema does not follow, so that its work could not be told beforehand.
_UNKNOWN_REFERENCES: Final = ("$dynamicRef", "$recursiveRef")
#: Keywords whose subschemas meet the same value.
_SAME_LISTS: Final = ("allOf", "anyOf", "oneOf")
_SAME: Final = ("not", "if", "then", "else")
_SAME_BY_NAME: Final = ("dependentSchemas", "dependencies")
#: And those whose subschema meets every member, or item, of it.
_MEMBERS: Final = ("additionalProperties", "unevaluatedProperties")
_ITEMS: Final = ("items", "additionalItems", "unevaluatedItems", "contains")
_APPLY: Final = frozenset(
    {
        *("$ref", "properties", "patternProperties", "propertyNames", "prefixItems"),
        *(*_SAME_LISTS, *_SAME, *_SAME_BY_NAME, *_MEMBERS, *_ITEMS),
    }
)
#: What a value of a type may begin with.
_BEGINS: Final = {
    "object": "{",
    "array": "[",
    "string": '"',
    "number": "-0123456789",
    "integer": "-0123456789",
    "boolean": "tf",
    "null": "n",
}


class Flaw(msgspec.Struct, frozen=True):
    """Why an answer is not as it was asked for; `path` is a JSON pointer into its value.

    `code` is `schema`, or why there is no value (`partial_json.Note`), or `unchecked`: it was not held to the schema,
    which asks for too much work.
    """

    code: Note | Literal["schema", "unchecked"]
    path: str
    message: str


class AnswerSchema:
    """A schema, made ready. Raises `BadRequestError` for one that is none, or that can not be applied."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        if len(msgspec.json.encode(schema)) > SCHEMA_BYTES_MAX:
            raise BadRequestError(f"The schema has at most {SCHEMA_BYTES_MAX} bytes as JSON.", pointer=_POINTER)
        if found := next(_unknown_references(schema), None):
            raise BadRequestError(f"The schema uses `{found}`, which is not supported.", pointer=_POINTER)
        try:
            self._validator = jsonschema_rs.validator_for(
                dict(schema),
                mask="the value",
                offline=True,
                pattern_options=jsonschema_rs.FancyRegexOptions(BACKTRACKS_MAX, _REGEX_BYTES_MAX, _REGEX_BYTES_MAX),
            )
        except jsonschema_rs.ValidationError as error:
            place = _pointer(error.instance_path)
            raise BadRequestError(
                f"The schema is none, at `{place}`: {_short(error.message)}.", pointer=_POINTER
            ) from None
        except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
            raise BadRequestError(f"The schema is none: {_short(str(error))}.", pointer=_POINTER) from None

    @property
    def begins(self) -> str:
        """The characters that a value may begin with (`AnswerJSON`)."""
        types = self._schema.get("type")
        named = [types] if isinstance(types, str) else types if isinstance(types, list) else []
        return "".join(dict.fromkeys(_BEGINS[each] for each in named if each in _BEGINS)) or "{["

    def flaws(self, value: Any, *, work_max: int = WORK_MAX) -> list[Flaw]:
        """What is wrong with the value, `FLAWS_MAX` of it at most; nothing of one that is as it was asked for."""
        if not is_bounded(self._schema, value, work_max):
            return [Flaw("unchecked", "", "The schema asks for more work than is done for an answer.")]
        return [
            Flaw("schema", _pointer(error.instance_path), _short(error.message))
            for error in islice(self._validator.iter_errors(value), FLAWS_MAX)
        ]


def is_bounded(schema: Any, value: Any, work_max: int = WORK_MAX) -> bool:
    """Whether holding the value to the schema takes a bounded time. An upper bound of it is counted, not the time."""
    sizes: dict[int, int] = {}
    _measure(value, sizes)
    work, steps, todo = _work(schema, [value], sizes), 0, [(schema, value)]
    while todo:
        each, instance = todo.pop()
        steps += 1
        for part, values in _applied(each, instance, schema):
            work += _work(part, values, sizes)
            if isinstance(part, dict) and not part.keys().isdisjoint(_APPLY):
                todo += [(part, inner) for inner in values]
            if work > work_max or steps + len(todo) > STEPS_MAX:
                return False
    return work <= work_max


def _measure(value: Any, sizes: dict[int, int]) -> int:
    """About as many characters as the value has; notes those of each array and object in it, by identity."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        size = sum(len(name) + _measure(each, sizes) for name, each in value.items())
    elif isinstance(value, list):
        size = sum(_measure(each, sizes) for each in value)
    else:
        return _PLAIN_CHARS
    sizes[id(value)] = size = size + _PLAIN_CHARS
    return size


def _work(schema: Any, values: Sequence[Any], sizes: Mapping[int, int]) -> int:
    """What a subschema costs with these values, beside those in them."""
    if not isinstance(schema, dict):
        return len(values)
    listed = sum(len(part) for part in schema.values() if isinstance(part, list | dict))
    pattern = schema.get("pattern")
    work = 0
    for value in values:
        chars = len(value) if isinstance(value, str) else sizes.get(id(value), 0)
        work += (1 + listed // 32) * (1 + chars // _CHARS_PER_WORK)
        if isinstance(pattern, str) and isinstance(value, str):
            work += work_of(pattern, chars)
        if work > WORK_MAX:
            break
    return work


def _applied(schema: Mapping[str, Any], value: Any, root: Any) -> Iterator[tuple[Any, Sequence[Any]]]:
    """The subschemas that may be applied, each with the values that it may be applied to."""
    same = [value]
    if isinstance(reference := schema.get("$ref"), str):
        yield _target(root, reference), same
    yield from ((each, same) for keyword in _SAME_LISTS for each in _list(schema.get(keyword)))
    yield from ((schema[keyword], same) for keyword in _SAME if keyword in schema)
    yield from ((each, same) for keyword in _SAME_BY_NAME for each in _dict(schema.get(keyword)).values())
    if isinstance(value, dict):
        members = list(value.values())
        properties = _dict(schema.get("properties"))
        yield from ((properties[name], [each]) for name, each in value.items() if name in properties)
        for pattern, matching in _dict(schema.get("patternProperties")).items():
            yield matching, members
            yield {"pattern": pattern}, list(value)
        yield from ((schema[keyword], members) for keyword in _MEMBERS if keyword in schema)
        if "propertyNames" in schema:
            yield schema["propertyNames"], list(value)
    elif isinstance(value, list):
        for keyword in ("prefixItems", "items"):
            yield from ((each, [item]) for each, item in zip(_list(schema.get(keyword)), value, strict=False))
        yield from ((schema[keyword], value) for keyword in _ITEMS if keyword in schema)
    if "unevaluatedProperties" in schema or "unevaluatedItems" in schema:
        # What was evaluated is found out by evaluating it again.
        yield {name: each for name, each in schema.items() if not name.startswith("unevaluated")}, same


def _target(root: Any, reference: str) -> Any:
    """What a reference within the schema leads to; True, which asks for nothing, where that is nowhere."""
    at = root
    for step in unquote(reference).removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(at, dict) and step in at:
            at = at[step]
        elif isinstance(at, list) and step.isdecimal() and int(step) < len(at):
            at = at[int(step)]
        else:
            return True
    return at


def _unknown_references(schema: Any) -> Iterator[str]:
    """References that lead elsewhere than to a place in this very schema."""
    todo = [schema]
    while todo:
        each = todo.pop()
        if isinstance(each, list):
            todo += each
        elif isinstance(each, dict):
            todo += each.values()
            yield from (keyword for keyword in _UNKNOWN_REFERENCES if isinstance(each.get(keyword), str))
            if isinstance(reference := each.get("$ref"), str) and reference != "#" and not reference.startswith("#/"):
                yield reference
            if isinstance(each.get("$id"), str) and each is not schema:
                yield "$id"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _pointer(steps: list[str | int]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _short(message: str) -> str:
    first = (message.splitlines() or [""])[0].rstrip(".")
    return first if len(first) <= MESSAGE_CHARS_MAX else first[: MESSAGE_CHARS_MAX - 1] + "…"
