"""Runs of the visual solver: those that have ended as they are stored, others as far as they have come."""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.api import parameters
from headwater.api.analyses import final_result
from headwater.api.answer import Asgi, json_answer
from headwater.api.parameters import format_time
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import current, find_run
from headwater.domain.message import Settings, Usage
from headwater.domain.run import Run, RunState, is_ended
from headwater.errors import NotFoundError
from headwater.workflows.arc.stored import Fault
from headwater.workflows.arc.visual_solution import (
    COLLECTION,
    Seen,
    Spoken,
    StoredVisual,
    VisualInput,
    VisualResult,
    stored_so_far,
)

LIMIT = 20
LIMIT_MAX = 100
#: The workflow whose runs these are.
WORKFLOW = "visual_solver"

_NO_SUCH_SOLUTION = "There is no such run of the visual solver."


class VisualSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a list. Times are RFC 3339, UTC, with milliseconds; `ended_at` is null while it goes on."""

    run: str
    state: RunState
    #: why it is partial
    error: Fault | None
    partial: bool
    created_at: str
    ended_at: str | None
    duration_ms: int | None
    model: str
    input: VisualInput
    settings: Settings
    usage: Usage | None
    #: null where it is not whole
    result: VisualResult | None


class VisualResource(VisualSummary, frozen=True, kw_only=True):
    """A run with what the model was told, and what it said in each call."""

    #: null where the run was cut before it began
    seen: Seen | None
    calls: list[Spoken]


class VisualList(msgspec.Struct, frozen=True):
    """Runs that have ended, newest first. `next` is the `cursor` of the following page, null at the end."""

    solutions: list[VisualSummary]
    next: str | None


async def visual_solutions(call: Call) -> Asgi:
    asked = call.query
    where: dict[str, str] = {name: asked[name] for name in ("task", "model", "correct", "state") if name in asked}
    page = await call.services.storage.documents.list(
        call.owner, COLLECTION, where=where, limit=asked.get("limit", LIMIT), cursor=asked.get("cursor")
    )
    stored = [msgspec.convert(document.body, StoredVisual) for document in page.documents]
    return json_answer(VisualList([VisualSummary(**_summary(each)) for each in stored], page.next_cursor))


async def visual_solution(call: Call) -> Asgi:
    run = await find_run(call)
    if run.request.workflow != WORKFLOW:
        raise NotFoundError(_NO_SUCH_SOLUTION)
    document = await call.services.storage.documents.get(call.owner, COLLECTION, run.id)
    stored = await _by_now(call, run) if document is None else msgspec.convert(document.body, StoredVisual)
    return json_answer(VisualResource(**_summary(stored), seen=stored.seen, calls=stored.calls))


async def _by_now(call: Call, run: Run) -> StoredVisual:
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


def _summary(stored: StoredVisual) -> dict[str, Any]:
    since_ms, until_ms = stored.created_at_ms, stored.ended_at_ms
    kept = ("run", "state", "error", "partial", "model", "input", "settings", "usage", "result")
    return {
        **{name: getattr(stored, name) for name in kept},
        "created_at": format_time(since_ms),
        "ended_at": None if until_ms is None else format_time(until_ms),
        "duration_ms": None if until_ms is None else until_ms - since_ms,
    }


VISUAL_SOLUTIONS = Resource(
    "/api/arc/visual-solutions",
    Operation(
        "GET",
        visual_solutions,
        "List runs of the visual solver that have ended, newest first",
        (Reply(200, "A page of runs", VisualList),),
        query=(
            parameters.text("task", 8, "Only runs for this puzzle"),
            parameters.text("model", 200, "Only runs of this model"),
            parameters.one_of("correct", ("true", "false"), "Only those that are right, or wrong"),
            parameters.one_of("state", ("completed", "failed", "cancelled"), "Only those that ended so"),
            parameters.integer("limit", 1, LIMIT_MAX, f"Runs on a page, {LIMIT} by default"),
            parameters.text("cursor", 500, "`next` of the page before"),
        ),
    ),
)
VISUAL_SOLUTION = Resource(
    "/api/arc/visual-solutions/{run}",
    Operation("GET", visual_solution, "Show a run of the visual solver", (Reply(200, "The run", VisualResource),)),
)
