"""Writes web/client/src/protocol.ts: the protocol's types for TypeScript.

Records come from spec/events.schema.json, resources from the server's OpenAPI document.

python -m tools.make_types           writes the file
python -m tools.make_types --check   ends with 1 where the file is not what would be written
"""

import json
import sys
import textwrap
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from headwater.api.app import RESOURCES
from headwater.api.openapi import document
from headwater.domain.event import EVENT_TYPES, FINAL_TYPES
from tools import make_schema

FILE = Path(__file__).resolve().parent.parent / "web" / "client" / "src" / "protocol.ts"
LINE_LENGTH: Final = 120
_HEADER: Final = "// Made by tools/make_types.py from spec/events.schema.json and the OpenAPI document. Do not edit.\n"
_OPEN: Final = (
    "/** One of these words, or one that a newer server says and this version does not know. */\n"
    "export type Open<Word extends string> = Word | (string & {});\n"
)
#: Of the OpenAPI document only what a client sends or reads; the rest is for operators.
_RESOURCES: Final = (
    *("Problem", "RunRequest", "RunResource", "RunSummary", "RunList"),
    *("ModelResource", "ModelList", "ProviderResource", "ProviderList"),
)
#: How a field's JSON type is written in `DATA_SHAPES`.
_LETTERS: Final = {"string": "s", "integer": "i", "number": "n", "boolean": "b", "object": "o", "array": "a"}
#: What a client sends. All else it reads, and a word that is read may be a newer server's.
_SENT: Final = ("RunRequest",)
_SCALARS: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}

Schema = Mapping[str, Any]


def rendered() -> str:
    """The whole file."""
    events = make_schema.schema()
    definitions: dict[str, Schema] = {}
    data_names = {name: f"{''.join(word.title() for word in name.split('_'))}Data" for name in EVENT_TYPES}
    titles = dict(_titles(events, data_names))
    for name, schema in events["$defs"].items():
        definitions[titles.get(name, name)] = _renamed(schema, titles)
    components = document(RESOURCES)["components"]["schemas"]
    for name in _reachable(components, _RESOURCES):
        schema = _renamed(components[name], {})
        known = definitions.setdefault(name, schema)
        assert _form(known) == _form(schema), f"{name} means two things"
    words = {name for name, schema in definitions.items() if "enum" in schema}
    closed = {*words, *_reachable(components, _SENT)}
    opened = {name: schema if name in closed else _opened(schema, words) for name, schema in definitions.items()}
    parts = [_HEADER, _OPEN, *(_declaration(name, schema) for name, schema in opened.items())]
    parts += _records(data_names)
    parts.append(_shapes({name: definitions[data] for name, data in data_names.items()}))
    return "\n".join(parts)


def _titles(events: Schema, data_names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """From a definition's name in the schema to its name here: `Error` would hide the language's own."""
    for case in events["oneOf"]:
        if (reference := case["properties"].get("data")) is not None:
            yield reference["$ref"].rpartition("/")[2], data_names[case["title"]]


def _renamed(schema: Schema, titles: Mapping[str, str]) -> dict[str, Any]:
    """The same schema with the bare names of what it refers to."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: _target(v, titles) if k == "$ref" else walk(v) for k, v in value.items()}
        return [walk(each) for each in value] if isinstance(value, list) else value

    renamed: dict[str, Any] = walk(schema)
    return renamed


def _target(reference: str, titles: Mapping[str, str]) -> str:
    name = reference.rpartition("/")[2]
    return titles.get(name, name)


def _opened(schema: Any, words: Container[str]) -> Any:
    """The same schema, whose lists of words (those of these names too) are examples of them."""
    if isinstance(schema, list):
        return [_opened(each, words) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "enum" in schema or schema.get("$ref") in words:
        return {"type": "string", "examples": schema.get("enum", schema)}
    return {key: _opened(value, words) for key, value in schema.items()}


def _form(schema: Schema) -> dict[str, Any]:
    """What two schemas of one name must agree on: all but the words about it."""
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


def _reachable(components: Mapping[str, Schema], roots: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    waiting = list(roots)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += _references(components[name])
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for key, each in value.items():
            if key != "discriminator":
                yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _declaration(name: str, schema: Schema) -> str:
    comment = _comment(schema.get("description", ""))
    if schema.get("type") != "object":
        line = f"export type {name} = {_type(schema)};\n"
        if len(line) > LINE_LENGTH:
            line = f"export type {name} =" + "".join(f"\n  | {case}" for case in _type(schema).split(" | ")) + ";\n"
        return comment + line
    required = schema.get("required", [])
    lines = [
        f"  {field}{'' if field in required else '?'}: {_type(each)};" for field, each in schema["properties"].items()
    ]
    return f"{comment}export interface {name} {{\n" + "\n".join(lines) + "\n}\n"


def _comment(about: str) -> str:
    words = " ".join(about.split()).replace("`None`", "`null`")
    if not words:
        return ""
    if len(words) + 8 <= LINE_LENGTH:
        return f"/** {words} */\n"
    return "/**\n" + textwrap.indent("\n".join(textwrap.wrap(words, LINE_LENGTH - 3)), " * ") + "\n */\n"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"])
    if "enum" in schema:
        return " | ".join(json.dumps(each) for each in schema["enum"])
    if "examples" in schema:
        known = schema["examples"]
        return f"Open<{_type(known if isinstance(known, Mapping) else {'enum': sorted(known)})}>"
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    kind = schema.get("type")
    if kind == "array":
        items = _type(schema["items"]) if "items" in schema else "unknown"
        return f"({items})[]" if " " in items else f"{items}[]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"Record<string, {_type(values) if isinstance(values, dict) else 'unknown'}>"
    return _SCALARS[kind] if kind is not None else "unknown"


def _records(data_names: Mapping[str, str]) -> list[str]:
    members = "\n".join(f"  | RecordOf<{json.dumps(name)}, {data}>" for name, data in data_names.items())
    finals = " | ".join(json.dumps(name) for name in EVENT_TYPES if name in FINAL_TYPES)
    return [
        "/** An event with its place in the run's log (`seq`) and its time (`t`), ms since the run was created. */\n"
        "export interface RecordOf<Type extends string, Data> {\n"
        "  seq: number;\n  t: number;\n  type: Type;\n  data: Data;\n}\n",
        "/** A record of a type that this version does not know; `name` is what the server calls it. */\n"
        'export interface UnknownRecord extends RecordOf<"unknown", unknown> {\n  name: string;\n}\n',
        f"/** One record of a run. */\nexport type ProtocolRecord =\n{members}\n  | UnknownRecord;\n",
        "/** The types of a final record: the last of a run, after which its log is closed. */\n"
        f"export type FinalType = {finals};\n",
        "export type FinalRecord = Extract<ProtocolRecord, { type: FinalType }>;\n",
    ]


def _shapes(data: Mapping[str, Schema]) -> str:
    comment = (
        "/**\n"
        " * What a reader checks in the data of each type: s string, i integer, n number, b boolean, o object,\n"
        " * a array, x anything; with ? it may be left out, with 0 it may be null.\n"
        " */\n"
    )
    lines = []
    for name, schema in data.items():
        fields = {field: _shape(each, field in schema["required"]) for field, each in schema["properties"].items()}
        written = ", ".join(f"{field}: {json.dumps(shape)}" for field, shape in fields.items() if shape != "x?0")
        line = f"  {name}: {{ {written} }},"
        if len(line) > LINE_LENGTH:
            line = f"  {name}: {{\n" + "".join(f"    {each},\n" for each in written.split(", ")) + "  },"
        lines.append(line)
    return (
        f"{comment}export const DATA_SHAPES: Record<string, Record<string, string>> = {{\n"
        + "\n".join(lines)
        + "\n};\n"
    )


def _shape(schema: Schema, required: bool) -> str:
    choices = schema.get("anyOf", [schema])
    nullable = any(each.get("type") == "null" for each in choices)
    chosen = next(each for each in choices if each.get("type") != "null")
    if "$ref" in chosen:
        letter = "o"
    elif "enum" in chosen:
        letter = "s"
    else:
        letter = _LETTERS.get(chosen.get("type", ""), "x")
    return letter + ("" if required else "?") + ("0" if nullable or letter == "x" else "")


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        return 0 if FILE.is_file() and FILE.read_text(encoding="utf-8") == rendered() else 1
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(rendered(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
