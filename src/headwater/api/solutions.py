"""Searches of the solver: those that have ended as they are stored, others as far as they have come."""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.api import parameters
from headwater.api.answer import Asgi, json_answer
from headwater.api.parameters import format_time
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import current, find_run
from headwater.domain.message import Settings, Usage
from headwater.domain.run import Run, RunState
from headwater.errors import NotFoundError
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

LIMIT = 20
LIMIT_MAX = 100
#: The workflow whose runs these are.
WORKFLOW = "solver"

_NO_SUCH_SOLUTION = "There is no such search of the solver."


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
    #: null where it is not whole
    result: SolverResult | None


class SolutionList(msgspec.Struct, frozen=True):
    """Searches that have ended, newest first. `next` is the `cursor` of the following page, null at the end."""

    solutions: list[SolutionResource]
    next: str | None


async def solutions(call: Call) -> Asgi:
    asked = call.query
    where: dict[str, str] = {name: asked[name] for name in ("task", "model", "verdict", "state") if name in asked}
    page = await call.services.storage.documents.list(
        call.owner, COLLECTION, where=where, limit=asked.get("limit", LIMIT), cursor=asked.get("cursor")
    )
    stored = [msgspec.convert(document.body, StoredSolution) for document in page.documents]
    return json_answer(SolutionList([_resource(each) for each in stored], page.next_cursor))


async def solution(call: Call) -> Asgi:
    run = await find_run(call)
    if run.request.workflow != WORKFLOW:
        raise NotFoundError(_NO_SUCH_SOLUTION)
    document = await call.services.storage.documents.get(call.owner, COLLECTION, run.id)
    stored = await _by_now(call, run) if document is None else msgspec.convert(document.body, StoredSolution)
    return json_answer(_resource(stored))


async def _by_now(call: Call, run: Run) -> StoredSolution:
    run, snapshot = await current(call, run)
    return solution_so_far(
        run.id,
        run.request,
        run.state,
        snapshot,
        created_at_ms=run.created_at_ms,
        ended_at_ms=run.ended_at_ms,
        # no call of it is an answer, so its only value is its result
        result=snapshot.value,
    )


def _resource(stored: StoredSolution) -> SolutionResource:
    since_ms, until_ms = stored.created_at_ms, stored.ended_at_ms
    kept: dict[str, Any] = {
        name: getattr(stored, name)
        for name in ("run", "state", "error", "partial", "model", "input", "settings", "usage", "search", "result")
    }
    return SolutionResource(
        **kept,
        created_at=format_time(since_ms),
        ended_at=None if until_ms is None else format_time(until_ms),
        duration_ms=None if until_ms is None else until_ms - since_ms,
    )


SOLUTIONS = Resource(
    "/api/arc/solutions",
    Operation(
        "GET",
        solutions,
        "List searches of the solver that have ended, newest first",
        (Reply(200, "A page of searches", SolutionList),),
        query=(
            parameters.text("task", 8, "Only searches for this puzzle"),
            parameters.text("model", 200, "Only searches by this model"),
            parameters.one_of("verdict", VERDICTS, "Only those with this verdict"),
            parameters.one_of("state", ("completed", "failed", "cancelled"), "Only those that ended so"),
            parameters.integer("limit", 1, LIMIT_MAX, f"Searches on a page, {LIMIT} by default"),
            parameters.text("cursor", 500, "`next` of the page before"),
        ),
    ),
)
SOLUTION = Resource(
    "/api/arc/solutions/{run}",
    Operation("GET", solution, "Show a search of the solver", (Reply(200, "The search", SolutionResource),)),
)
