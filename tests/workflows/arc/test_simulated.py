"""What the simulated model says to a puzzle."""

import json
from collections import Counter

import jsonschema
import pytest

from headwater.domain.event import Chunk
from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.providers.simulated import compose
from headwater.workflows.arc.answer import read_answer
from headwater.workflows.arc.schema import Outcome, answer_schema
from headwater.workflows.arc.simulated import LABEL, analysis_answer, outcome_of, scripted
from headwater.workflows.arc.task import Task
from tests.workflows.arc.puzzles import ONE_TEST, TWO_TESTS

PUZZLES = [ONE_TEST, TWO_TESTS]


@pytest.mark.parametrize("task", PUZZLES, ids=lambda task: task.id)
@pytest.mark.parametrize("seed", [None, 1, 2])
class TestAnswers:
    def test_a_right_one_is_right(self, task: Task, seed: int | None) -> None:
        text, reasons = analysis_answer(task, "right", seed)
        value = json.loads(text)
        jsonschema.validate(value, answer_schema(len(task.test)))
        predicted = read_answer(value, text, len(task.test)).predicted
        assert [each.grid for each in predicted] == [pair.output for pair in task.test]
        assert value["patternDescription"].startswith(LABEL)
        assert reasons.startswith(LABEL)

    def test_a_wrong_one_fits_the_form_and_is_wrong_everywhere(self, task: Task, seed: int | None) -> None:
        text, _ = analysis_answer(task, "wrong", seed)
        value = json.loads(text)
        jsonschema.validate(value, answer_schema(len(task.test)))
        predicted = read_answer(value, text, len(task.test)).predicted
        for each, pair in zip(predicted, task.test, strict=True):
            assert each.grid is not None
            assert each.grid != pair.output
            assert len(each.grid) == len(pair.output)

    def test_a_malformed_one_is_no_json_but_has_grids(self, task: Task, seed: int | None) -> None:
        text, _ = analysis_answer(task, "malformed", seed)
        assert text.startswith(LABEL)
        with pytest.raises(ValueError):
            json.loads(text)
        assert {each.found_in for each in read_answer(None, text, len(task.test)).predicted} == {"prose"}

    @pytest.mark.parametrize("outcome", ["right", "wrong", "malformed"])
    def test_the_same_seed_says_the_same(self, task: Task, seed: int | None, outcome: Outcome) -> None:
        assert analysis_answer(task, outcome, seed) == analysis_answer(task, outcome, seed)


def test_seeds_draw_all_outcomes_the_right_one_most() -> None:
    drawn = Counter(outcome_of(ONE_TEST, seed) for seed in range(200))
    assert drawn["right"] > drawn["wrong"] > drawn["malformed"] > 0
    assert outcome_of(ONE_TEST, 7) == outcome_of(ONE_TEST, 7)


def test_it_is_said_as_it_stands_a_row_a_piece() -> None:
    says, reasons = analysis_answer(TWO_TESTS, "right")
    settings = scripted(Settings(json_schema=answer_schema(2)), says, reasons)
    answer = compose(GenerationRequest("simulated", [Message("user", "A puzzle")], settings))
    texts = [piece.content for piece in answer.pieces if isinstance(piece, Chunk)]
    assert "".join(texts) == says
    assert {"[0,4,0],", "[4,4,4]"} <= {text.strip() for text in texts}


def test_a_script_of_the_callers_own_wins() -> None:
    own = Settings(extra={"simulated": {"says": "Mine.", "fail_after": 1}, "openai": {"store": False}})
    settings = scripted(own, "Ours.", "Hm.")
    script = settings.extra["simulated"]
    assert (script["says"], script["reasons"], script["fail_after"]) == ("Mine.", "Hm.", 1)
    assert settings.extra["openai"] == {"store": False}
