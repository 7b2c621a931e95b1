"""How near a predicted grid is to the true one. Pure."""

from __future__ import annotations

from headwater.workflows.arc.task import Grid


def is_right(predicted: Grid | None, truth: Grid) -> bool:
    """Whether both have the same size and all cells are the same."""
    return predicted == truth


def cell_share(predicted: Grid | None, truth: Grid) -> float:
    """The share of cells that are right, 0 to 1; 1 only where the grid is.

    Where the sizes differ both are laid upon each other from the top left, and a cell that only one of them has is
    wrong: a grid is not the better for being larger.
    """
    if not predicted or not predicted[0]:
        return 0.0
    same = sum(
        cell == true_cell
        for row, true_row in zip(predicted, truth, strict=False)
        for cell, true_cell in zip(row, true_row, strict=False)
    )
    return same / (max(len(predicted), len(truth)) * max(len(predicted[0]), len(truth[0])))
