"""What the API's answers look like: structs from which the JSON and the OpenAPI document are made."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from headwater.api.parameters import format_time
from headwater.domain.run import Owner, Run, RunMetrics, RunRequest, RunState
from headwater.domain.snapshot import Snapshot
from headwater.errors import ErrorCode
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
    #: the environment variable that its key is to be in and that the server was started without; else null
    missing_key: str | None


class ModelList(msgspec.Struct, frozen=True):
    models: list[ModelResource]


class WorkflowResource(msgspec.Struct, frozen=True):
    """A workflow that can be run, by the name that callers use."""

    name: str
    #: for people: a few words, and a sentence or two
    title: str
    description: str
    #: JSON Schema of a run's `input`; null where it takes `messages`
    input_schema: dict[str, Any] | None


class WorkflowList(msgspec.Struct, frozen=True):
    workflows: list[WorkflowResource]


class LastError(msgspec.Struct, frozen=True):
    """What went wrong last; it stays until the next one."""

    code: ErrorCode
    at: str


class BreakerState(msgspec.Struct, frozen=True):
    """Whether a model is called: `open` says that it rests after failures, `half_open` that one call tries it."""

    state: Literal["closed", "open", "half_open"]
    #: until it is tried again; 0 where it is called
    rests_ms: int


class ModelHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a model has been in the window. What there is nothing to say about is null."""

    name: str
    model: str
    #: that ended well or badly: not those that were cancelled, or asked for what can not be done
    calls: int
    failures: int
    #: from 0 to 1
    success_rate: float | None
    #: from the call to its first output: of the middle call, and of the one that 95 of 100 are not above
    first_token_ms: int | None
    first_token_ms_p95: int | None
    #: of the middle call
    tokens_per_s: float | None
    last_error: LastError | None
    breaker: BreakerState


class ProviderResource(msgspec.Struct, frozen=True):
    """A provider and its models, each by the name that callers use."""

    name: str
    models: list[ModelHealth]


class ProviderList(msgspec.Struct, frozen=True):
    """`window_s` is how far back the figures go, in seconds."""

    providers: list[ProviderResource]
    window_s: int


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
