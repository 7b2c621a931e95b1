"""A server process with one growing run, whose clock the test can push on: `python -m tests.stall.server`.

Prints its ports: the first on loopback, the second on the address that it was given. It is driven over
HTTP: `/control/append?count=&bytes=`, `/control/jump?s=`, `/control/state`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import uvloop

from headwater.api import sockets
from headwater.api.connection import http_connection_of
from headwater.api.server import HttpServer
from headwater.api.websocket_connection import WebSocketConnection, handshake
from headwater.clock import SystemClock
from headwater.delivery.subscription import State
from tests.delivery.rig import RUN, Rig, record


class PushedClock(SystemClock):
    """The system's clock, and on top of it what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.pushed = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.pushed


class Controlled:
    def __init__(self, rig: Rig, clock: PushedClock) -> None:
        self._rig = rig
        self._clock = clock
        self._tail = 0

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == "/socket":
            await self._socket(scope)
            return
        if not path.startswith("/control/"):
            await self._rig.app(scope, receive, send)
            return
        query = dict(pair.split("=", 1) for pair in scope["query_string"].decode().split("&") if pair)
        if path.endswith("/append"):
            for _ in range(int(query["count"])):
                self._tail += 1
                await self._rig.append(record(self._tail, "x" * int(query["bytes"])), after=self._tail - 1)
        elif path.endswith("/jump"):
            self._clock.pushed += float(query["s"])
        body = json.dumps(self._state()).encode()
        head = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def _socket(self, scope: Any) -> None:
        """A WebSocket that is subscribed to the run from the start on."""
        connection = WebSocketConnection()
        reader = self._rig.hub.open_socket(connection)
        connection.attach(reader)
        if http_connection_of(scope).switch(handshake(scope).headers, connection):
            if await self._rig.hub.subscribe(reader, RUN, 0):
                reader.begin_run(RUN)
            while await connection.receive() is not None:
                pass

    def _state(self) -> dict[str, Any]:
        readers = self._rig.hub._readers
        why: dict[str, int] = {}
        for left in self._rig.presence.left:
            why[left.why] = why.get(left.why, 0) + 1
        with open("/proc/self/statm") as statm:
            resident = int(statm.read().split()[1]) * 4096
        return {
            "tail": self._tail,
            "readers": len(readers),
            "full": sum(reader.state is State.FULL for reader in readers),
            "connections": len(self._rig.hub._watched),
            "left": why,
            "resident": resident,
        }


async def main(address: str, peer_timeout_ms: int) -> None:
    sockets.PEER_TIMEOUT_MS = peer_timeout_ms
    sockets.raise_file_limit()
    clock = PushedClock()
    rig = Rig(clock=clock, heartbeat_s=1.0, stall_s=30.0)
    await rig.begin()
    server = HttpServer(Controlled(rig, clock).app)
    # The address of a test's own network is one that `listen` rightly refuses.
    listening = [*sockets.listen("127.0.0.1", 0)]
    if address:
        listening.append(sockets._listen_on(address, 0))
    await server.start(listening)
    print(*[each.getsockname()[1] for each in listening], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
