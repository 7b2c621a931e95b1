"""The forms of an analysis: what asks for one, and what a model is to answer. JSON schemas (draft 2020-12)."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from headwater.workflows.arc.task import COLOURS, SIDE_MAX

PROMPT_CHARS_MAX: Final = 20_000
Outcome = Literal["right", "wrong", "malformed"]

#: The `input` of the workflow `analysis`.
INPUT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "task_id": {"type": "string", "pattern": "^[0-9a-f]{8}$", "description": "The puzzle's id"},
        "prompt": {
            "type": "string",
            "minLength": 1,
            "maxLength": PROMPT_CHARS_MAX,
            "description": "What the model is told to do, in place of the built-in words",
        },
        "include_answer": {
            "type": "boolean",
            "description": "Whether the model is shown the tests' outputs, to explain the rule",
        },
        "structured": {
            "type": "boolean",
            "description": "Whether the model is given a schema of its answer, if it takes one",
        },
        "simulated": {
            "enum": ["right", "wrong", "malformed"],
            "description": "What the simulated model is to answer",
        },
    },
    "required": ["task_id"],
    "additionalProperties": False,
}


class AnalysisInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What `INPUT_SCHEMA` describes."""

    task_id: str
    prompt: str | None = None
    include_answer: bool = False
    structured: bool = True
    simulated: Outcome | None = None


def grid_names(tests: int) -> list[str]:
    """The members that hold the predicted grids, one for each test."""
    return ["predictedOutput"] if tests == 1 else [f"predictedOutput{number}" for number in range(1, tests + 1)]


def answer_schema(tests: int) -> dict[str, Any]:
    """What the model is to answer: first what it saw, then the grids, and last how sure it is.

    In this order, for a model that has put the rule into words applies it better. All members are required and no
    others allowed, which the strict mode of OpenAI's API insists on.
    """
    cell = {"type": "integer", "minimum": 0, "maximum": COLOURS - 1}
    row = {"type": "array", "items": cell, "minItems": 1, "maxItems": SIDE_MAX}
    grid = {"type": "array", "items": row, "minItems": 1, "maxItems": SIDE_MAX}
    members: dict[str, Any] = {
        "patternDescription": {"type": "string", "description": "The rule that the training pairs show"},
        "solvingStrategy": {"type": "string", "description": "How the rule is applied, step by step"},
        "hints": {"type": "array", "items": {"type": "string"}, "description": "What would help somebody else"},
    }
    for number, name in enumerate(grid_names(tests), 1):
        members[name] = {**grid, "description": f"The output grid of test {number}: rows of whole numbers"}
    members["confidence"] = {
        "type": "integer",
        "minimum": 0,
        "maximum": 100,
        "description": "How sure you are that every cell is right, in percent",
    }
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
