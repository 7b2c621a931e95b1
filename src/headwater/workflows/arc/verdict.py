"""An answer judged: each grid against the true one, and the confidence against what came of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.workflows.arc.answer import Answer
from headwater.workflows.arc.score import cell_share, is_right
from headwater.workflows.arc.task import Grid


class GridVerdict(msgspec.Struct, frozen=True):
    """One test: what was predicted, or None, and what is true."""

    predicted: Grid | None
    truth: Grid
    correct: bool
    cell_share: float
    found_in: str


class AnalysisResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an analysis amounts to; docs/reference/analysis.md says what each field is."""

    task_id: str
    set: str
    model: str
    simulated: bool
    pattern_description: str
    solving_strategy: str
    hints: list[str]
    confidence: int
    confidence_given: bool
    tests: list[GridVerdict]
    correct: bool | None
    correct_tests: int
    trustworthiness: float | None
    notes: list[str]


def judged(
    answer: Answer,
    truths: Sequence[Grid],
    *,
    task_id: str,
    task_set: str,
    model: str,
    simulated: bool,
    counts: bool,
    notes: Sequence[str] = (),
) -> AnalysisResult:
    """`counts` is false for an answer that is not whole, or that was shown the truth: it is neither right nor wrong."""
    tests = [
        GridVerdict(each.grid, truth, is_right(each.grid, truth), round(cell_share(each.grid, truth), 4), each.found_in)
        for each, truth in zip(answer.predicted, truths, strict=True)
    ]
    correct = all(test.correct for test in tests) if counts else None
    return AnalysisResult(
        task_id=task_id,
        set=task_set,
        model=model,
        simulated=simulated,
        pattern_description=answer.pattern,
        solving_strategy=answer.strategy,
        hints=answer.hints,
        confidence=answer.confidence.percent,
        confidence_given=answer.confidence.given,
        tests=tests,
        correct=correct,
        correct_tests=sum(test.correct for test in tests),
        trustworthiness=None if correct is None else trustworthiness(answer.confidence.percent, correct),
        notes=[*notes, *answer.notes],
    )


def trustworthiness(confidence: int, correct: bool) -> float:
    """One minus the Brier score (Monthly Weather Review 78, 1950) of a confidence in percent: 0 to 1.

    Who says honestly how sure he is does best in the mean, which holds of few scores.
    """
    return round(1 - (confidence / 100 - correct) ** 2, 4)


def as_json(result: AnalysisResult) -> dict[str, Any]:
    """The result as plain data."""
    plain: dict[str, Any] = msgspec.to_builtins(result)
    return plain
