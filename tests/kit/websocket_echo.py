"""An application that sends back what it gets, on the product's own WebSocket connections; never in the product.

    python -m tests.kit.websocket_echo

prints the port that it listens on, and serves until it is ended. The reader of such a socket is of no run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop
from websockets.frames import Frame, Opcode

from headwater.api.answer import Receive, Scope, Send
from headwater.api.connection import http_connection_of
from headwater.api.server import HttpServer
from headwater.api.sockets import address_of, listen
from headwater.api.websocket_connection import WebSocketConnection, WebSocketLimits, handshake
from headwater.delivery.subscription import Why
from headwater.delivery.websocket import SocketReader

#: Autobahn's largest message, which comes in many sizes of frames.
LIMITS = WebSocketLimits(message_bytes_max=16 << 20)


class EchoApp:
    """Answers every request that asks for a WebSocket; notes how each of them ended."""

    def __init__(self, limits: WebSocketLimits = LIMITS) -> None:
        self._limits = limits
        self.ended = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, headers = handshake(scope)
        connection = WebSocketConnection(self._limits)
        reader = SocketReader(connection, asyncio.get_running_loop().call_soon, lambda shared: None)
        connection.attach(reader)
        try:
            if http_connection_of(scope).switch(headers, connection):
                while (message := await connection.receive()) is not None:
                    text = isinstance(message, str)
                    data = message.encode() if isinstance(message, str) else message
                    reader.say(Frame(Opcode.TEXT if text else Opcode.BINARY, data).serialize(mask=False))
        finally:
            reader.end(Why.CLIENT)
            connection.close(1000)
            self.ended += 1


@asynccontextmanager
async def echo_server(app: EchoApp | None = None) -> AsyncIterator[int]:
    """Gives the port."""
    server = HttpServer(app or EchoApp())
    sockets = listen("127.0.0.1", 0)
    await server.start(sockets)
    try:
        yield address_of(sockets)[1]
    finally:
        await server.stop(1.0)


async def main() -> None:
    async with echo_server() as port:
        print(port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
