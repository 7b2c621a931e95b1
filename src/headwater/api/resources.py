"""What the API's answers look like: structs from which the JSON and the OpenAPI document are made."""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.api.parameters import format_time
from headwater.domain.run import Owner, Run, RunMetrics, RunRequest, RunState
from headwater.domain.snapshot import Snapshot
from headwater.providers.cost import Price


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a list. Times are RFC 3339, UTC, with milliseconds."""

    id: str
    workflow: str
    model: str
    state: RunState
    created_at: str
    ended_at: str | None
    #: the seq of the newest durable record
    tail: int
    owner: Owner
    #: the run that this one repeats
    retry_of: str | None
    metadata: dict[str, str]
    #: how it went; null until it has ended
    metrics: RunMetrics | None


class RunResource(RunSummary, frozen=True, kw_only=True):
    """A run, what it was asked to do, and what its records amount to at its durable tail."""

    #: the body that started it, as it was understood; fields with their default are left out
    request: RunRequest
    snapshot: Snapshot


class RunList(msgspec.Struct, frozen=True):
    """Runs, newest first. `next` is the `cursor` of the following page, null at the end."""

    runs: list[RunSummary]
    next: str | None


class RecordPage(msgspec.Struct, frozen=True):
    """Records of one run, in order. `last` is the cursor to go on from: with `types` it can be past the last record."""

    records: list[Any]
    tail: int
    closed: bool
    last: int


class ModelResource(msgspec.Struct, frozen=True):
    """A model that can be called, by the name that callers use. `model` is its name at the provider."""

    name: str
    provider: str
    model: str
    capabilities: list[str]
    #: null where it is not known; a model that costs nothing has zeros
    price: Price | None


class ModelList(msgspec.Struct, frozen=True):
    models: list[ModelResource]


class Health(msgspec.Struct, frozen=True):
    status: str


def run_summary(run: Run, tail: int) -> RunSummary:
    return RunSummary(**_members(run, tail))


def run_resource(run: Run, snapshot: Snapshot) -> RunResource:
    return RunResource(**_members(run, snapshot.seq), request=run.request, snapshot=snapshot)


def _members(run: Run, tail: int) -> dict[str, Any]:
    return {
        "id": run.id,
        "workflow": run.request.workflow,
        "model": run.request.model,
        "state": run.state,
        "created_at": format_time(run.created_at_ms),
        "ended_at": None if run.ended_at_ms is None else format_time(run.ended_at_ms),
        "tail": tail,
        "owner": run.owner,
        "retry_of": run.retry_of,
        "metadata": run.request.metadata,
        "metrics": run.metrics,
    }
