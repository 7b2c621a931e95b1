"""What the simulated model says to a puzzle: a right answer, a wrong one, or one that is no JSON. Pure and seeded.

Nothing is solved here. The answers are made from the truth, and each says of itself that it is simulated.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headwater.domain.message import Settings
from headwater.providers.simulated import NAME
from headwater.workflows.arc.prompt import rows
from headwater.workflows.arc.schema import Outcome, grid_names
from headwater.workflows.arc.task import COLOURS, Grid, Task

LABEL: Final = "Simulated answer:"
#: Of ten answers, so many are right, and so many wrong; the rest is malformed.
_RIGHT, _WRONG = 6, 3
#: Cells of a wrong grid that are wrong.
_WRONG_CELLS: Final = 3
#: Between two pieces, which are about a row of a grid each, in ms.
_DELAY_MS: Final = [8.0, 24.0]


def scripted(settings: Settings, says: str, reasons: str = "") -> Settings:
    """The settings with which the simulated model says just this, unless they have a script that says something."""
    script = {"delay_ms": _DELAY_MS, "says": says, "reasons": reasons, **settings.extra.get(NAME, {})}
    return msgspec.structs.replace(settings, extra={**settings.extra, NAME: script})


def outcome_of(task: Task, seed: int | None) -> Outcome:
    """Which answer it is where nobody said: the same for the same puzzle and seed."""
    drawn = _rng(task, seed).randrange(10)
    if drawn < _RIGHT:
        return "right"
    return "wrong" if drawn < _RIGHT + _WRONG else "malformed"


def analysis_answer(task: Task, outcome: Outcome, seed: int | None = None) -> tuple[str, str]:
    """The answer's text and the reasoning before it."""
    rng = _rng(task, seed)
    grids = [pair.output if outcome == "right" else _spoiled(pair.output, rng) for pair in task.test]
    confidence = rng.randint(75, 98) if outcome == "right" else rng.randint(30, 90)
    reasons = (
        f"{LABEL} nobody thinks here. There are {len(task.train)} training pairs. "
        f"The first goes from {_size(task.train[0].input)} to {_size(task.train[0].output)}. "
        "A model would compare them cell by cell, put a rule into words, and try it on each pair."
    )
    if outcome == "malformed":
        return _prose(grids, confidence), reasons
    members: dict[str, Any] = {
        "patternDescription": f"{LABEL} the output of {task.id} is known to whoever wrote this script, so no rule was "
        "looked for.",
        "solvingStrategy": f"{LABEL} 1. Take the true output. 2. "
        + ("Change nothing." if outcome == "right" else f"Change up to {_WRONG_CELLS} cells, so that it is wrong."),
        "hints": ["Nothing here is a model's work.", "Choose another model to have the puzzle solved."],
        **dict(zip(grid_names(len(grids)), grids, strict=True)),
        "confidence": confidence,
    }
    return _json(members), reasons


def _rng(task: Task, seed: int | None) -> random.Random:
    return random.Random(f"{task.id} {seed or 0}")


def _spoiled(grid: Grid, rng: random.Random) -> Grid:
    """A copy of which up to three cells have another colour; at least one has."""
    copy = [list(row) for row in grid]
    places = [(y, x) for y, row in enumerate(copy) for x in range(len(row))]
    for y, x in rng.sample(places, min(_WRONG_CELLS, len(places))):
        copy[y][x] = (copy[y][x] + rng.randint(1, COLOURS - 1)) % COLOURS
    return copy


def _json(members: dict[str, Any]) -> str:
    """A member a line, and a row of a grid a line without blanks: a piece of the stream each."""
    lines = []
    for name, value in members.items():
        if isinstance(value, list) and value and isinstance(value[0], list):
            said = "[\n    " + ",\n    ".join(_compact(row) for row in value) + "\n  ]"
        else:
            said = _compact(value)
        lines.append(f'  "{name}": {said}')
    return "{\n" + ",\n".join(lines) + "\n}"


def _compact(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _prose(grids: Sequence[Grid], confidence: int) -> str:
    """No JSON at all, though that was asked for; the grids stand in the text."""
    said = "\n\n".join(f"Test {number}:\n\n{rows(grid)}" for number, grid in enumerate(grids, 1))
    return (
        f"{LABEL} this one is malformed on purpose, so there is no JSON in it.\n\n{said}\n\n"
        f"I would say that I am {confidence}% sure."
    )


def _size(grid: Grid) -> str:
    return f"{len(grid)} × {len(grid[0])}"
