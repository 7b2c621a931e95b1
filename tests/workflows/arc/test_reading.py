"""Grids in what a model wrote, in whichever form."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.workflows.arc.reading import grid_of, grids_in
from headwater.workflows.arc.task import Grid, is_grid
from tests.workflows.arc.grids import grids

GRID: Grid = [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "value",
    [
        [[0, 1, 2], [3, 4, 5]],
        [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
        [["0", "1", "2"], [" 3", "4 ", "5"]],
        ["0 1 2", "3 4 5"],
        ["012", "345"],
        ["[0, 1, 2]", "[3, 4, 5]"],
        "0 1 2\n3 4 5",
        "012\n345\n",
        "0,1,2\r\n3,4,5",
        "| 0 | 1 | 2 |\n| 3 | 4 | 5 |",
        "[[0,1,2],[3,4,5]]",
        '{"grid": [[0, 1, 2], [3, 4, 5]]}',
        {"grid": [[0, 1, 2], [3, 4, 5]]},
        {"note": "here", "output": {"cells": "012\n345"}},
    ],
)
def test_a_grid_is_known_in_its_forms(value: Any) -> None:
    assert grid_of(value) == GRID


@pytest.mark.parametrize(
    "value",
    [
        *[None, True, 7, 0.5, "", "no grid", "[[0,1", "{}", "1 2 x", "10 11", [], [[]], {}],
        *[[[0, 1], [2]], [[0, 10]], [[0, -1]], [[0.5]], [[True]], [[None]], [["a"]], "0 1\n2"],
        *[[[0] * 31], [[0]] * 31, "0 " * 31, "[" * 10_000],
        {"grid": {"grid": {"grid": {"grid": {"grid": {"grid": [[1]]}}}}}},
    ],
)
def test_what_is_no_grid_is_none(value: Any) -> None:
    assert grid_of(value) is None


WAYS: dict[str, Callable[[Grid], str]] = {
    "json": lambda grid: msgspec.json.encode(grid).decode(),
    "json over lines": lambda grid: msgspec.json.format(msgspec.json.encode(grid), indent=1).decode(),
    "rows of json": lambda grid: "[\n" + ",\n".join(f"  {row}" for row in grid) + "\n]",
    "blanks": lambda grid: "\n".join(" ".join(map(str, row)) for row in grid),
    "table": lambda grid: "\n".join("| " + " | ".join(map(str, row)) + " |" for row in grid),
}


@pytest.mark.parametrize("way", WAYS)
@given(several=st.lists(grids(rows_min=2, columns_min=2), min_size=1, max_size=3))
def test_grids_stand_in_prose(way: str, several: list[Grid]) -> None:
    said = "".join(f"Grid {number} would be:\n\n{WAYS[way](grid)}\n\nI think. " for number, grid in enumerate(several))
    assert grids_in(said + "That is 100% right.") == several


def test_a_list_of_grids_is_several() -> None:
    assert grids_in("Both: [[[1]], [[2, 3]]].") == [[[1]], [[2, 3]]]


def test_lines_are_grids_where_they_have_one_width() -> None:
    assert grids_in("1 2\n3 4\n5 6 7\n\n012\n345\n") == [[[1, 2], [3, 4]], [[5, 6, 7]], [[0, 1, 2], [3, 4, 5]]]


@pytest.mark.parametrize("text", ["100", "1.\n2. two\n", "- 7\n", "42\n", "On 3 4 we met", "7\n\n8\n", "12:30\n"])
def test_numbers_that_stand_alone_are_no_grids(text: str) -> None:
    assert grids_in(text) == []


@pytest.mark.parametrize(
    "text",
    [
        *["[" * 200_000, "[1," * 60_000, "]" * 100_000, "[[1]" * 50_000, "1 " * 100_000, "1\n" * 100_000],
        *["1" + " " * 100_000 + "x", ("[" + " " * 15) * 12_000, "[[1" + " " * 100_000, "1" * 200_000, "\ud800 1 2\n"],
    ],
    ids=range(11),
)
def test_hostile_texts_are_read_in_little_work(text: str) -> None:
    # A bound on the work by the suite's own time limit: what grew with the square would take minutes.
    assert all(is_grid(grid) for grid in grids_in(text))


@given(st.text(alphabet='[]{}0123456789,; |\n\t"x.-', max_size=400))
def test_whatever_is_found_is_a_grid(text: str) -> None:
    assert all(is_grid(grid) for grid in grids_in(text))
    found = grid_of(text)
    assert found is None or is_grid(found)
