"""A puzzle: pairs of grids that show a rule, and inputs that the rule is to be applied to.

The form is that of the ARC-AGI repositories (github.com/fchollet/ARC-AGI, "Task file format").
"""

from __future__ import annotations

from typing import NamedTuple

#: Rows of cells, all rows as long as each other; a cell is a colour, 0 to 9.
Grid = list[list[int]]

SIDE_MAX = 30
COLOURS = 10


class Pair(NamedTuple):
    input: Grid
    output: Grid


class Task(NamedTuple):
    """`id` has 8 hexadecimal digits. `set` is the newest collection that it is in, `sets` are all of them."""

    id: str
    set: str
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]
    sets: tuple[str, ...] = ()


def is_grid(value: object) -> bool:
    """Whether it is a grid as puzzles have them: 1 to 30 rows of 1 to 30 cells, each a whole number from 0 to 9."""
    if not isinstance(value, list) or not 0 < len(value) <= SIDE_MAX:
        return False
    first = value[0]
    if not isinstance(first, list) or not 0 < len(first) <= SIDE_MAX:
        return False
    return all(isinstance(row, list) and len(row) == len(first) and all(map(_is_cell, row)) for row in value)


def _is_cell(value: object) -> bool:
    # True and False are whole numbers to Python, and no colours.
    return type(value) is int and 0 <= value < COLOURS
