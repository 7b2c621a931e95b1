"""What the simulated model says to pictures that nobody looks at."""

from __future__ import annotations

import pytest

from headwater.workflows.arc import phases as ph
from headwater.workflows.arc.schema import Outcome
from headwater.workflows.arc.simulated import LABEL
from headwater.workflows.arc.simulated_looks import looked
from tests.workflows.arc.test_phases import PLAN, TASK, outcome


@pytest.mark.parametrize("wanted", ["right", "wrong", "malformed"])
@pytest.mark.parametrize("phase", PLAN)
def test_each_answer_says_that_it_is_simulated_and_is_the_same_again(phase: ph.Phase, wanted: Outcome) -> None:
    text, reasons = looked(phase, TASK, wanted, 7)
    assert LABEL in text
    assert (text, reasons) == looked(phase, TASK, wanted, 7)


@pytest.mark.parametrize(
    ("wanted", "correct", "grid"), [("right", True, True), ("wrong", False, True), ("malformed", False, False)]
)
def test_a_prediction_is_what_was_wanted(wanted: Outcome, correct: bool, grid: bool) -> None:
    came = outcome(PLAN[1], looked(PLAN[1], TASK, wanted, None)[0])
    assert (came.correct, came.predicted is not None) == (correct, grid)


@pytest.mark.parametrize("place", [4, 5])
@pytest.mark.parametrize(("wanted", "correct"), [("right", True), ("wrong", False), ("malformed", False)])
def test_a_test_is_answered_by_its_own_grid(place: int, wanted: Outcome, correct: bool) -> None:
    phase = PLAN[place]
    answer = ph.read_of(outcome(phase, looked(phase, TASK, wanted, 3)[0]))
    assert (answer.predicted[0].grid == TASK.test[phase.pair - 1].output) is correct
