"""What is kept of an analysis that has ended: a pure function of its request and its log.

The puzzle's truth and the prompt are told in the log's first record, so an analysis that a crash has cut is judged by
what its model was really asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headwater.domain.document import Document
from headwater.domain.event import Context
from headwater.domain.message import Settings, Usage
from headwater.domain.run import RunRequest, RunState
from headwater.domain.snapshot import Snapshot
from headwater.errors import CODES, ErrorCode
from headwater.providers.simulated import NAME as SIMULATED
from headwater.workflows.arc.answer import read_answer
from headwater.workflows.arc.prompt import Prompt
from headwater.workflows.arc.schema import AnalysisInput
from headwater.workflows.arc.task import Grid, Task
from headwater.workflows.arc.verdict import AnalysisResult, judged
from headwater.workflows.contract import EndedRun

COLLECTION: Final = "analyses"
#: Of an answer or its reasoning; longer ones are in the run's log.
TEXT_CHARS_MAX: Final = 200_000

_canonical = msgspec.json.Encoder(order="sorted")


class ShownTest(msgspec.Struct, frozen=True):
    input: Grid
    output: Grid


class ShownTask(msgspec.Struct, frozen=True):
    id: str
    set: str
    tests: list[ShownTest]


class Shown(msgspec.Struct, frozen=True):
    """What the first record of an analysis tells."""

    task: ShownTask
    prompt: dict[str, str]

    @property
    def event(self) -> Context:
        return Context(msgspec.to_builtins(self))


class Fault(msgspec.Struct, frozen=True):
    """Why an analysis is partial."""

    code: str
    message: str


class StoredAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an analysis' document. Times are milliseconds since 1970 (UTC).

    `prompt` and `result` are None where the run was cut before its first record.
    """

    run: str
    state: RunState
    error: Fault | None
    partial: bool
    created_at_ms: int
    ended_at_ms: int | None
    model: str
    input: AnalysisInput
    settings: Settings
    prompt: dict[str, str] | None
    answer: str
    reasoning: str
    usage: Usage | None
    result: AnalysisResult | None


def shown(task: Task, prompt: Prompt) -> Shown:
    tests = [ShownTest(pair.input, pair.output) for pair in task.test]
    return Shown(ShownTask(task.id, task.set, tests), prompt._asdict())


def result_of(
    request: RunRequest, told: Shown, *, value: object, text: str, provider: str, is_whole: bool, notes: Sequence[str]
) -> AnalysisResult:
    """What the answer amounts to: `value` is its JSON so far as there was any, `text` all of it."""
    asked = msgspec.convert(request.input, AnalysisInput)
    return judged(
        read_answer(value, text, len(told.task.tests)),
        [test.output for test in told.task.tests],
        task_id=told.task.id,
        task_set=told.task.set,
        model=request.model,
        simulated=provider == SIMULATED,
        counts=is_whole and not asked.include_answer,
        notes=notes,
    )


def stored_of(ended: EndedRun) -> StoredAnalysis:
    return stored_so_far(
        ended.run,
        ended.request,
        ended.state,
        ended.snapshot,
        created_at_ms=ended.created_at_ms,
        ended_at_ms=ended.ended_at_ms,
        result=ended.result,
    )


def stored_so_far(
    run: str,
    request: RunRequest,
    state: RunState,
    snapshot: Snapshot,
    *,
    created_at_ms: int,
    ended_at_ms: int | None,
    result: Any,
) -> StoredAnalysis:
    """The same of a run that has not ended, too. `result` is that of a run which is whole."""
    told = _shown_in(snapshot)
    judgement: AnalysisResult | None = None
    if state is RunState.COMPLETED and result is not None:
        judgement = msgspec.convert(result, AnalysisResult)
    elif told is not None:
        provider = next((call.provider for call in reversed(snapshot.calls)), "")
        judgement = result_of(
            request,
            told,
            value=snapshot.value,
            text=snapshot.text,
            provider=provider,
            is_whole=False,
            notes=["The answer is not whole."],
        )
    return StoredAnalysis(
        run=run,
        state=state,
        error=fault_of(state, snapshot),
        partial=state is not RunState.COMPLETED,
        created_at_ms=created_at_ms,
        ended_at_ms=ended_at_ms,
        model=request.model,
        input=msgspec.convert(request.input, AnalysisInput),
        settings=request.settings,
        prompt=None if told is None else told.prompt,
        answer=snapshot.text[:TEXT_CHARS_MAX],
        reasoning=snapshot.reasoning[:TEXT_CHARS_MAX],
        usage=snapshot.usage,
        result=judgement,
    )


def document_of(stored: StoredAnalysis, request: RunRequest) -> Document:
    """The analysis under its run's id, to be found by puzzle, model, state, verdict and parameters."""
    words = {
        "task": stored.input.task_id,
        "model": stored.model,
        "state": stored.state.value,
        "parameters": parameters_of(request),
    }
    if stored.result is not None and stored.result.correct is not None:
        words["correct"] = "true" if stored.result.correct else "false"
    return Document(COLLECTION, stored.run, msgspec.to_builtins(stored), words, stored.run)


def parameters_of(request: RunRequest) -> str:
    """The same for two analyses that ask the same of the same model: SHA-256 as hexadecimal digits."""
    asked = msgspec.convert(request.input, AnalysisInput)
    return hashlib.sha256(_canonical.encode([request.model, asked, request.settings])).hexdigest()


def _shown_in(snapshot: Snapshot) -> Shown | None:
    try:
        return msgspec.convert(snapshot.state.get("context"), Shown)
    except msgspec.ValidationError:
        return None


def fault_of(state: RunState, snapshot: Snapshot) -> Fault | None:
    if snapshot.error is not None:
        return Fault(snapshot.error.code, snapshot.error.message)
    if state is RunState.CANCELLED:
        return Fault(ErrorCode.CANCELLED.value, CODES[ErrorCode.CANCELLED].title)
    return None
