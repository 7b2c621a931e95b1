"""Many runs over one WebSocket: subscribe, start and cancel on the connection that the records come over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from websockets.frames import CloseCode

from headwater.api.answer import GUARD_HEADERS, Asgi, Receive, Scope, Send
from headwater.api.bounds import check_bounds
from headwater.api.connection import http_connection_of
from headwater.api.key_access import visit_in
from headwater.api.problem import problem
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import START_ROUTE, as_logged, check_model, make_key, own_run
from headwater.api.websocket_connection import WebSocketConnection, WebSocketLimits, handshake
from headwater.api.websocket_messages import (
    Asked,
    Cancel,
    Cancelled,
    Done,
    Id,
    Ping,
    Pong,
    Start,
    Started,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    decode_message,
    done,
    id_of,
    refused,
)
from headwater.delivery.subscription import Why
from headwater.delivery.websocket import SocketReader
from headwater.errors import ErrorCode, HeadwaterError, RefusedError, UnavailableError
from headwater.telemetry import frames

_log = structlog.get_logger(__name__)


async def talk(call: Call) -> Asgi:
    status, headers = handshake(call.scope)
    if status != 101:
        upgrade = [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]
        return problem(ErrorCode.BAD_REQUEST, "This resource is a WebSocket.", status=status, headers=upgrade)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        connection = WebSocketConnection(WebSocketLimits(message_bytes_max=call.services.body_bytes_max))
        reader = call.services.hub.open_socket(connection)
        connection.attach(reader)
        try:
            if (visit := visit_in(scope)) is not None:
                visit.cut = lambda: connection.expel("the key is over")
            if http_connection_of(scope).switch([*headers, *scope.get(GUARD_HEADERS, ())], connection):
                await _Talk(call, connection, reader).to_its_end()
        finally:
            reader.end(Why.CLIENT)
            connection.close(CloseCode.NORMAL_CLOSURE)

    return serve


class _Talk:
    """One socket's messages, each acted on before the next is looked at."""

    def __init__(self, call: Call, connection: WebSocketConnection, reader: SocketReader) -> None:
        self._call = call
        self._connection = connection
        self._reader = reader

    async def to_its_end(self) -> None:
        while (message := await self._connection.receive()) is not None:
            if isinstance(message, bytes):
                self._connection.close(CloseCode.UNSUPPORTED_DATA, "messages are text")
                return
            try:
                asked = decode_message(message)
            except RefusedError as error:
                self._reader.say(refused(id_of(message), error))
                continue
            await self._act(asked)

    async def _act(self, asked: Asked) -> None:
        try:
            match asked:
                case Subscribe():
                    await self._subscribe(asked)
                case Unsubscribe():
                    self._reader.leave(asked.run)
                    self._done(asked.id, Unsubscribed(asked.run))
                case Start():
                    await self._start(asked)
                case Cancel():
                    await self._cancel(asked)
                case Ping():
                    self._done(asked.id, Pong())
        except HeadwaterError as error:
            self._reader.say(refused(asked.id, error))
        except Exception as error:
            _log.error("unforeseen error in an answer", error=type(error).__name__, where=frames(error))
            self._reader.say(refused(asked.id, UnavailableError(code=ErrorCode.SERVER)))

    def _done(self, id: Id, ok: Done) -> None:
        self._reader.say(done(id, ok))

    async def _subscribe(self, asked: Subscribe) -> None:
        run = await own_run(self._call, asked.run)
        after, from_snapshot = asked.after or 0, asked.from_ is not None
        hub, types = self._call.services.hub, asked.types
        if await hub.subscribe(self._reader, run.id, after, types=types, from_snapshot=from_snapshot):
            self._done(asked.id, Subscribed(run.id, after))
            self._reader.begin_run(run.id)

    async def _start(self, asked: Start) -> None:
        call, request = self._call, asked.request
        with _below("/request"):
            check_bounds(request)
            check_model(call, request)
        key = make_key(call.owner, START_ROUTE, asked.idempotency_key, request, {"pointer": "/idempotency_key"})
        if asked.subscribe:
            # A refusal leaves nothing behind: neither does this one.
            self._reader.check_room()
        run, created = await call.services.supervisor.submit(request, call.owner, idempotency=key)
        joins = asked.subscribe and run.id not in self._reader.runs
        if joins:
            joins = await call.services.hub.subscribe(self._reader, run.id, 0 if created else asked.after)
        self._done(asked.id, Started(run.id, created, run.id in self._reader.runs))
        if joins:
            self._reader.begin_run(run.id)

    async def _cancel(self, asked: Cancel) -> None:
        call = self._call
        found = await own_run(call, asked.run)
        noted = await call.services.supervisor.cancel(found.id, call.owner)
        run, _ = await as_logged(call, noted)
        self._done(asked.id, Cancelled(run.id, run.state.value))


@contextmanager
def _below(pointer: str) -> Iterator[None]:
    """What is refused below a member of the message is pointed at from the message."""
    try:
        yield
    except RefusedError as error:
        if isinstance(place := error.extra.get("pointer"), str):
            error.extra = {**error.extra, "pointer": pointer + place}
        raise


WEBSOCKET = Resource(
    "/api/v1/ws",
    Operation(
        "GET",
        talk,
        "Read, start and cancel many runs over one WebSocket",
        (Reply(101, "The messages of spec/PROTOCOL.md, each a text of JSON"),),
        head=False,
    ),
)
