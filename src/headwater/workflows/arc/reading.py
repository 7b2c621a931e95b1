"""Grids in what a model wrote: as JSON, as text, or somewhere in prose. Pure; never raises; linear in what is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from headwater.workflows.arc.task import SIDE_MAX, Grid, is_grid

#: Of a text that is searched for grids: what is before it is not looked at, for answers come last.
_TEXT_CHARS_MAX: Final = 60_000
#: Of one grid as JSON; 30 × 30 cells with generous blanks.
_GRID_CHARS_MAX: Final = 20_000
_DEPTH_MAX: Final = 4

#: The members of an object that may hold its grid.
_MEMBERS: Final = ("grid", "output", "cells", "rows", "data", "value", "values", "solution", "answer", "result")

#: All that is in a line which holds a row and nothing else.
_ROW_TEXT: Final = re.compile(r"[\s\[\]|(),;0-9]*")
_NUMBERS: Final = re.compile(r"[0-9]+")
_IN_GRID: Final = frozenset("[]0123456789, \t\r\n")


class _Found(NamedTuple):
    start: int
    stop: int
    grids: list[Grid]


def grid_of(value: object, depth: int = 0) -> Grid | None:
    """The grid that the value is, in any of the ways in which models write one; None where it is none.

    Lists of whole numbers, of floats that are whole, of digits as texts; rows or the whole grid as text; an object with
    the grid as a member.
    """
    if is_grid(value):
        return value  # type: ignore[return-value]  # that is what was asked
    if depth > _DEPTH_MAX:
        return None
    if isinstance(value, Mapping):
        found = (grid_of(value.get(name), depth + 1) for name in _MEMBERS if name in value)
        return next((grid for grid in found if grid is not None), None)
    if isinstance(value, str):
        return _grid_of_text(value, depth)
    if not isinstance(value, list) or not 0 < len(value) <= SIDE_MAX:
        return None
    rows = [_row_of(row) for row in value]
    return rows if is_grid(rows) else None  # type: ignore[return-value]  # that is what was asked


def grids_in(text: str) -> list[Grid]:
    """Every grid that stands somewhere in the text, as JSON or as lines of digits, in the order in which they begin."""
    text = text[-_TEXT_CHARS_MAX:]
    grids: list[Grid] = []
    end = 0
    for found in sorted([*_grids_as_json(text), *_grids_as_lines(text)]):
        # what is JSON over several lines may be read both ways
        if found.start >= end:
            grids += found.grids
            end = found.stop
    return grids


def _row_of(value: object) -> list[int] | None:
    if isinstance(value, str):
        return _row_of_text(value)
    if not isinstance(value, list) or not 0 < len(value) <= SIDE_MAX:
        return None
    cells = [_cell_of(cell) for cell in value]
    return None if None in cells else cells  # type: ignore[return-value]  # none of them is


def _cell_of(value: object) -> int | None:
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if len(value) <= SIDE_MAX and (text := value.strip()).isascii() and text.isdigit():
            return int(text)
    return None


def _row_of_text(text: str) -> list[int] | None:
    """Digits with something between them, or without: `0 1 2`, `[0, 1, 2],`, `| 0 | 1 | 2 |`, `012`."""
    # Brackets that do not close are those of more than a row, or of one that was cut.
    if len(text) > _GRID_CHARS_MAX or _ROW_TEXT.fullmatch(text) is None or text.count("[") != text.count("]"):
        return None
    cells = _NUMBERS.findall(text)
    if len(cells) == 1:
        cells = list(cells[0])
    return [int(cell) for cell in cells] if 0 < len(cells) <= SIDE_MAX and all(len(c) == 1 for c in cells) else None


def _grid_of_text(text: str, depth: int) -> Grid | None:
    """A text that holds a grid and nothing else."""
    text = text.strip()
    if not text or len(text) > _GRID_CHARS_MAX:
        return None
    if text[0] in "[{":
        try:
            return grid_of(msgspec.json.decode(text), depth + 1)
        except (msgspec.DecodeError, RecursionError, ValueError):
            pass
    rows = [_row_of_text(line) for line in text.splitlines()]
    return rows if is_grid(rows) else None  # type: ignore[return-value]  # that is what was asked


def _grids_as_json(text: str) -> Iterator[_Found]:
    """Each `[[…]]`; a list of grids is several of them."""
    place = 0
    while (start := text.find("[", place)) >= 0:
        stop = _end_of_lists(text, start)
        place = max(stop, start + 1)
        try:
            value = msgspec.json.decode(text[start:stop])
        except (msgspec.DecodeError, ValueError):
            continue
        grids = [each for each in ([value] if is_grid(value) else value) if is_grid(each)]
        if grids:
            yield _Found(start, stop, grids)


def _end_of_lists(text: str, start: int) -> int:
    """Where the lists of digits that begin here are closed, or where it is clear that they are none."""
    depth = 0
    for place in range(start, min(len(text), start + _GRID_CHARS_MAX)):
        char = text[place]
        if char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
        if char not in _IN_GRID or depth > _DEPTH_MAX:
            return place
        if depth == 0:
            return place + 1
    return min(len(text), start + _GRID_CHARS_MAX)


def _grids_as_lines(text: str) -> Iterator[_Found]:
    """Each block of lines with nothing but rows of one width."""
    block: list[str] = []
    rows: Grid = []
    start = place = 0
    for line in [*text.splitlines(keepends=True), ""]:
        row = _row_of_text(line)
        if rows and (row is None or len(row) != len(rows[0]) or len(rows) == SIDE_MAX):
            if _is_shown(block, rows):
                yield _Found(start, place, [rows])
            block, rows = [], []
        if row is not None:
            if not rows:
                start = place
            block.append(line)
            rows.append(row)
        place += len(line)


def _is_shown(block: list[str], rows: Grid) -> bool:
    """A number that stands alone on a line is more often that of a list, or a percentage."""
    return len(rows) > 1 or len(_NUMBERS.findall(block[0])) > 2
