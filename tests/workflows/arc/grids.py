"""Grids to draw from, for property tests."""

from hypothesis import strategies as st

from headwater.workflows.arc.task import Grid


@st.composite
def grids(draw: st.DrawFn, *, rows_min: int = 1, columns_min: int = 1, side_max: int = 5, colours: int = 10) -> Grid:
    width = draw(st.integers(columns_min, side_max))
    row = st.lists(st.integers(0, colours - 1), min_size=width, max_size=width)
    return draw(st.lists(row, min_size=rows_min, max_size=side_max))
