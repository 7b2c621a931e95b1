"""What is kept of an analysis that has ended: nothing but its request and its log decide it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.message import Settings, Usage
from headwater.domain.run import LOCAL_OWNER, RunRequest, RunState
from headwater.domain.snapshot import Fold
from headwater.workflows.analysis import Analysis
from headwater.workflows.arc.prompt import prompt_of
from headwater.workflows.arc.stored import COLLECTION, StoredAnalysis, parameters_of, result_of, shown
from headwater.workflows.arc.verdict import AnalysisResult
from headwater.workflows.contract import EndedRun
from tests.workflows.arc.puzzles import ONE_TEST

RUN = "run_" + "0" * 32
REQUEST = RunRequest("m", workflow="analysis", input={"task_id": ONE_TEST.id}, settings=Settings(temperature=0.5))
SHOWN = shown(ONE_TEST, prompt_of(ONE_TEST))
TEXT = '{"predictedOutput": [[0, 3], [3, 3]], "confidence": 80}'
BEGUN: list[ev.Event] = [
    SHOWN.event,
    ev.Call(1, "answer", "p", "m-1"),
    ev.Reasoning("Hm.", 0),
    ev.Chunk(TEXT[:28], 0),
    ev.Field("", {"predictedOutput": [[0, 3]]}, False),
]
CANCELLED, FAILED = ev.Cancelled("user", 28), ev.Error("TIMEOUT", "Too slow.", True)


def kept(state: RunState, events: list[ev.Event], result: Any = None) -> tuple[dict[str, str], StoredAnalysis]:
    """The words and the body of the one document, which has been through the store."""
    fold = Fold()
    fold.apply_all(ev.Record(seq, seq, event) for seq, event in enumerate(events, 1))
    ended = EndedRun(RUN, LOCAL_OWNER, REQUEST, state, fold.snapshot(), result, 1_000, 4_000)
    (document,) = Analysis().documents(ended)
    assert (document.collection, document.key, document.run) == (COLLECTION, RUN, RUN)
    return document.words, msgspec.convert(json.loads(msgspec.json.encode(document.body)), StoredAnalysis)


def whole() -> AnalysisResult:
    return result_of(REQUEST, SHOWN, value=json.loads(TEXT), text=TEXT, provider="p", is_whole=True, notes=["one note"])


def test_a_whole_one_keeps_the_result_that_its_run_had() -> None:
    usage = Usage(10, 0, 20, 5, 0.25)
    events = [*BEGUN, ev.Chunk(TEXT[28:], 0), ev.UsageReport(usage), ev.Complete("stop", usage)]
    words, stored = kept(RunState.COMPLETED, events, msgspec.to_builtins(whole()))
    assert stored.result == whole()
    assert (stored.state, stored.partial, stored.error) == (RunState.COMPLETED, False, None)
    assert (stored.answer, stored.reasoning, stored.usage) == (TEXT, "Hm.", usage)
    assert stored.prompt == prompt_of(ONE_TEST)._asdict()
    assert (stored.created_at_ms, stored.ended_at_ms) == (1_000, 4_000)
    assert (stored.settings, stored.input.task_id) == (REQUEST.settings, ONE_TEST.id)
    assert words == {
        "task": ONE_TEST.id,
        "model": "m",
        "state": "completed",
        "correct": "true",
        "parameters": parameters_of(REQUEST),
    }


@pytest.mark.parametrize(
    ("state", "final", "code"),
    [(RunState.CANCELLED, CANCELLED, "CANCELLED"), (RunState.FAILED, FAILED, "TIMEOUT")],
)
def test_a_part_is_kept_with_why_it_is_one(state: RunState, final: ev.Event, code: str) -> None:
    words, stored = kept(state, [*BEGUN, final])
    assert (stored.state, stored.partial) == (state, True)
    assert stored.error is not None
    assert stored.error.code == code
    assert stored.answer == TEXT[:28]
    assert stored.result is not None
    # what there is of it is shown, and nothing is made of that
    assert stored.result.tests[0].predicted == [[0, 3]]
    assert (stored.result.correct, stored.result.trustworthiness) == (None, None)
    assert "The answer is not whole." in stored.result.notes
    assert "correct" not in words


def test_one_that_never_began_is_kept_too() -> None:
    words, stored = kept(RunState.CANCELLED, [ev.Cancelled("user", 0)])
    assert (stored.prompt, stored.result, stored.answer) == (None, None, "")
    assert words["state"] == "cancelled"


def test_the_last_attempt_is_what_counts() -> None:
    again: list[ev.Event] = [ev.Attempt(1, 2, "rerun", "p", "m-1", 3), ev.Chunk("[[9, 9]] I think", 0)]
    _, stored = kept(RunState.FAILED, [*BEGUN, *again, FAILED])
    assert stored.answer == "[[9, 9]] I think"
    assert stored.result is not None
    assert (stored.result.tests[0].predicted, stored.result.tests[0].found_in) == ([[9, 9]], "prose")


def test_the_simulated_model_is_named_as_such() -> None:
    call = ev.Call(1, "answer", "simulated", "simulated")
    _, stored = kept(RunState.FAILED, [BEGUN[0], call, *BEGUN[2:], FAILED])
    assert stored.result is not None
    assert stored.result.simulated


def test_parameters_are_what_is_asked_and_nothing_else() -> None:
    def changed(**changes: Any) -> str:
        return parameters_of(msgspec.structs.replace(REQUEST, **changes))

    assert changed(input={"include_answer": False, "task_id": ONE_TEST.id}) == parameters_of(REQUEST)
    assert changed(metadata={"a": "b"}) == parameters_of(REQUEST)
    different = {
        parameters_of(REQUEST),
        changed(model="n"),
        changed(settings=Settings(temperature=0.6)),
        changed(input={"task_id": ONE_TEST.id, "prompt": "Why?"}),
        changed(input={"task_id": "0000000b"}),
    }
    assert len(different) == 5
