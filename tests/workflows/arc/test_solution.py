"""What a search amounts to, ended or not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.document import sealed
from headwater.domain.message import Usage
from headwater.domain.run import Owner, RunRequest, RunState
from headwater.domain.snapshot import fold
from headwater.workflows.arc.sandbox import Outcome
from headwater.workflows.arc.search import Search
from headwater.workflows.arc.solution import (
    COLLECTION,
    SolverInput,
    SolverResult,
    StoredSolution,
    document_of,
    solution_so_far,
)
from headwater.workflows.arc.task import Pair, Task
from headwater.workflows.contract import EndedRun

TASK = Task("3c9b0459", "arc2-training", (Pair([[1, 2]], [[2, 1]]),), (Pair([[5, 6]], [[6, 5]]),))
REQUEST = RunRequest("m", workflow="solver", input={"task_id": TASK.id, "iterations": 2})


def searched() -> Search:
    search = Search(TASK, 2)
    search.finish([])
    return search


def result() -> Any:
    return msgspec.to_builtins(searched().result([Outcome([[6, 5]])], model="m", is_simulated=False))


def so_far(state: RunState, *events: ev.Event) -> StoredSolution:
    snapshot = fold([ev.Record(seq, 0, event) for seq, event in enumerate(events, 1)])
    return solution_so_far("run_1", REQUEST, state, snapshot, created_at_ms=1, ended_at_ms=None)


def test_one_that_goes_on_says_where_it_stands() -> None:
    search = searched()
    stored = so_far(RunState.RUNNING, search.context(), ev.Call(1, "internal", "p", "m"))
    assert stored.search == search.standing
    assert (stored.partial, stored.error, stored.result, stored.ended_at_ms) == (True, None, None, None)
    assert stored.input == SolverInput(TASK.id, 2, 3)


@pytest.mark.parametrize(
    ("state", "last", "code"),
    [
        (RunState.CANCELLED, ev.Cancelled("user", 0), "CANCELLED"),
        (RunState.FAILED, ev.Error("TIMEOUT", "Too long.", retryable=True), "TIMEOUT"),
    ],
)
def test_one_that_was_cut_says_why(state: RunState, last: ev.Event, code: str) -> None:
    stored = so_far(state, searched().context(), last)
    assert stored.error is not None
    assert (stored.error.code, stored.partial) == (code, True)
    assert stored.search is not None
    assert stored.result is None


def test_the_result_of_one_that_was_cut_is_what_was_found_by_then() -> None:
    cut = ev.Error("TIMEOUT", "Too long.", retryable=True, result=result())
    stored = so_far(RunState.FAILED, searched().context(), cut)
    assert stored.result == msgspec.convert(result(), SolverResult)
    assert stored.partial


def test_the_result_of_a_whole_one_is_kept() -> None:
    usage = Usage(input_tokens=3, output_tokens=4)
    complete = ev.Complete("stop", usage, result=result())
    stored = so_far(RunState.COMPLETED, searched().context(), complete)
    assert stored.result == msgspec.convert(result(), SolverResult)
    assert (stored.partial, stored.usage) == (False, usage)


def test_the_document_is_found_by_what_is_known_of_it() -> None:
    events: list[ev.Event] = [searched().context(), ev.Complete("stop", Usage(), result=result())]
    snapshot = fold([ev.Record(seq, 0, event) for seq, event in enumerate(events, 1)])
    run = EndedRun("run_1", Owner("o", "u"), REQUEST, RunState.COMPLETED, snapshot, result(), 1, 2)
    document = document_of(run)
    assert (document.collection, document.key, document.run) == (COLLECTION, "run_1", "run_1")
    assert document.words == {"task": TASK.id, "model": "m", "state": "completed", "verdict": "solved"}
    failed = run._replace(snapshot=msgspec.structs.replace(snapshot, result=None), state=RunState.FAILED)
    assert "verdict" not in document_of(failed).words
    (kept,) = sealed([document])
    assert msgspec.json.decode(bytes(kept.body), type=StoredSolution).run == "run_1"
