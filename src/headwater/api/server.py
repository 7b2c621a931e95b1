"""The HTTP server: our sockets and our connections around uvicorn's parser and its request cycle.

uvicorn's own `Server` is not used: it takes the process's signals, and its shutdown waits for
connections that will never end. Here the owner of the process says when to stop, and stopping is bounded.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from email.utils import formatdate
from typing import cast

import uvicorn
from uvicorn._types import ASGI3Application
from uvicorn.server import ServerState

from headwater.api.answer import Asgi
from headwater.api.connection import ConnectionLimits, HttpConnection
from headwater.api.sockets import BACKLOG, raise_file_limit

#: Longer than nginx (60 s) and Caddy (120 s) keep an idle connection to us: it is they who close it, so that no
#: request of theirs meets a connection that is just closing.
KEEP_ALIVE_S = 125
#: How long stopping may take after connections were cut and tasks cancelled.
_LAST_S = 1.0
_LOOK_S = 0.01
#: Open files that are not clients: the database, its readers, connections to providers.
_OTHER_FILES = 512


class HttpServer:
    """Serves an ASGI application on listening sockets, from `start` to `stop`.

    Starts no task of its own; a request's task is uvicorn's. `connections_max` is how many clients
    may be connected at once, whoever comes then is answered 503; None leaves files for the rest of the process.
    """

    def __init__(
        self,
        app: Asgi,
        *,
        limits: ConnectionLimits | None = None,
        connections_max: int | None = None,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        self._limits = limits or ConnectionLimits()
        self._config = uvicorn.Config(
            cast(ASGI3Application, app),
            http=HttpConnection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=connections_max,
        )
        # uvicorn's own argument takes whole seconds only.
        self._config.timeout_keep_alive = keep_alive_s  # type: ignore[assignment]
        self._state = ServerState()
        self._servers: list[asyncio.Server] = []
        self._date_timer: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        return len(self._state.connections)

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accepts connections from now on. The sockets are the server's to close."""
        if self._config.limit_concurrency is None:
            self._config.limit_concurrency = max(raise_file_limit() - _OTHER_FILES, _OTHER_FILES)
        self._config.load()
        self._refresh_date()
        loop = asyncio.get_running_loop()

        def accept() -> HttpConnection:
            return HttpConnection(self._config, self._state, self._limits, loop)

        for each in sockets:
            self._servers.append(await loop.create_server(accept, sock=each, backlog=BACKLOG))

    async def stop(self, grace_s: float) -> None:
        """Accepts no more, lets answers end for so long, then cuts what is left. Takes at most a second longer."""
        for server in self._servers:
            server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        await self._wait(grace_s)
        for connection in list(self._state.connections):
            cast(HttpConnection, connection).abort()
        # Most handlers end by themselves when their client is gone.
        await self._wait(_LAST_S / 2)
        for task in list(self._state.tasks):
            task.cancel()
        await self._wait(_LAST_S / 2)
        if self._date_timer is not None:
            self._date_timer.cancel()

    async def _wait(self, seconds: float) -> None:
        """Until nobody is connected and nothing is being answered, or the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            # uvicorn's sets tell nobody when they become empty.
            if not (self._state.connections or self._state.tasks):
                return
            await asyncio.sleep(_LOOK_S)

    def _refresh_date(self) -> None:
        """The `Date` header, made once a second for all answers."""
        self._state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        self._date_timer = asyncio.get_running_loop().call_later(1.0, self._refresh_date)
