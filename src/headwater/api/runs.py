"""Runs: start, list, show, cancel, retry, delete."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from headwater.api import accept, parameters
from headwater.api.answer import Asgi, Headers, json_answer, no_content
from headwater.api.bounds import check_bounds
from headwater.api.idempotency import digest
from headwater.api.problem import NO_SUCH_RUN
from headwater.api.resources import RunList, RunResource, RunSummary, run_resource, run_summary
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.stream import event_stream
from headwater.delivery.cursor import parse_cursor
from headwater.domain.event import decode_record
from headwater.domain.message import GenerationRequest, Message
from headwater.domain.run import RUN_ID, STATE_BY_FINAL_TYPE, Owner, Run, RunRequest, RunState, is_ended
from headwater.domain.snapshot import Snapshot
from headwater.errors import BadRequestError, LogMissing, NotFoundError, RefusedError
from headwater.storage.contract import IdempotencyKey, RunFilter

#: The scope of its idempotency keys, whatever the run was started over.
START_ROUTE = "POST /api/v1/runs"
LIST_LIMIT = 50
LIST_LIMIT_MAX = 200

_SOME_MESSAGE = Message("user", "A question")
_IDEMPOTENCY_KEY = re.compile(r"[ -~]{1,255}")


async def find_run(call: Call) -> Run:
    """The run that the path names, if it is the caller's. Raises `NotFoundError`, the same in every case."""
    return await own_run(call, call.path["run"])


async def own_run(call: Call, run_id: str, owner: Owner | None = None) -> Run:
    """The owner's run of this id, the caller's if no other is named. Raises `NotFoundError`, the same in every case."""
    run = await call.services.storage.runs.get(run_id) if RUN_ID.fullmatch(run_id) else None
    if run is None or run.owner != (owner or call.owner):
        raise NotFoundError(NO_SUCH_RUN)
    return run


async def start(call: Call) -> Asgi:
    request: RunRequest = call.body
    check_bounds(request)
    check_model(call, request)
    # What form the answer takes is settled before the run exists, so that a refusal leaves nothing behind.
    form = accept.choose(call.header("accept"), (accept.JSON, accept.EVENT_STREAM))
    key = idempotency_key(call, START_ROUTE, request)
    run, created = await call.services.supervisor.submit(request, call.owner, idempotency=key)
    return await _started(call, form, run, created)


def check_model(call: Call, request: RunRequest, *, fallback_header: str | None = None) -> None:
    """Refuses what the model can not do before there is a run that would only fail of it.

    The same of each model that it may fall back to, which is named by its place, or by the header that it came in.
    """
    # A workflow that takes `input` writes its messages itself; some models would refuse a call without any.
    messages = request.messages if request.input is None else request.messages or [_SOME_MESSAGE]
    catalog, asked = call.services.catalog, GenerationRequest(request.model, messages, request.settings)
    catalog.check(asked)
    for place, name in enumerate(request.fallback):
        try:
            catalog.check(msgspec.structs.replace(asked, model=name))
        except RefusedError as error:
            where = {"pointer": f"/fallback/{place}"} if fallback_header is None else {"parameter": fallback_header}
            error.extra = {**error.extra, **where}
            raise


async def retry(call: Call) -> Asgi:
    run = await find_run(call)
    check_model(call, run.request)
    form = accept.choose(call.header("accept"), (accept.JSON, accept.EVENT_STREAM))
    key = idempotency_key(call, f"POST /api/v1/runs/{run.id}/retry", run.request)
    again, created = await call.services.supervisor.submit(run.request, call.owner, idempotency=key, retry_of=run.id)
    return await _started(call, form, again, created)


async def _started(call: Call, form: str, run: Run, created: bool) -> Asgi:
    """201 for a run that was made now; 200 for one that the same idempotency key had made before."""
    headers: Headers = [
        (b"location", f"/api/v1/runs/{run.id}".encode()),
        *([] if created else [(b"idempotency-replayed", b"true")]),
    ]
    status = 201 if created else 200
    if form == accept.EVENT_STREAM:
        # A client that repeats its POST after a cut says what it has; a new run begins at 1 whatever it says.
        cursor = parse_cursor(None if created else call.header("last-event-id"))
        return event_stream(call, run, cursor, status=status, headers=headers)
    run, snapshot = await current(call, run)
    return json_answer(run_resource(run, snapshot), status, [*headers, _run_header(run)])


def _run_header(run: Run) -> tuple[bytes, bytes]:
    return (b"x-run-id", run.id.encode())


def idempotency_key(call: Call, route: str, request: RunRequest) -> IdempotencyKey | None:
    """The key that the caller sent, with a digest of what was understood: how it was written does not matter."""
    return make_key(call.owner, route, call.header("idempotency-key"), request, {"parameter": "Idempotency-Key"})


def make_key(
    owner: Owner, route: str, key: str | None, request: RunRequest, where: Mapping[str, str]
) -> IdempotencyKey | None:
    """`idempotency_key` of one that came by itself; `where` says in a refusal from where."""
    if key is None:
        return None
    if _IDEMPOTENCY_KEY.fullmatch(key) is None:
        error = BadRequestError("An idempotency key has 1 to 255 printable ASCII characters.")
        error.extra = dict(where)
        raise error
    return IdempotencyKey(owner, route, key, digest(request))


async def select(call: Call) -> Asgi:
    asked = call.query
    states: tuple[str, ...] | None = asked.get("state")
    where = RunFilter(
        owner=call.owner,
        states=None if states is None else tuple(RunState(state) for state in states),
        workflow=asked.get("workflow"),
        model=asked.get("model"),
        created_from_ms=asked.get("created_from"),
        created_before_ms=asked.get("created_before"),
    )
    page = await call.services.storage.runs.select(
        where, cursor=asked.get("cursor"), limit=asked.get("limit", LIST_LIMIT)
    )
    return json_answer(RunList([await _summary(call, run) for run in page.runs], page.cursor))


async def _summary(call: Call, run: Run) -> RunSummary:
    if run.snapshot is not None:
        return run_summary(run, run.snapshot.seq)
    return run_summary(*await as_logged(call, run))


async def as_logged(call: Call, run: Run) -> tuple[Run, int]:
    """The run as its log has it, and the log's tail; 0 where there is no log yet."""
    try:
        tail = (await call.services.storage.log.state(run.id)).tail
        return await _settled(call, run, tail), tail
    except LogMissing:
        return run, 0


async def current(call: Call, run: Run) -> tuple[Run, Snapshot]:
    """The run and what its records amount to, both at its durable tail."""
    snapshot = await call.services.hub.snapshot(run)
    return await _settled(call, run, snapshot.seq), snapshot


async def _settled(call: Call, run: Run, tail: int) -> Run:
    """The run as its log has it: the row is written after the final record, and nobody may see it lag behind."""
    if is_ended(run.state) or tail == 0:
        return run
    page = await call.services.storage.log.read(run.id, tail - 1, records_max=1)
    if not page.payloads or not page.at_end:
        return run
    if (metrics := call.services.supervisor.metrics(run.id)) is None:
        # Its row was written while its log was read.
        stored = await call.services.storage.runs.get(run.id)
        metrics = None if stored is None else stored.metrics
    last = decode_record(page.payloads[0])
    return msgspec.structs.replace(
        run, state=STATE_BY_FINAL_TYPE[last.event.type], ended_at_ms=run.created_at_ms + last.t, metrics=metrics
    )


async def show(call: Call) -> Asgi:
    run, snapshot = await current(call, await find_run(call))
    return json_answer(run_resource(run, snapshot), 200, [_run_header(run)])


async def cancel(call: Call) -> Asgi:
    """202: the cancel is noted and the final record follows. 200: there was nothing left to cancel."""
    found = await find_run(call)
    noted = await call.services.supervisor.cancel(found.id, call.owner)
    run, snapshot = await current(call, noted)
    # The final record may be there already: that of this very cancel, or of an end that was faster.
    was_over = is_ended(noted.state) or run.state in (RunState.COMPLETED, RunState.FAILED)
    return json_answer(run_resource(run, snapshot), 200 if was_over else 202, [_run_header(run)])


async def delete(call: Call) -> Asgi:
    run = await find_run(call)
    await call.services.supervisor.delete(run.id, call.owner)
    return no_content([_run_header(run)])


_STATES = [state.value for state in RunState]
_START_HEADERS = (
    parameters.header(
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": 255},
        "Makes a repeat return the same run. Compared with the parsed body; another body is 409.",
    ),
)
_STREAM = (accept.EVENT_STREAM,)

RUNS = Resource(
    "/api/v1/runs",
    Operation(
        "POST",
        start,
        "Start a run",
        (
            Reply(201, "The run; with `Accept: text/event-stream` its events from seq 1", RunResource, _STREAM),
            Reply(200, "The run that the same Idempotency-Key made before", RunResource, _STREAM),
            Reply(204, "The events of that run have all been read"),
        ),
        headers=_START_HEADERS,
        takes=RunRequest,
    ),
    Operation(
        "GET",
        select,
        "List runs, newest first",
        (Reply(200, "A page of runs", RunList),),
        query=(
            parameters.some_of("state", _STATES, "Only runs in one of these states"),
            parameters.text("workflow", 100, "Only runs of this workflow"),
            parameters.text("model", 200, "Only runs of this model"),
            parameters.time("created_from", "Only runs created at this time or later"),
            parameters.time("created_before", "Only runs created before this time"),
            parameters.text("cursor", 500, "`next` of the page before"),
            parameters.integer("limit", 1, LIST_LIMIT_MAX, f"Runs on a page, {LIST_LIMIT} by default"),
        ),
    ),
)
RUN = Resource(
    "/api/v1/runs/{run}",
    Operation("GET", show, "Show a run with its snapshot", (Reply(200, "The run", RunResource),)),
    Operation(
        "DELETE", delete, "Cancel a run if it is live, then forget it", (Reply(204, "It is forgotten, its log too"),)
    ),
)
CANCEL = Resource(
    "/api/v1/runs/{run}/cancel",
    Operation(
        "POST",
        cancel,
        "Cancel a run",
        (
            Reply(202, "Noted durably; the final record follows", RunResource),
            Reply(200, "The run had ended", RunResource),
        ),
    ),
)
RETRY = Resource(
    "/api/v1/runs/{run}/retry",
    Operation(
        "POST",
        retry,
        "Start a new run with the same input",
        (
            Reply(201, "The new run; `retry_of` names the old one", RunResource, _STREAM),
            Reply(200, "The run that the same Idempotency-Key made before", RunResource, _STREAM),
            Reply(204, "The events of that run have all been read"),
        ),
        headers=_START_HEADERS,
    ),
)
