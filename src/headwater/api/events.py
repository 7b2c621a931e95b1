"""A run's events: one resource in three forms, all of them the same records from the same cursor."""

from __future__ import annotations

import msgspec

from headwater.api import accept, parameters
from headwater.api.answer import Asgi, json_answer
from headwater.api.resources import RecordPage
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import find_run
from headwater.api.stream import event_stream
from headwater.delivery.cursor import Cursor, parse_cursor
from headwater.delivery.polling import RECORDS_MAX, WAIT_MS_MAX
from headwater.domain.event import EVENT_TYPES
from headwater.domain.run import Run
from headwater.errors import BadRequestError

_FORMS = (accept.EVENT_STREAM, accept.NDJSON, accept.JSON)


class _Typed(msgspec.Struct):
    type: str


_types = msgspec.json.Decoder(_Typed)
_encoder = msgspec.json.Encoder()


async def events(call: Call) -> Asgi:
    asked = call.query
    form = accept.choose(call.header("accept"), _FORMS)
    cursor = parse_cursor(call.header("last-event-id"), asked.get("after"), asked.get("from"))
    run = await find_run(call)
    if form == accept.JSON:
        return await _page(call, run, cursor)
    for name in ("wait_ms", "limit"):
        if name in asked:
            raise BadRequestError(f"`{name}` is for pages only: send `Accept: {accept.JSON}`.", parameter=name)
    return event_stream(call, run, cursor, types=asked.get("types"), ndjson=form == accept.NDJSON)


async def _page(call: Call, run: Run, cursor: Cursor) -> Asgi:
    asked = call.query
    if cursor.from_snapshot:
        raise BadRequestError("A page has no snapshot: read the run itself.", parameter="from")
    page = await call.services.hub.page(run.id, cursor.after, asked.get("wait_ms", 0), asked.get("limit", RECORDS_MAX))
    types = asked.get("types")
    records = [
        msgspec.Raw(payload) for payload in page.payloads if types is None or _types.decode(payload).type in types
    ]
    body = _encoder.encode(RecordPage(records, page.tail, page.closed, page.last))
    return json_answer(body, headers=[(b"x-run-id", run.id.encode())])


EVENTS = Resource(
    "/api/v1/runs/{run}/events",
    Operation(
        "GET",
        events,
        "Read a run's events: replay after the cursor, then follow",
        (
            Reply(200, "Records after the cursor", RecordPage, (accept.EVENT_STREAM, accept.NDJSON)),
            Reply(204, "SSE only: the log is closed and all of it has been read, so that EventSource stops"),
        ),
        query=(
            parameters.header("after", {"type": "integer", "minimum": 0}, "The seq of the last record that is known"),
            parameters.header(
                "from", {"type": "string", "enum": ["snapshot"]}, "Begin with a snapshot of all there is, then follow"
            ),
            parameters.some_of("types", list(EVENT_TYPES), "Only records of these types; the cursor still moves"),
            parameters.integer("wait_ms", 0, WAIT_MS_MAX, "Pages only: wait so long for a record after the cursor"),
            parameters.integer("limit", 1, RECORDS_MAX, "Pages only: so many records at most"),
        ),
        headers=(parameters.header("Last-Event-ID", {"type": "string"}, "The cursor; wins over `after` and `from`"),),
        head=False,
    ),
)
