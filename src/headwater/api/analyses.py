"""Analyses of puzzles that have ended, and those that go on: as they are stored, or as they would be by now."""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.api import parameters
from headwater.api.answer import Asgi, json_answer
from headwater.api.puzzle_runs import find_run_of, kept, listing, page_of, shown
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import current
from headwater.domain.event import Complete, decode_record
from headwater.domain.message import Settings, Usage
from headwater.domain.run import Run, RunState, is_ended
from headwater.workflows.arc.schema import AnalysisInput
from headwater.workflows.arc.stored import COLLECTION, Fault, StoredAnalysis, stored_so_far
from headwater.workflows.arc.verdict import AnalysisResult

#: The workflow whose runs these are.
WORKFLOW = "analysis"


class AnalysisSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An analysis in a list. Times are RFC 3339, UTC, with milliseconds; `ended_at` is null while it goes on."""

    run: str
    state: RunState
    #: why it is partial
    error: Fault | None
    partial: bool
    created_at: str
    ended_at: str | None
    duration_ms: int | None
    model: str
    input: AnalysisInput
    settings: Settings
    usage: Usage | None
    #: null where the run was cut before it began
    result: AnalysisResult | None


class AnalysisResource(AnalysisSummary, frozen=True, kw_only=True):
    """An analysis with what the model was told, and all that it said."""

    prompt: dict[str, str] | None
    answer: str
    reasoning: str


class AnalysisList(msgspec.Struct, frozen=True):
    """Analyses that have ended, newest first. `next` is the `cursor` of the following page, null at the end."""

    analyses: list[AnalysisSummary]
    next: str | None


async def analyses(call: Call) -> Asgi:
    stored, more = await page_of(call, WORKFLOW, COLLECTION, "correct", StoredAnalysis)
    return json_answer(AnalysisList([AnalysisSummary(**_summary(each)) for each in stored], more))


async def analysis(call: Call) -> Asgi:
    return json_answer(await resource(call, await find_run_of(call, WORKFLOW, "There is no such analysis.")))


async def resource(call: Call, run: Run) -> AnalysisResource:
    """The analysis as it is stored; of one that goes on, or whose end was not stored yet, as it would be by now."""
    stored = await kept(call, run, COLLECTION, StoredAnalysis) or await _by_now(call, run)
    return AnalysisResource(**_summary(stored), prompt=stored.prompt, answer=stored.answer, reasoning=stored.reasoning)


async def _by_now(call: Call, run: Run) -> StoredAnalysis:
    run, snapshot = await current(call, run)
    return stored_so_far(
        run.id,
        run.request,
        run.state,
        snapshot,
        created_at_ms=run.created_at_ms,
        ended_at_ms=run.ended_at_ms,
        result=await final_result(call, run, snapshot.seq) if is_ended(run.state) else None,
    )


async def final_result(call: Call, run: Run, tail: int) -> object:
    """What the final record carries, if the run is whole."""
    page = await call.services.storage.log.read(run.id, tail - 1, records_max=1)
    final = decode_record(page.payloads[0]).event if page.payloads else None
    return final.result if isinstance(final, Complete) else None


def _summary(stored: StoredAnalysis) -> dict[str, Any]:
    return shown(stored, ("run", "state", "error", "partial", "model", "input", "settings", "usage", "result"))


ANALYSES = Resource(
    "/api/arc/analyses",
    Operation(
        "GET",
        analyses,
        "List analyses that have ended, newest first",
        (Reply(200, "A page of analyses", AnalysisList),),
        query=listing(
            "analyses", parameters.one_of("correct", ("true", "false"), "Only those that are right, or wrong")
        ),
    ),
)
ANALYSIS = Resource(
    "/api/arc/analyses/{run}",
    Operation("GET", analysis, "Show an analysis", (Reply(200, "The analysis", AnalysisResource),)),
)
