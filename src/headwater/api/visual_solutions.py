"""Runs of the visual solver: those that have ended as they are stored, others as far as they have come."""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.api import parameters
from headwater.api.analyses import final_result
from headwater.api.answer import Asgi, json_answer
from headwater.api.puzzle_runs import find_run_of, kept, listing, page_of, shown
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import current
from headwater.domain.message import Settings, Usage
from headwater.domain.run import Run, RunState, is_ended
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

#: The workflow whose runs these are.
WORKFLOW = "visual_solver"


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
    stored, more = await page_of(call, WORKFLOW, COLLECTION, "correct", StoredVisual)
    return json_answer(VisualList([VisualSummary(**_summary(each)) for each in stored], more))


async def visual_solution(call: Call) -> Asgi:
    run = await find_run_of(call, WORKFLOW, "There is no such run of the visual solver.")
    stored = await kept(call, run, COLLECTION, StoredVisual) or await _by_now(call, run)
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
    return shown(stored, ("run", "state", "error", "partial", "model", "input", "settings", "usage", "result"))


VISUAL_SOLUTIONS = Resource(
    "/api/arc/visual-solutions",
    Operation(
        "GET",
        visual_solutions,
        "List runs of the visual solver that have ended, newest first",
        (Reply(200, "A page of runs", VisualList),),
        query=listing("runs", parameters.one_of("correct", ("true", "false"), "Only those that are right, or wrong")),
    ),
)
VISUAL_SOLUTION = Resource(
    "/api/arc/visual-solutions/{run}",
    Operation("GET", visual_solution, "Show a run of the visual solver", (Reply(200, "The run", VisualResource),)),
)
