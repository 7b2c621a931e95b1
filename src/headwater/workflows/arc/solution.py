"""What a solver's search amounts to, as it is told and stored. Pure."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from headwater.domain.document import Document
from headwater.domain.message import Settings, Usage
from headwater.domain.run import RunRequest, RunState
from headwater.domain.snapshot import Snapshot
from headwater.workflows.arc.stored import Fault, fault_of
from headwater.workflows.arc.task import Grid
from headwater.workflows.contract import EndedRun

#: Where searches that have ended are kept; the key is the run.
COLLECTION: Final = "solutions"

Verdict = Literal["solved", "fits", "partial", "none"]
VERDICTS: Final[tuple[Verdict, ...]] = ("solved", "fits", "partial", "none")


class SolverInput(msgspec.Struct, frozen=True):
    """The workflow's input."""

    task_id: str
    iterations: int = 5
    programs: int = 3

    @classmethod
    def of(cls, request: RunRequest) -> SolverInput:
        # a whole number of a JSON Schema may be written as 5.0
        return msgspec.convert(request.input, cls, strict=False)


class Score(msgspec.Struct, frozen=True):
    """An iteration in short: how many programs were tried, and what its best one got right."""

    iteration: int
    programs: int
    correct_pairs: int
    cell_share: float


class BestProgram(msgspec.Struct, frozen=True):
    """The best program of a search, and the iteration that it came from."""

    iteration: int
    code: str
    correct_pairs: int
    pairs: int
    cell_share: float


class Standing(msgspec.Struct, frozen=True):
    """Where a search stands: `iterations` are finished, `of` is how many there may be."""

    iterations: int
    of: int
    programs: int
    fits: bool
    best: BestProgram | None
    scores: list[Score]


class AnsweredTest(msgspec.Struct, frozen=True):
    """What the best program made of a test."""

    predicted: Grid | None
    truth: Grid
    correct: bool
    cell_share: float
    error: str | None


class SolverResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a search; of one that was cut, what its best program was by then."""

    task_id: str
    set: str
    model: str
    simulated: bool
    verdict: Verdict
    stopped: Literal["perfect", "iterations", "cut"]
    iterations: int
    programs: int
    best: BestProgram | None
    tests: list[AnsweredTest]
    correct: bool
    correct_tests: int
    scores: list[Score]


class StoredSolution(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a search's document. Times are milliseconds since 1970 (UTC).

    `partial`: the search was cut, or goes on. `search` is None where that was before its first record, `result` where
    there is no program.
    """

    run: str
    state: RunState
    error: Fault | None
    partial: bool
    created_at_ms: int
    ended_at_ms: int | None
    model: str
    input: SolverInput
    settings: Settings
    usage: Usage | None
    search: Standing | None
    result: SolverResult | None


def solution_so_far(
    run: str,
    request: RunRequest,
    state: RunState,
    snapshot: Snapshot,
    *,
    created_at_ms: int,
    ended_at_ms: int | None,
) -> StoredSolution:
    """What is known of a search, ended or not."""
    context = snapshot.state.get("context") or {}
    return StoredSolution(
        run=run,
        state=state,
        error=fault_of(state, snapshot),
        partial=state is not RunState.COMPLETED,
        created_at_ms=created_at_ms,
        ended_at_ms=ended_at_ms,
        model=request.model,
        input=SolverInput.of(request),
        settings=request.settings,
        usage=snapshot.usage,
        search=msgspec.convert(context.get("search"), Standing | None),
        result=msgspec.convert(snapshot.result, SolverResult | None),
    )


def document_of(ended: EndedRun) -> Document:
    """The search under its run's id, to be found by puzzle, model, state and verdict."""
    stored = solution_so_far(
        ended.run,
        ended.request,
        ended.state,
        ended.snapshot,
        created_at_ms=ended.created_at_ms,
        ended_at_ms=ended.ended_at_ms,
    )
    words = {"task": stored.input.task_id, "model": stored.model, "state": stored.state.value}
    if stored.result is not None:
        words["verdict"] = stored.result.verdict
    return Document(COLLECTION, stored.run, msgspec.to_builtins(stored), words, stored.run)
