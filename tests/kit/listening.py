"""A listening socket that loses no connection when it is closed.

An `asyncio.Server` loses those that come in the turn in which it is closed, and does not close them; Node opens one to
spare whenever a stream is given up.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

#: Hears of a connection when it has come.
Accepted = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


class Listening:
    """Listens from when it is made; takes connections between `start` and the end of `stop`."""

    def __init__(self, accepted: Accepted) -> None:
        self._accepted = accepted
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._stops = False
        self._accepting: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        self._accepting = asyncio.create_task(self._accept())

    async def stop(self) -> None:
        """When it returns every connection was told of, or closed."""
        assert self._accepting is not None
        self._stops = True
        with socket.create_connection(self._socket.getsockname()):
            await self._accepting
        self._socket.close()

    async def _accept(self) -> None:
        """Takes connections until one comes behind the end."""
        while True:
            accepted, _ = await asyncio.get_running_loop().sock_accept(self._socket)
            if self._stops:
                accepted.close()
                return
            self._accepted(*await asyncio.open_connection(sock=accepted))
