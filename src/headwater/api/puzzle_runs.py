"""What the lists of puzzles' runs have in common: analyses, searches, visual solutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from headwater.api import parameters
from headwater.api.parameters import format_time
from headwater.api.route import Call, Parameter
from headwater.api.runs import find_run
from headwater.api.settling import settled
from headwater.domain.run import Run
from headwater.errors import NotFoundError

LIMIT = 20
LIMIT_MAX = 100

T = TypeVar("T")


class Stored(Protocol):
    """What each of them keeps; times are milliseconds since 1970 (UTC)."""

    @property
    def created_at_ms(self) -> int: ...

    @property
    def ended_at_ms(self) -> int | None: ...


def listing(what: str, judged: Parameter[Any]) -> tuple[Parameter[Any], ...]:
    """The query of a list. `what` they are, in the plural; `judged` is how they can be found by what they came to."""
    return (
        parameters.text("task", 8, f"Only {what} of this puzzle"),
        parameters.text("model", 200, f"Only {what} by this model"),
        judged,
        parameters.one_of("state", ("completed", "failed", "cancelled"), "Only those that ended so"),
        parameters.integer("limit", 1, LIMIT_MAX, f"{what.capitalize()} on a page, {LIMIT} by default"),
        parameters.text("cursor", 500, "`next` of the page before"),
    )


async def page_of(call: Call, workflow: str, collection: str, judged: str, kind: type[T]) -> tuple[list[T], str | None]:
    """Those of a workflow that the query asks for, newest first, and the cursor of the next page."""
    asked = call.query
    live = call.services.supervisor.live_of(call.owner)
    await settled(call, [run.id for run in live if run.request.workflow == workflow])
    where: dict[str, str] = {name: asked[name] for name in ("task", "model", judged, "state") if name in asked}
    page = await call.services.storage.documents.list(
        call.owner, collection, where=where, limit=asked.get("limit", LIMIT), cursor=asked.get("cursor")
    )
    return [msgspec.convert(document.body, kind) for document in page.documents], page.next_cursor


async def find_run_of(call: Call, workflow: str, refusal: str) -> Run:
    """The run of the path, if it is one of this workflow. Raises `NotFoundError`."""
    run = await find_run(call)
    if run.request.workflow != workflow:
        raise NotFoundError(refusal)
    return run


async def kept(call: Call, run: Run, collection: str, kind: type[T]) -> T | None:
    """What is stored of a run; None while it goes on, and until its end is stored."""
    document = await call.services.storage.documents.get(call.owner, collection, run.id)
    return None if document is None else msgspec.convert(document.body, kind)


def shown(stored: Stored, members: Sequence[str]) -> dict[str, Any]:
    """These members as they are, and the times as resources have them: RFC 3339, UTC, milliseconds."""
    since_ms, until_ms = stored.created_at_ms, stored.ended_at_ms
    return {
        **{name: getattr(stored, name) for name in members},
        "created_at": format_time(since_ms),
        "ended_at": None if until_ms is None else format_time(until_ms),
        "duration_ms": None if until_ms is None else until_ms - since_ms,
    }
