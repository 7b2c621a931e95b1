"""What the simulated model writes for the solver: wrong programs, faulty ones, no program at all, and right ones.

Nothing is solved here: the right programs were written by people, for some of the puzzles. Each answer says of itself
that it is simulated. Pure and seeded.
"""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from headwater.workflows.arc.simulated import LABEL
from headwater.workflows.arc.task import Task

_REVERSE_ROWS: Final = "[row[::-1] for row in grid]"
_REVERSE_ORDER: Final = "grid[::-1]"
_TRANSPOSE: Final = "[list(column) for column in zip(*grid)]"
_HALF_TURN: Final = "[row[::-1] for row in grid[::-1]]"


def _recolour(table: str) -> str:
    return f"[[{table}.get(cell, cell) for cell in row] for row in grid]"


#: For each puzzle what its right program returns.
RIGHT: Final = {
    "007bbfb7": "[[a and b for a in one for b in two] for one in grid for two in grid]",
    "0d3d703e": _recolour("{1: 5, 2: 6, 3: 4, 4: 3, 5: 1, 6: 2, 8: 9, 9: 8}"),
    "25ff71a9": "[grid[-1]] + grid[:-1]",
    "3af2c5a8": "[row + row[::-1] for row in grid + grid[::-1]]",
    "3c9b0459": _HALF_TURN,
    "4c4377d9": "grid[::-1] + grid",
    "6150a2bd": _HALF_TURN,
    "62c24649": "[row + row[::-1] for row in grid + grid[::-1]]",
    "67a3c6ac": _REVERSE_ROWS,
    "67e8384a": "[row + row[::-1] for row in grid + grid[::-1]]",
    "68b16354": _REVERSE_ORDER,
    "6d0aefbc": "[row + row[::-1] for row in grid]",
    "74dd1130": _TRANSPOSE,
    "8be77c9e": "grid + grid[::-1]",
    "9dfd6313": _TRANSPOSE,
    "a416b8f3": "[row + row for row in grid]",
    "b1948b0a": _recolour("{6: 2}"),
    "c8f0f002": _recolour("{7: 5}"),
    "c9e6f938": "[row + row[::-1] for row in grid]",
    "d10ecb37": "[row[:2] for row in grid[:2]]",
    "d511f180": _recolour("{5: 8, 8: 5}"),
    "ed36ccf7": "[list(column) for column in zip(*grid)][::-1]",
}

#: What a wrong program returns: most have a part of the cells right by chance.
_WRONG: Final = (
    "grid",
    _REVERSE_ROWS,
    _REVERSE_ORDER,
    _TRANSPOSE,
    _HALF_TURN,
    "[[max(row)] * len(row) for row in grid]",
    "[[0 for _ in row] for row in grid]",
    "grid + grid",
    "[sorted(row) for row in grid]",
)
#: What a faulty program does in place of returning a grid.
_FAULTY: Final = (
    "return grid[len(grid)]",
    "return sum(map(sum, grid))",
    "while True:\n        pass",
    "return numpy.array(grid).tolist()",
)


class Script(NamedTuple):
    """In which iterations the answer has no program, and from which on the right program is in it."""

    without: int
    right_from: int


def script_of(task: Task, seed: int | None) -> Script:
    """The right program comes in iteration 2, 3 or 4, and the answer before it has none at all in one of two cases."""
    right_from = _rng(task, seed, 0).randint(2, 4)
    return Script(_rng(task, seed, -1).choice([0, right_from - 1]) if right_from > 2 else 0, right_from)


def programs_answer(task: Task, number: int, programs: int, seed: int | None = None) -> tuple[str, str]:
    """The text of an iteration's answer and the reasoning before it."""
    script, rng = script_of(task, seed), _rng(task, seed, number)
    reasons = (
        f"{LABEL} nobody thinks here. This is iteration {number}. There are {len(task.train)} training pairs. A model "
        "would look at what the programs before got wrong, and change them."
    )
    if number == script.without:
        return f"{LABEL} this one has no program in it, on purpose. A model may answer like that.", reasons
    bodies = [f"return {each}" for each in rng.sample(_wrong(task), programs)]
    if number == 1 and programs > 1:
        bodies[-1] = rng.choice(_FAULTY)
    if number >= script.right_from and task.id in RIGHT:
        bodies[rng.randrange(programs)] = f"return {RIGHT[task.id]}"
    blocks = [f"```python\ndef transform(grid):\n    {body}\n```" for body in bodies]
    return f"{LABEL} these programs are scripted; no model wrote them.\n\n" + "\n\n".join(blocks), reasons


def _wrong(task: Task) -> list[str]:
    return [each for each in _WRONG if each != RIGHT.get(task.id)]


def _rng(task: Task, seed: int | None, number: int) -> random.Random:
    return random.Random(f"{task.id} {seed or 0} programs {number}")
