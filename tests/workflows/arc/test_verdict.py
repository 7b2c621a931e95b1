"""Answers judged."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.workflows.arc.answer import Answer, Predicted
from headwater.workflows.arc.confidence import Confidence
from headwater.workflows.arc.task import Grid
from headwater.workflows.arc.verdict import AnalysisResult, judged, trustworthiness

ONE: Grid = [[1, 2], [3, 4]]
TWO: Grid = [[5]]


def verdict(*predicted: Grid | None, confidence: int = 80, counts: bool = True) -> AnalysisResult:
    found = tuple(Predicted(grid, "predictedOutput" if grid else "") for grid in predicted)
    answer = Answer(found, "rule", "steps", ["hint"], Confidence(confidence, True), ["read with good will"])
    return judged(
        answer, [ONE, TWO], task_id="007bbfb7", task_set="s", model="m", simulated=False, counts=counts, notes=["note"]
    )


def test_right_is_every_test() -> None:
    right = verdict(ONE, TWO)
    assert (right.correct, right.correct_tests, right.trustworthiness) == (True, 2, 0.96)
    half = verdict(ONE, [[6]])
    assert (half.correct, half.correct_tests, half.trustworthiness) == (False, 1, 0.36)
    assert [test.correct for test in half.tests] == [True, False]
    assert [test.cell_share for test in verdict([[1, 2], [3, 0]], None).tests] == [0.75, 0]
    assert right.notes == ["note", "read with good will"]


def test_what_does_not_count_is_neither_right_nor_wrong() -> None:
    shown = verdict(ONE, TWO, counts=False)
    assert (shown.correct, shown.trustworthiness, shown.correct_tests) == (None, None, 2)


def test_a_result_is_json_and_comes_back() -> None:
    result = verdict(ONE, None)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(result)), AnalysisResult) == result


@pytest.mark.parametrize(
    ("confidence", "correct", "score"),
    [
        (100, True, 1),
        (0, True, 0),
        (100, False, 0),
        (0, False, 1),
        (50, True, 0.75),
        (50, False, 0.75),
        (80, True, 0.96),
    ],
)
def test_trustworthiness(confidence: int, correct: bool, score: float) -> None:
    assert trustworthiness(confidence, correct) == score


@given(st.integers(0, 100), st.integers(0, 100))
def test_who_says_honestly_how_sure_he_is_does_best_in_the_mean(truth: int, said: int) -> None:
    def mean(confidence: int) -> float:
        return truth * trustworthiness(confidence, True) + (100 - truth) * trustworthiness(confidence, False)

    # each score is rounded to four digits
    assert mean(truth) >= mean(said) - 0.02
