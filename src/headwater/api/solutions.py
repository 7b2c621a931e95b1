"""Searches of the solver: those that have ended as they are stored, others as far as they have come."""

from __future__ import annotations

import msgspec

from headwater.api import parameters
from headwater.api.answer import Asgi, json_answer
from headwater.api.puzzle_runs import find_run_of, kept, listing, page_of, shown
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import current
from headwater.domain.message import Settings, Usage
from headwater.domain.run import Run, RunState
from headwater.workflows.arc.solution import (
    COLLECTION,
    VERDICTS,
    SolverInput,
    SolverResult,
    Standing,
    StoredSolution,
    solution_so_far,
)
from headwater.workflows.arc.stored import Fault

#: The workflow whose runs these are.
WORKFLOW = "solver"


class SolutionResource(msgspec.Struct, frozen=True, kw_only=True):
    """A search. Times are RFC 3339, UTC, with milliseconds; `ended_at` is null while it goes on."""

    run: str
    state: RunState
    #: why it is partial
    error: Fault | None
    partial: bool
    created_at: str
    ended_at: str | None
    duration_ms: int | None
    model: str
    input: SolverInput
    settings: Settings
    usage: Usage | None
    #: where it stands; null where the run was cut before it began
    search: Standing | None
    #: null before its end, and where nothing was found
    result: SolverResult | None


class SolutionList(msgspec.Struct, frozen=True):
    """Searches that have ended, newest first. `next` is the `cursor` of the following page, null at the end."""

    solutions: list[SolutionResource]
    next: str | None


async def solutions(call: Call) -> Asgi:
    stored, more = await page_of(call, WORKFLOW, COLLECTION, "verdict", StoredSolution)
    return json_answer(SolutionList([_resource(each) for each in stored], more))


async def solution(call: Call) -> Asgi:
    run = await find_run_of(call, WORKFLOW, "There is no such search of the solver.")
    return json_answer(_resource(await kept(call, run, COLLECTION, StoredSolution) or await _by_now(call, run)))


async def _by_now(call: Call, run: Run) -> StoredSolution:
    run, snapshot = await current(call, run)
    return solution_so_far(
        run.id,
        run.request,
        run.state,
        snapshot,
        created_at_ms=run.created_at_ms,
        ended_at_ms=run.ended_at_ms,
    )


def _resource(stored: StoredSolution) -> SolutionResource:
    members = ("run", "state", "error", "partial", "model", "input", "settings", "usage", "search", "result")
    return SolutionResource(**shown(stored, members))


SOLUTIONS = Resource(
    "/api/arc/solutions",
    Operation(
        "GET",
        solutions,
        "List searches of the solver that have ended, newest first",
        (Reply(200, "A page of searches", SolutionList),),
        query=listing("searches", parameters.one_of("verdict", VERDICTS, "Only those with this verdict")),
    ),
)
SOLUTION = Resource(
    "/api/arc/solutions/{run}",
    Operation("GET", solution, "Show a search of the solver", (Reply(200, "The search", SolutionResource),)),
)
