"""The types of the TypeScript client are made from the code, are kept equal to it, and name every type."""

import re
from pathlib import Path
from typing import Any

import pytest

from headwater.domain.event import EVENT_TYPES
from tools import make_types

WRITTEN = make_types.rendered()


def test_the_file_is_what_the_tool_writes() -> None:
    assert make_types.FILE.read_text(encoding="utf-8") == WRITTEN, "run python -m tools.make_types"


def test_the_tool_writes_and_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_types, "FILE", tmp_path / "client" / "protocol.ts")
    assert make_types.main(["--check"]) == 1
    assert make_types.main([]) == 0
    assert make_types.main(["--check"]) == 0
    make_types.FILE.write_text("")
    assert make_types.main(["--check"]) == 1


def test_every_type_of_record_is_there_and_has_a_shape() -> None:
    assert re.findall(r'^  \| RecordOf<"(\w+)"', WRITTEN, re.MULTILINE) == list(EVENT_TYPES)
    shapes = WRITTEN.partition("DATA_SHAPES")[2]
    assert re.findall(r"^  (\w+): \{", shapes, re.MULTILINE) == list(EVENT_TYPES)


def test_every_name_that_is_used_is_declared_once() -> None:
    declared = re.findall(r"^export (?:interface|type|const) (\w+)", WRITTEN, re.MULTILINE)
    assert len(declared) == len(set(declared))
    used = set(re.findall(r"[:|(<,] ?([A-Z]\w+)", re.sub(r"/\*\*.*?\*/|//.*?\n", "", WRITTEN, flags=re.DOTALL)))
    assert used - {"Record", "Extract", "Type", "Data", "Word"} <= set(declared)


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer"}, "number"),
        ({}, "unknown"),
        ({"$ref": "Usage"}, "Usage"),
        ({"enum": ["a", "b"]}, '"a" | "b"'),
        ({"type": "string", "examples": ["b", "a"]}, 'Open<"a" | "b">'),
        ({"anyOf": [{"type": "number"}, {"type": "integer"}, {"type": "null"}]}, "number | null"),
        ({"type": "array"}, "unknown[]"),
        ({"type": "array", "items": {"$ref": "Tool"}}, "Tool[]"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, '("a" | "b")[]'),
        ({"type": "object"}, "Record<string, unknown>"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "Record<string, string>"),
    ],
)
def test_a_schema_as_a_type(schema: dict[str, Any], written: str) -> None:
    assert make_types._type(schema) == written


@pytest.mark.parametrize(
    ("schema", "required", "written"),
    [
        ({"type": "string"}, True, "s"),
        ({"type": "integer", "default": 0}, False, "i?"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, False, "n?0"),
        ({"$ref": "Usage"}, True, "o"),
        ({"enum": ["a"]}, True, "s"),
        ({}, True, "x0"),
    ],
)
def test_a_schema_as_a_shape(schema: dict[str, Any], required: bool, written: str) -> None:
    assert make_types._shape(schema, required) == written
