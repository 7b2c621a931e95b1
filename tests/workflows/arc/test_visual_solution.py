"""What a visual solver's run amounts to, whole or cut."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.run import LOCAL_OWNER, RunRequest, RunState
from headwater.domain.snapshot import fold
from headwater.workflows.arc import phases as ph
from headwater.workflows.arc.visual_solution import COLLECTION, Seen, document_of, result_of
from headwater.workflows.contract import EndedRun
from tests.workflows.arc.test_phases import PLAN, TASK, outcome

REQUEST = RunRequest(workflow="visual_solver", model="m", input={"task_id": TASK.id})


def answer(grid: Any, confidence: Any) -> str:
    members: dict[str, Any] = {"patternDescription": "Add one.", "solvingStrategy": "Once.", "hints": []}
    members |= {"predictedOutput": grid, "confidence": confidence}
    return msgspec.json.encode(members).decode()


def answered(first: str, second: str) -> list[ph.Outcome]:
    return [*(outcome(phase) for phase in PLAN[:4]), outcome(PLAN[4], first), outcome(PLAN[5], second)]


def test_the_answers_are_judged_together_as_sure_as_the_least() -> None:
    outcomes = answered(answer([[2, 0]], 90), answer([[3]], 60))
    result = result_of(REQUEST, Seen.of(TASK, ph.system(None), outcomes), outcomes, is_simulated=False)
    assert (result.correct, result.correct_tests, result.confidence, result.confidence_given) == (True, 2, 60, True)
    assert [phase.phase for phase in result.phases] == [phase.name for phase in PLAN]
    assert result.pattern_description == "Add one."
    assert result.notes == []


def test_an_answer_that_can_not_be_read_is_wrong_and_noted() -> None:
    outcomes = answered(answer([[2, 0]], 90), "I do not know.")
    result = result_of(REQUEST, Seen.of(TASK, ph.system(None), outcomes), outcomes, is_simulated=True)
    assert (result.correct, result.correct_tests, result.simulated) == (False, 1, True)
    assert result.tests[1].predicted is None
    assert all(note.startswith("Test 2: ") for note in result.notes)
    assert result.notes


def ended(state: RunState, events: list[ev.Event], result: Any = None) -> EndedRun:
    records = [ev.Record(seq, seq, event) for seq, event in enumerate(events, 1)]
    return EndedRun("run_1", LOCAL_OWNER, REQUEST, state, fold(records), result, 1000, 2000)


LOG: list[ev.Event] = [
    Seen.of(TASK, ph.system(None), []).event,
    ev.Call(2, "internal", "p", "m"),
    ev.Reasoning("Hm.", 0, 2),
    ev.Chunk("Squares.", 0, 2),
    ev.Call(3, "internal", "p", "m"),
    ev.Chunk("Half of", 0, 3),
]


@pytest.mark.parametrize(
    ("state", "final", "error"),
    [
        (RunState.CANCELLED, ev.Cancelled("user", 0), "CANCELLED"),
        (RunState.FAILED, ev.Error("TIMEOUT", "It took too long.", retryable=True), "TIMEOUT"),
    ],
)
def test_a_run_that_was_cut_is_kept_as_partial(state: RunState, final: ev.Event, error: str) -> None:
    document = document_of(ended(state, [*LOG, final]))
    assert (document.collection, document.key, document.run) == (COLLECTION, "run_1", "run_1")
    assert document.words == {"task": TASK.id, "model": "m", "state": state.value}
    body = document.body
    assert (body["partial"], body["error"]["code"], body["result"]) == (True, error, None)
    assert body["seen"]["task"]["id"] == TASK.id
    assert body["calls"] == [
        {"call": 2, "text": "Squares.", "reasoning": "Hm."},
        {"call": 3, "text": "Half of", "reasoning": ""},
    ]


def test_a_whole_run_can_be_found_by_its_verdict() -> None:
    outcomes = answered(answer([[2, 0]], 90), answer([[3]], 60))
    result = msgspec.to_builtins(
        result_of(REQUEST, Seen.of(TASK, ph.system(None), outcomes), outcomes, is_simulated=False)
    )
    document = document_of(ended(RunState.COMPLETED, [*LOG, ev.Complete("stop", Usage(), result=result)], result))
    assert document.words["correct"] == "true"
    assert (document.body["partial"], document.body["error"], document.body["result"]) == (False, None, result)


def test_a_run_without_a_single_record_has_a_document_too() -> None:
    document = document_of(ended(RunState.CANCELLED, [ev.Cancelled("user", 0)]))
    assert (document.body["seen"], document.body["calls"]) == (None, [])
