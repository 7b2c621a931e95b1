"""Analyses of puzzles that have ended, and those that go on: as they are stored, or as they would be by now."""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.api import parameters
from headwater.api.answer import Asgi, json_answer
from headwater.api.parameters import format_time
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import current, find_run
from headwater.domain.event import Complete, decode_record
from headwater.domain.message import Settings, Usage
from headwater.domain.run import Run, RunState, is_ended
from headwater.errors import NotFoundError
from headwater.workflows.arc.schema import AnalysisInput
from headwater.workflows.arc.stored import COLLECTION, Fault, StoredAnalysis, stored_so_far
from headwater.workflows.arc.verdict import AnalysisResult

LIMIT = 20
LIMIT_MAX = 100
#: The workflow whose runs these are.
WORKFLOW = "analysis"

_NO_SUCH_ANALYSIS = "There is no such analysis."


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
    asked = call.query
    where: dict[str, str] = {name: asked[name] for name in ("task", "model", "correct", "state") if name in asked}
    page = await call.services.storage.documents.list(
        call.owner, COLLECTION, where=where, limit=asked.get("limit", LIMIT), cursor=asked.get("cursor")
    )
    stored = [msgspec.convert(document.body, StoredAnalysis) for document in page.documents]
    return json_answer(AnalysisList([AnalysisSummary(**_summary(each)) for each in stored], page.next_cursor))


async def analysis(call: Call) -> Asgi:
    run = await find_run(call)
    if run.request.workflow != WORKFLOW:
        raise NotFoundError(_NO_SUCH_ANALYSIS)
    return json_answer(await resource(call, run))


async def resource(call: Call, run: Run) -> AnalysisResource:
    """The analysis as it is stored; of one that goes on, or whose end was not stored yet, as it would be by now."""
    document = await call.services.storage.documents.get(call.owner, COLLECTION, run.id)
    stored = await _by_now(call, run) if document is None else msgspec.convert(document.body, StoredAnalysis)
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
    ended_at_ms = stored.ended_at_ms
    return {
        "run": stored.run,
        "state": stored.state,
        "error": stored.error,
        "partial": stored.partial,
        "created_at": format_time(stored.created_at_ms),
        "ended_at": None if ended_at_ms is None else format_time(ended_at_ms),
        "duration_ms": None if ended_at_ms is None else ended_at_ms - stored.created_at_ms,
        "model": stored.model,
        "input": stored.input,
        "settings": stored.settings,
        "usage": stored.usage,
        "result": stored.result,
    }


ANALYSES = Resource(
    "/api/arc/analyses",
    Operation(
        "GET",
        analyses,
        "List analyses that have ended, newest first",
        (Reply(200, "A page of analyses", AnalysisList),),
        query=(
            parameters.text("task", 8, "Only analyses of this puzzle"),
            parameters.text("model", 200, "Only analyses by this model"),
            parameters.one_of("correct", ("true", "false"), "Only those that are right, or wrong"),
            parameters.one_of("state", ("completed", "failed", "cancelled"), "Only those that ended so"),
            parameters.integer("limit", 1, LIMIT_MAX, f"Analyses on a page, {LIMIT} by default"),
            parameters.text("cursor", 500, "`next` of the page before"),
        ),
    ),
)
ANALYSIS = Resource(
    "/api/arc/analyses/{run}",
    Operation("GET", analysis, "Show an analysis", (Reply(200, "The analysis", AnalysisResource),)),
)
