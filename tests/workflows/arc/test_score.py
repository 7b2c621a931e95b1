"""How near a grid is to the true one."""

import pytest
from hypothesis import given

from headwater.workflows.arc.score import cell_share, is_right
from headwater.workflows.arc.task import Grid
from tests.workflows.arc.grids import grids


@pytest.mark.parametrize(
    ("predicted", "truth", "share"),
    [
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]], 1.0),
        ([[1, 2], [3, 5]], [[1, 2], [3, 4]], 0.75),
        ([[1, 2]], [[1, 2], [3, 4]], 0.5),
        # all that is there is right, but half of it should not be there
        ([[1, 2, 0, 0]], [[1, 2]], 0.5),
        # one is wider, the other higher: 2 × 2 cells, of which one is right
        ([[1, 1]], [[1], [1]], 0.25),
        (None, [[1]], 0.0),
        ([], [[1]], 0.0),
        ([[]], [[1]], 0.0),
    ],
)
def test_share(predicted: Grid | None, truth: Grid, share: float) -> None:
    assert cell_share(predicted, truth) == share
    assert is_right(predicted, truth) is (share == 1.0)


@given(grids(colours=3), grids(colours=3))
def test_the_share_is_whole_only_for_the_right_grid(one: Grid, other: Grid) -> None:
    share = cell_share(one, other)
    assert 0 <= share <= 1
    assert (share == 1) == is_right(one, other) == (one == other)
    assert cell_share(other, one) == share


@given(grids())
def test_a_grid_is_right_for_itself(grid: Grid) -> None:
    assert is_right([list(row) for row in grid], grid)
