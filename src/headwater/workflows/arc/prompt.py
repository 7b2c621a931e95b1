"""What a model is told of a puzzle. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from headwater.domain.message import Message
from headwater.workflows.arc.schema import grid_names
from headwater.workflows.arc.task import Grid, Task

_SOLVE: Final = (
    "You solve puzzles of the Abstraction and Reasoning Corpus. Each training pair shows how an input grid becomes an "
    "output grid; all pairs follow one rule. Find the rule, say it, and apply it to each test input."
)
_EXPLAIN: Final = (
    "You explain puzzles of the Abstraction and Reasoning Corpus. Each training pair shows how an input grid becomes "
    "an output grid; all pairs follow one rule, and the tests' outputs are given too. Find the rule and explain it so "
    "that somebody else could apply it."
)


class Prompt(NamedTuple):
    """The two messages that a model is sent."""

    system: str
    user: str

    @property
    def messages(self) -> list[Message]:
        return [Message("system", self.system), Message("user", self.user)]


def prompt_of(task: Task, instructions: str | None = None, *, include_answer: bool = False) -> Prompt:
    """`instructions` take the place of the built-in ones; how to answer is said in any case."""
    told = instructions or (_EXPLAIN if include_answer else _SOLVE)
    return Prompt(f"{told}\n\n{form(len(task.test))}", "\n\n".join(_puzzle(task, include_answer)))


def rows(grid: Grid) -> str:
    """A row a line, its cells divided by blanks."""
    return "\n".join(" ".join(map(str, row)) for row in grid)


def form(tests: int) -> str:
    """How a grid is written, and the members of the answer."""
    names = grid_names(tests)
    grids = f"`{names[0]}` (the output grid of the test"
    if tests > 1:
        grids = f"`{names[0]}` to `{names[-1]}` (the output grids of the {tests} tests, in their order"
    return (
        "A grid is a rectangle of cells; each cell is a colour, a whole number from 0 to 9. Answer with one JSON "
        "object and nothing else. Its members, in this order: `patternDescription` (the rule), `solvingStrategy` (how "
        f"it is applied, step by step), `hints` (a list of short sentences), {grids}: a list of rows, each a list of "
        "whole numbers), and `confidence` (0 to 100: how sure you are that every cell is right)."
    )


def _puzzle(task: Task, include_answer: bool) -> Iterator[str]:
    for number, pair in enumerate(task.train, 1):
        yield f"Training pair {number}, input ({_size(pair.input)}):\n{rows(pair.input)}"
        yield f"Training pair {number}, output ({_size(pair.output)}):\n{rows(pair.output)}"
    for number, pair in enumerate(task.test, 1):
        yield f"Test {number}, input ({_size(pair.input)}):\n{rows(pair.input)}"
        if include_answer:
            yield f"Test {number}, output ({_size(pair.output)}):\n{rows(pair.output)}"


def _size(grid: Grid) -> str:
    return f"{len(grid)} rows, {len(grid[0])} columns"
