"""`/v1/stream/{name}`: streams that any program appends to, as the Durable Streams protocol has them.

`/v1/stream/runs/{run}` is a run's log in the same protocol, to be read only.
"""

from __future__ import annotations

from typing import Any, Final

from headwater.api import parameters
from headwater.api.answer import GUARD_HEADERS, SAFETY_HEADERS, Answer, Asgi, Headers, Receive, Scope, Send
from headwater.api.durable_streams_request import (
    PREFIX,
    append_of,
    config_of,
    payload_of,
    stream_name,
)
from headwater.api.route import Call, Operation, Parameter, Reply, Resource
from headwater.api.runs import find_run
from headwater.delivery.formats.durable_streams import NOW, Place, body_of, etag_of, offset_of, parse_offset
from headwater.delivery.streams import EVENT_BYTES_MAX, Portion, StreamSource
from headwater.domain.stream import JSON_TYPE, Stream, is_worth_noting
from headwater.errors import BadRequestError, LogMissing
from headwater.storage.contract import LogState

#: How much one answer holds, if it is not a single record.
PAGE_BYTES_MAX: Final = 1 << 20
LONG_POLL: Final = "long-poll"
EVENTS: Final = "sse"
_CURSOR_CHARS_MAX: Final = 100

#: What is read here was put here by programs: a browser that is sent to it saves it and shows nothing of it.
_SAVED: Final = (b"content-disposition", b"attachment")


async def create_stream(call: Call) -> Asgi:
    config, name = config_of(call), stream_name(call)
    payload = payload_of(config.content_type, call.body)
    stream, made = await call.services.storage.streams.create(name, config, payload, call.services.now_ms())
    headers = [(b"content-type", stream.content_type.encode()), *_state(stream)]
    if not made:
        return Answer(200, b"", headers)
    host = (call.header("host") or "").encode("latin-1")
    path = call.scope.get("raw_path") or call.scope["path"].encode()
    location = b"%b://%b%b" % (call.scope.get("scheme", "http").encode(), host, path.partition(b"?")[0])
    return Answer(201, b"", [(b"location", location), *headers])


async def append_stream(call: Call) -> Asgi:
    name, append = stream_name(call), append_of(call, call.body)
    done = await call.services.storage.streams.append(name, append, call.services.now_ms())
    headers: list[tuple[bytes, bytes]] = [(b"stream-next-offset", offset_of(done.stream.tail).encode())]
    if done.stream.closed:
        headers.append((b"stream-closed", b"true"))
    if done.producer is not None:
        headers.append((b"producer-epoch", b"%d" % done.producer.epoch))
        headers.append((b"producer-seq", b"%d" % done.producer.seq))
    # To a producer, 200 is what was new and 204 what was there already, or was no more than a closing.
    is_new = done.producer is not None and not done.duplicate and append.payload is not None
    return Answer(200 if is_new else 204, b"", headers)


async def delete_stream(call: Call) -> Asgi:
    await call.services.storage.streams.delete(stream_name(call), call.services.now_ms())
    return Answer(204)


async def show_stream(call: Call) -> Asgi:
    stream = await call.services.storage.streams.state(stream_name(call), call.services.now_ms())
    return Answer(200, b"", [(b"content-type", stream.content_type.encode()), *_state(stream)])


async def read_stream(call: Call) -> Asgi:
    name, streams, now_ms = stream_name(call), call.services.storage.streams, call.services.now_ms()
    stream = await streams.state(name, now_ms)
    if is_worth_noting(stream, now_ms):
        await streams.touch(name, now_ms)
    end = _end(stream.content_type, stream.tail, stream.closed)
    return await _read(call, call.services.streams.stream(name, stream.id), str(stream.id), end)


async def show_run_log(call: Call) -> Asgi:
    state = await _log_state(call)
    headers = [(b"content-type", JSON_TYPE.encode()), (b"stream-next-offset", offset_of(state.tail).encode())]
    return Answer(200, b"", [*headers, *([(b"stream-closed", b"true")] if state.closed else [])])


async def read_run_log(call: Call) -> Asgi:
    state = await _log_state(call)
    run = call.path["run"]
    return await _read(call, call.services.streams.run_log(run), run, _end(JSON_TYPE, state.tail, state.closed))


async def _log_state(call: Call) -> LogState:
    run = await find_run(call)
    try:
        return await call.services.storage.log.state(run.id)
    except LogMissing:
        return LogState(0, False, 0, 1)  # still to come


def _state(stream: Stream) -> Headers:
    headers = [(b"stream-next-offset", offset_of(stream.tail).encode())]
    if stream.closed:
        headers.append((b"stream-closed", b"true"))
    if stream.ttl_s is not None:
        headers.append((b"stream-ttl", b"%d" % stream.ttl_s))
    if stream.expires_at_ms is not None:
        headers.append((b"stream-expires-at", parameters.format_time(stream.expires_at_ms).encode()))
    return headers


def _end(content_type: str, tail: int, closed: bool) -> Portion:
    """What a reader at the tail is given."""
    return Portion(content_type, tail, (), Place(tail, True, closed))


async def _read(call: Call, source: StreamSource, id: str, end: Portion) -> Asgi:
    """The answer in the form that was asked for. `id` names the stream in an ETag, and never another."""
    tail = end.after
    offset, live, cursor = call.query.get("offset"), call.query.get("live"), call.query.get("cursor")
    if live is not None and offset is None:
        raise BadRequestError("A live read begins at an offset.", parameter="offset")
    after = tail if offset == NOW else parse_offset(offset or "-1")
    if after > tail:
        raise BadRequestError("The offset is beyond the end of the stream.", parameter="offset", tail=tail)
    if live == EVENTS:
        return _events(call, source, await source.read(after, EVENT_BYTES_MAX), cursor)
    if live == LONG_POLL:
        return _poll(call, source, id, after, cursor)
    if offset == NOW:
        return _page(call, end, id, fixed=False)
    return _page(call, await source.read(after, PAGE_BYTES_MAX), id)


def _page(call: Call, portion: Portion, id: str, *, fixed: bool = True) -> Answer:
    """One page. `fixed` answers can be asked for again by their ETag."""
    headers = [*_place(portion), (b"stream-cursor", call.services.streams.cursor(call.query.get("cursor")).encode())]
    if fixed:
        etag = etag_of(id, portion.after, portion.place)
        headers += [(b"etag", etag), (b"cache-control", b"private, no-cache")]
        if etag.decode() in (call.header("if-none-match") or ""):
            return Answer(304, b"", headers)
    body = body_of(portion.content_type, portion.payloads)
    return Answer(200, body, [(b"content-type", portion.content_type.encode()), _SAVED, *headers])


def _place(portion: Portion) -> Headers:
    place = portion.place
    headers = [(b"stream-next-offset", offset_of(place.seq).encode())]
    if place.up_to_date:
        headers.append((b"stream-up-to-date", b"true"))
        if place.closed:
            headers.append((b"stream-closed", b"true"))
    return headers


def _poll(call: Call, source: StreamSource, id: str, after: int, cursor: str | None) -> Asgi:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        readers = call.services.streams
        portion = await readers.poll(source, after, receive, PAGE_BYTES_MAX)
        if portion is None:
            return
        if portion.payloads:
            await _page(call, portion, id)(scope, receive, send)
            return
        headers = [*_place(portion), (b"stream-cursor", readers.cursor(cursor).encode())]
        await Answer(204, b"", headers)(scope, receive, send)

    return answer


def _events(call: Call, source: StreamSource, first: Portion, cursor: str | None) -> Asgi:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [*SAFETY_HEADERS, *scope.get(GUARD_HEADERS, ())]
        await call.services.streams.serve_sse(scope, receive, send, source, first, cursor, headers)

    return answer


def _offset(text: str) -> str:
    if text != NOW:
        parse_offset(text)
    return text


_QUERY: Final[tuple[Parameter[Any], ...]] = (
    Parameter("offset", _offset, {"type": "string"}, "Where to begin: an offset, `-1` (the beginning) or `now`"),
    parameters.one_of("live", (LONG_POLL, EVENTS), "Wait for more: one answer, or events until the stream's end"),
    parameters.text("cursor", _CURSOR_CHARS_MAX, "The `Stream-Cursor` of the answer before"),
)
_IF_NONE_MATCH = parameters.header("If-None-Match", {"type": "string"}, "The `ETag` of an answer that is known")
_READ = (
    Reply(200, "What follows the offset", media=("*/*", "text/event-stream")),
    Reply(204, "A long-poll only: nothing came, or nothing will"),
    Reply(304, "The answer is the one that is known"),
)
_HEAD = (Reply(200, "How the stream stands, in headers"),)


def _header(name: str, about: str, kind: str = "string") -> Parameter[str]:
    return parameters.header(name, {"type": kind}, about)


_CLOSED = _header("Stream-Closed", "`true`: nothing follows")

STREAM = Resource(
    f"{PREFIX}{{stream}}",
    Operation(
        "PUT",
        create_stream,
        "Make a stream, or find it there",
        (Reply(201, "It was made"), Reply(200, "It was there, and is what was asked for")),
        headers=(
            _header("Content-Type", "What it is of; `application/octet-stream` by default"),
            _header("Stream-TTL", "For how many seconds after its last use it is kept", "integer"),
            _header("Stream-Expires-At", "Until when it is kept"),
            _CLOSED,
            _header("Stream-Forked-From", f"Another stream (`{PREFIX}…`), whose records it begins with"),
            _header("Stream-Fork-Offset", "Up to which of them; all that there are by default"),
            _header("Stream-Fork-Sub-Offset", "And so many values (JSON) or bytes of the next append", "integer"),
        ),
        takes=bytes,
        lenient=True,
    ),
    Operation(
        "POST",
        append_stream,
        "Append to a stream, or close it",
        (Reply(204, "It is on disk, or was before"), Reply(200, "The same, for a producer's new append")),
        headers=(
            _header("Content-Type", "The stream's own"),
            _CLOSED,
            _header("Stream-Seq", "Must be greater, as text, than that of the append before"),
            _header("Producer-Id", "Who appends, so that a repeat is known"),
            _header("Producer-Epoch", "Counts the starts of the producer; an older one is refused", "integer"),
            _header("Producer-Seq", "Counts its appends, from 0 in each epoch", "integer"),
        ),
        takes=bytes,
        lenient=True,
    ),
    Operation(
        "GET",
        read_stream,
        "Read a stream, once or live",
        _READ,
        query=_QUERY,
        headers=(_IF_NONE_MATCH,),
        head=False,
        lenient=True,
    ),
    Operation("HEAD", show_stream, "How a stream stands", _HEAD, lenient=True),
    Operation("DELETE", delete_stream, "Delete a stream", (Reply(204, "It is gone"),), lenient=True),
    with_slashes=("stream",),
)

RUN_STREAM = Resource(
    f"{PREFIX}runs/{{run}}",
    Operation(
        "GET",
        read_run_log,
        "Read a run's records as a stream of JSON",
        _READ,
        query=_QUERY,
        headers=(_IF_NONE_MATCH,),
        head=False,
        lenient=True,
    ),
    Operation("HEAD", show_run_log, "How a run's log stands", _HEAD, lenient=True),
)
