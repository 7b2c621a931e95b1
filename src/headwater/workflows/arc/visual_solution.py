"""What a visual solver's run amounts to, and what is kept of it when it has ended. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headwater.domain.document import Document
from headwater.domain.event import Context
from headwater.domain.message import Message, Settings, Usage
from headwater.domain.run import RunRequest, RunState
from headwater.domain.snapshot import Snapshot
from headwater.workflows.arc.answer import Answer
from headwater.workflows.arc.confidence import Confidence
from headwater.workflows.arc.phases import TEXT_CHARS_MAX, Outcome, PhaseName, read_of
from headwater.workflows.arc.schema import Outcome as Simulation
from headwater.workflows.arc.stored import Fault, ShownTask, ShownTest, fault_of
from headwater.workflows.arc.task import Task
from headwater.workflows.arc.verdict import AnalysisResult, judged
from headwater.workflows.contract import EndedRun

COLLECTION: Final = "visual_solutions"


class VisualInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A run's `input`."""

    task_id: str
    prompt: str | None = None
    structured: bool = True
    simulated: Simulation | None = None


class PhaseVerdict(msgspec.Struct, frozen=True):
    """A phase that is over; `docs/reference/visual-solver.md` says what each field is."""

    phase: PhaseName
    pair: int
    correct: bool | None
    cell_share: float | None


class Seen(msgspec.Struct, frozen=True):
    """What `context` tells: the puzzle, what the model was told to do, and how far it is."""

    task: ShownTask
    prompt: str
    phases: list[PhaseVerdict]

    @classmethod
    def of(cls, task: Task, system: Message, outcomes: Sequence[Outcome]) -> Seen:
        tests = [ShownTest(pair.input, pair.output) for pair in task.test]
        verdicts = [PhaseVerdict(each.phase, each.pair, each.correct, each.cell_share) for each in outcomes]
        return cls(ShownTask(task.id, task.set, tests), str(system.content), verdicts)

    @property
    def event(self) -> Context:
        return Context(msgspec.to_builtins(self))


class VisualResult(AnalysisResult, frozen=True, kw_only=True):
    """The result of an analysis, and the way to it."""

    phases: list[PhaseVerdict]


def result_of(request: RunRequest, seen: Seen, outcomes: Sequence[Outcome], *, is_simulated: bool) -> VisualResult:
    """What the answers to the tests amount to together. As sure as the one that is least sure."""
    answers = [read_of(each) for each in outcomes if each.phase == "test"]
    surest = [each.confidence for each in answers if each.confidence.given]
    together = Answer(
        predicted=tuple(each.predicted[0] for each in answers),
        pattern=next((each.pattern for each in answers if each.pattern), ""),
        strategy=next((each.strategy for each in answers if each.strategy), ""),
        hints=next((each.hints for each in answers if each.hints), []),
        confidence=min(surest, default=Confidence(answers[0].confidence.percent, False)),
        notes=[f"Test {number}: {note}" for number, each in enumerate(answers, 1) for note in each.notes],
    )
    judgement = judged(
        together,
        [test.output for test in seen.task.tests],
        task_id=seen.task.id,
        task_set=seen.task.set,
        model=request.model,
        simulated=is_simulated,
        counts=True,
    )
    members: dict[str, Any] = {name: getattr(judgement, name) for name in AnalysisResult.__struct_fields__}
    return VisualResult(**members, phases=list(seen.phases))


class Spoken(msgspec.Struct, frozen=True):
    """What was said in one call that still counts."""

    call: int
    text: str
    reasoning: str


class StoredVisual(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a solution's document. Times are milliseconds since 1970 (UTC).

    `seen` is None where the run was cut before its first record, `result` where it is not whole.
    """

    run: str
    state: RunState
    error: Fault | None
    partial: bool
    created_at_ms: int
    ended_at_ms: int | None
    model: str
    input: VisualInput
    settings: Settings
    seen: Seen | None
    calls: list[Spoken]
    usage: Usage | None
    result: VisualResult | None


def stored_so_far(
    run: str,
    request: RunRequest,
    state: RunState,
    snapshot: Snapshot,
    *,
    created_at_ms: int,
    ended_at_ms: int | None,
    result: Any,
) -> StoredVisual:
    """What a run amounts to that need not have ended. `result` is that of one which is whole, else None."""
    return StoredVisual(
        run=run,
        state=state,
        error=fault_of(state, snapshot),
        partial=state is not RunState.COMPLETED,
        created_at_ms=created_at_ms,
        ended_at_ms=ended_at_ms,
        model=request.model,
        input=msgspec.convert(request.input, VisualInput),
        settings=request.settings,
        seen=_seen_in(snapshot),
        calls=_calls(snapshot),
        usage=snapshot.usage,
        result=None if result is None else msgspec.convert(result, VisualResult),
    )


def document_of(ended: EndedRun) -> Document:
    """The solution under its run's id, to be found by puzzle, model, state and verdict."""
    stored = stored_so_far(
        ended.run,
        ended.request,
        ended.state,
        ended.snapshot,
        created_at_ms=ended.created_at_ms,
        ended_at_ms=ended.ended_at_ms,
        result=ended.result,
    )
    words = {"task": stored.input.task_id, "model": stored.model, "state": stored.state.value}
    if stored.result is not None:
        words["correct"] = "true" if stored.result.correct else "false"
    return Document(COLLECTION, ended.run, msgspec.to_builtins(stored), words, ended.run)


def _seen_in(snapshot: Snapshot) -> Seen | None:
    try:
        return msgspec.convert(snapshot.state.get("context"), Seen)
    except msgspec.ValidationError:
        return None


def _calls(snapshot: Snapshot) -> list[Spoken]:
    said: dict[int, dict[str, str]] = {}
    for part in snapshot.parts:
        of_call = said.setdefault(part.call or 1, {"text": "", "reasoning": ""})
        if part.kind in of_call:
            of_call[part.kind] = (of_call[part.kind] + part.text)[:TEXT_CHARS_MAX]
    # in the order in which they were made, which is not that of their numbers: 1 is kept for an answer
    return [Spoken(each.call, **said[each.call]) for each in snapshot.calls if each.call in said]
