"""`POST /api/ag-ui`: what an agent's client calls that speaks AG-UI (npm's `@ag-ui/client`, `HttpAgent`).

The run behind an answer is like any other: `X-Run-Id` leads to it in `/api/v1`. This protocol has no way to come back
to a run, so the caller who leaves stops it, unless `forwardedProps.on_disconnect` says otherwise.
"""

from __future__ import annotations

from headwater.api import parameters
from headwater.api.ag_ui_request import RunAgentInput, run_request
from headwater.api.answer import Asgi, Headers
from headwater.api.bounds import check_bounds
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import check_model, idempotency_key
from headwater.api.stream import face_stream
from headwater.delivery.formats.ag_ui import AGUIStream, Identity

PATH = "/api/ag-ui"


async def run_agent(call: Call) -> Asgi:
    body: RunAgentInput = call.body
    request = run_request(body)
    check_bounds(request)
    check_model(call, request)
    key = idempotency_key(call, f"POST {PATH}", request)
    run, created = await call.services.supervisor.submit(request, call.owner, idempotency=key)
    headers: Headers = [] if created else [(b"idempotency-replayed", b"true")]
    face = AGUIStream(Identity(body.thread_id, body.run_id, run.id, request.model))
    return face_stream(call, run, face, headers)


AG_UI = Resource(
    PATH,
    Operation(
        "POST",
        run_agent,
        "Run a model as an agent of AG-UI",
        (Reply(200, "The run's events", media=("text/event-stream",)),),
        headers=(parameters.IDEMPOTENT_ANSWER,),
        takes=RunAgentInput,
    ),
)
