"""What the simulated model says to a puzzle that it is shown as pictures. Pure and seeded.

Nobody looks at anything here: what is said is made from the truth, and each answer says of itself that it is simulated.
"""

from __future__ import annotations

import msgspec

from headwater.workflows.arc.phases import Phase
from headwater.workflows.arc.render import COLOUR_NAMES
from headwater.workflows.arc.schema import Outcome
from headwater.workflows.arc.simulated import LABEL, analysis_answer
from headwater.workflows.arc.task import Grid, Task


def looked(phase: Phase, task: Task, outcome: Outcome, seed: int | None) -> tuple[str, str]:
    """The answer's text and the reasoning before it. A test is answered as an analysis would be."""
    if phase.is_answer:
        return analysis_answer(task._replace(test=(task.test[phase.pair - 1],)), outcome, seed)
    pair = task.train[phase.pair - 1]
    if phase.name == "prediction":
        return _prediction(pair.input, pair.output, outcome), ""
    if phase.name == "correction":
        return f"{LABEL} the true output was known all the time, so there is nothing to learn from it.", ""
    said = f"the input shows {_seen(pair.input)}, the output {_seen(pair.output)}. Nobody has looked at the pictures."
    return f"{LABEL} {said}", ""


def _prediction(shown: Grid, truth: Grid, outcome: Outcome) -> str:
    if outcome == "malformed":
        return f"{LABEL} this one is malformed on purpose, so there is no grid in it."
    what, grid = ("the true output", truth) if outcome == "right" else ("the input once more, which is wrong", shown)
    return f"{LABEL} this is {what}.\n\n{msgspec.json.encode(grid).decode()}"


def _seen(grid: Grid) -> str:
    colours = sorted({cell for row in grid for cell in row})
    return f"{len(grid)} × {len(grid[0])} cells in {', '.join(COLOUR_NAMES[colour] for colour in colours)}"
