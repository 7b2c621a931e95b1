"""What models answer to puzzles, and what is read out of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.workflows.arc.answer import HINTS_MAX, TEXT_CHARS_MAX, Predicted, read_answer
from headwater.workflows.arc.schema import grid_names
from headwater.workflows.arc.task import Grid, is_grid
from headwater.workflows.arc.verdict import judged
from tests.workflows.arc.grids import grids

ONE: Grid = [[1, 2], [3, 4]]
TWO: Grid = [[5, 6, 7]]
NOTHING = Predicted(None, "")


def predicted(value: Any, tests: int = 1, text: str = "") -> list[Predicted]:
    return list(read_answer(value, text, tests).predicted)


@pytest.mark.parametrize(
    ("value", "found_in"),
    [
        ({"predictedOutput": ONE}, "predictedOutput"),
        ({"predictedOutput1": ONE}, "predictedOutput1"),
        ({"predicted_output": ONE}, "predicted_output"),
        *[({name: ONE}, name) for name in ("output", "solution", "answer", "prediction", "Output Grid", "grid")],
        ({"result": {"predictedOutput": ONE}}, "predictedOutput"),
        ({"result": {"answer": {"solution": ONE}}}, "solution"),
        ({"answer": {"grid": ONE}}, "answer"),
        ({"predictedOutputs": [ONE]}, "predictedOutputs[0]"),
        ({"output": [ONE]}, "output[0]"),
        ({"predictedOutput": "12\n34"}, "predictedOutput"),
        # the asked name wins over the others, and the outer over the nested
        ({"output": TWO, "predictedOutput": ONE}, "predictedOutput"),
        ({"result": {"predictedOutput": TWO}, "predictedOutput": ONE}, "predictedOutput"),
        # one that holds no grid does not hide another that does
        ({"predictedOutput": None, "solution": ONE}, "solution"),
        (ONE, "the answer itself"),
        ([ONE], "the answer itself[0]"),
    ],
)
def test_one_grid_under_many_names(value: Any, found_in: str) -> None:
    assert predicted(value) == [Predicted(ONE, found_in)]
    answer = read_answer(value, "", 1)
    assert any("not in `predictedOutput`" in note for note in answer.notes) == (found_in != "predictedOutput")


@pytest.mark.parametrize(
    "value",
    [
        {"predictedOutput1": ONE, "predictedOutput2": TWO},
        {"result": {"predictedOutput1": ONE, "predictedOutput2": TWO}},
        {"output_1": ONE, "output_2": TWO},
        {"predictedOutputs": [ONE, TWO]},
        {"predictedOutput": [ONE, TWO]},
        # the first one without its number
        {"predictedOutput": ONE, "predictedOutput2": TWO},
        {"solutions": ["12\n34", "567"]},
        [ONE, TWO],
    ],
)
def test_several_tests(value: Any) -> None:
    assert [each.grid for each in predicted(value, 2)] == [ONE, TWO]


@pytest.mark.parametrize(
    ("value", "grids_found"),
    [
        ({"predictedOutput2": TWO}, [None, TWO]),
        ({"predictedOutput1": ONE}, [ONE, None]),
        ({"predictedOutput": ONE}, [ONE, None]),
        ({"predictedOutputs": [None, TWO]}, [None, TWO]),
        ({"predictedOutput1": [[1, 2], [3]], "predictedOutput2": TWO}, [None, TWO]),
        ({}, [None, None]),
    ],
)
def test_a_part_of_the_answer_is_a_part(value: Any, grids_found: list[Grid | None]) -> None:
    answer = read_answer(value, "", 2)
    assert [each.grid for each in answer.predicted] == grids_found
    missing = [str(number) for number, grid in enumerate(grids_found, 1) if grid is None]
    assert f"There is no grid for test {', '.join(missing)}." in answer.notes


def test_prose_is_the_last_resort() -> None:
    said = "The input was\n9 9\n9 9\n\nSo I get [[1,2],[3,4]] and then\n5 6 7\n"
    assert predicted(None, 2, said) == [Predicted(ONE, "prose"), Predicted(TWO, "prose")]
    assert predicted(None, 1, said) == [Predicted(TWO, "prose")]
    assert predicted({"predictedOutput": ONE}, 1, said) == [Predicted(ONE, "predictedOutput")]
    assert predicted(None, 3, "[[1,2],[3,4]]") == [Predicted(ONE, "prose"), NOTHING, NOTHING]


def test_texts_and_hints_have_their_other_names_and_forms() -> None:
    answer = read_answer(
        {
            "pattern": ["It grows.", "Downwards."],
            "solving_strategy": {"first": "Look", "then": ["copy", 3]},
            "hints": "- See the corner\n\n* Count",
            "confidence": "80%",
        },
        "",
        1,
    )
    assert (answer.pattern, answer.strategy) == ("It grows.\nDownwards.", "Look\ncopy\n3")
    assert answer.hints == ["See the corner", "Count"]
    assert answer.confidence == (80, True)


def test_what_is_too_long_is_cut() -> None:
    answer = read_answer({"pattern": "x" * 10_000, "hints": ["y" * 1000] * 50}, "", 1)
    assert len(answer.pattern) == TEXT_CHARS_MAX
    assert len(answer.hints) == HINTS_MAX


NAMES = st.sampled_from(
    [
        *["predictedOutput", "predictedOutput1", "predictedOutput2", "predictedOutputs", "output", "solution"],
        *["answer", "result", "confidence", "hints", "patternDescription", "solvingStrategy", "data", "", "\ud800"],
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | grids(side_max=3)
HOSTILE = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
TRUTHS = [ONE, TWO]


@given(HOSTILE, st.text(max_size=200), st.integers(1, 2))
def test_hostile_answers_never_raise(value: Any, text: str, tests: int) -> None:
    answer = read_answer(value, text, tests)
    assert len(answer.predicted) == tests
    assert all(each.grid is None or is_grid(each.grid) for each in answer.predicted)
    assert all((each.grid is None) == (each.found_in == "") for each in answer.predicted)
    result = judged(
        answer, TRUTHS[:tests], task_id="t", task_set="s", model="m", simulated=False, counts=True, notes=[]
    )
    assert len(result.tests) == tests
    assert result.correct == all(test.correct for test in result.tests)


@given(st.data())
def test_half_an_answer_never_raises(data: st.DataObject) -> None:
    """Cut anywhere: what is there of the text is read, and a grid is right only where it is all there."""
    several = data.draw(st.lists(grids(rows_min=2), min_size=1, max_size=2))
    whole = {**dict(zip(grid_names(len(several)), several, strict=True)), "confidence": 70}
    text = json.dumps(whole)
    cut = data.draw(st.integers(0, len(text)))
    answer = read_answer(None, text[:cut], len(several))
    for each in answer.predicted:
        assert each.grid is None or each.grid in several


def test_a_deep_answer_is_not_followed_for_ever() -> None:
    value: Any = {"predictedOutput": ONE}
    for _ in range(10_000):
        value = {"result": value}
    assert predicted(value) == [NOTHING]
    value = [ONE]
    for _ in range(10_000):
        value = [value]
    assert predicted(value) == [NOTHING]
