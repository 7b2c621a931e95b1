"""Who reads which run."""

from __future__ import annotations

import pytest

from headwater.runs.readership import Readers, Readership
from tests.runs.scene import pause, virtual
from tests.runs.test_meter import clock_of_loop


@virtual
async def test_readers_are_counted_and_their_time_is_summed() -> None:
    readers = Readers(clock_of_loop())
    readers.open("r")
    readers.joined("r")
    await pause(2)
    readers.joined("r")
    await pause(3)
    assert readers.now("r") == 2
    assert readers.figures("r") == Readership(2, 8000, 0)
    assert not readers.left("r")
    await pause(1)
    assert readers.left("r")
    assert readers.now("r") == 0
    figures = readers.figures("r")
    assert (figures.readers, figures.interruptions) == (2, 2)
    assert figures.reader_ms == pytest.approx(9000, abs=1)
    await pause(10)
    assert readers.figures("r") == figures


@virtual
async def test_a_run_is_left_each_time_its_last_reader_goes() -> None:
    readers = Readers(clock_of_loop())
    readers.open("r")
    for _ in range(3):
        readers.joined("r")
        assert readers.left("r")
    assert readers.figures("r").interruptions == 3


@virtual
async def test_runs_that_are_not_counted_have_nobody() -> None:
    readers = Readers(clock_of_loop())
    readers.joined("r")
    assert not readers.left("r")
    readers.open("r")
    assert not readers.left("r")
    readers.joined("r")
    readers.close("r")
    readers.close("r")
    assert not readers.left("r")
    assert (readers.now("r"), readers.figures("r")) == (0, Readership())
