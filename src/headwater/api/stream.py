"""An answer that goes on: a run's records as they become durable, written by the read half itself."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from headwater.api.answer import GUARD_HEADERS, SAFETY_HEADERS, Asgi, Headers, Receive, Scope, Send
from headwater.api.route import Call
from headwater.delivery.cursor import Cursor
from headwater.delivery.held import Face
from headwater.domain.run import Run


def event_stream(
    call: Call,
    run: Run,
    cursor: Cursor,
    *,
    types: Collection[str] | None = None,
    ndjson: bool = False,
    ids_name_run: bool = False,
    status: int = 200,
    headers: Headers = (),
) -> Asgi:
    """The run's records after the cursor, then what follows. Refuses (`RefusedError`) before its first byte only.

    With `ids_name_run`, which is for event streams, an id is `run_…:41` and not `41`.
    """
    hub = call.services.hub
    serve = hub.serve_ndjson if ndjson else partial(hub.serve_sse, ids_name_run=ids_name_run)

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        extra = [*SAFETY_HEADERS, *headers, *scope.get(GUARD_HEADERS, ())]
        await serve(
            scope,
            receive,
            send,
            run.id,
            cursor.after,
            types=types,
            from_snapshot=cursor.from_snapshot,
            status=status,
            extra_headers=extra,
        )

    return stream


def face_stream(call: Call, run: Run, face: Face, headers: Headers = ()) -> Asgi:
    """The run in the format of another API, from its first record to its last. Refuses before its first byte only."""

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        extra = [*SAFETY_HEADERS, *headers, *scope.get(GUARD_HEADERS, ())]
        await call.services.hub.serve_face(scope, receive, send, run.id, face, extra_headers=extra)

    return stream
