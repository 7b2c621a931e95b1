"""A proxy that spoils connections as networks do: cuts, resets, half-closes, stalls, splits, delays, throttles.

    async with FaultProxy(product.port, lambda number: Fault(cut_at=300, by="reset")) as proxy:
        … connect to proxy.port instead …

Each connection has its own fault, given by its number from 1. Bytes are counted over the answers of a
connection, heads and all. What is not spoiled is passed on as it came.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

from tests.kit.listening import Listening

By = Literal["close", "reset", "half-close", "stall"]

_READ_BYTES = 64 * 1024


class Fault(NamedTuple):
    """What happens to one connection's answers. The default passes everything on."""

    #: after so many bytes to the client, `by` happens; None never
    cut_at: int | None = None
    #: "close": FIN both ways; "reset": RST to the client; "half-close": FIN to the client, who may go on
    #: sending; "stall": nothing more comes, and nothing says so
    by: By = "close"
    #: the most that is written at once, 1 for byte by byte; None as it came
    pieces: int | None = None
    #: before each write
    delay_s: float = 0.0
    #: the client's connection is answered, the server never called
    refuse: bool = False
    #: no answer is passed on until the next connection has come: two connections in the wrong order
    overtaken: bool = False


class FaultProxy:
    """Between a client and a server on loopback. `connections` counts those that came, `open` those there now.

    `cuts` counts the connections whose fault has struck; one that is slow, or comes in pieces only, is none.
    """

    def __init__(self, target_port: int, plan: Callable[[int], Fault] = lambda number: Fault()) -> None:
        self.connections = 0
        self.open = 0
        self.cuts = 0
        self.bytes_to_clients = 0
        self._target_port = target_port
        self.plan = plan
        self._came = asyncio.Condition()
        self._listening = Listening(self._accepted)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        return self._listening.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> FaultProxy:
        self._listening.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listening.stop()
        self.drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Ends all connections there are, as a router does that is switched off and on."""
        for task in tuple(self._tasks):
            task.cancel()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        task = asyncio.create_task(self._connected(reader, writer, self.connections))
        self._tasks.add(task)
        # Not by the task itself: one that is cancelled before its first step has no end of its own.
        task.add_done_callback(partial(self._disconnected, writer))

    def _disconnected(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self.open -= 1
        self._tasks.discard(task)
        writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        try:
            async with self._came:
                self._came.notify_all()
            await self._serve(reader, writer, self.plan(number), number)
        except (OSError, asyncio.CancelledError):
            pass  # the network's business, and the end of the test

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault, number: int
    ) -> None:
        if fault.refuse:
            self.cuts += 1
            _reset_on_close(writer)
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        there = asyncio.create_task(_copy(reader, up_writer))
        back = asyncio.create_task(self._spoil(up_reader, writer, fault, number))
        try:
            # whichever end is lost first takes the other with it
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # First, for the wait below may be cancelled too.
            up_writer.transport.abort()
            for each in (there, back):
                each.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    async def _spoil(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, fault: Fault, number: int
    ) -> None:
        if fault.overtaken:
            self.cuts += 1
            async with self._came:
                await self._came.wait_for(lambda: self.connections > number)
        sent = 0
        while data := await source.read(_READ_BYTES):
            while data:
                piece = data[: fault.pieces or len(data)]
                if fault.cut_at is not None:
                    piece = piece[: max(0, fault.cut_at - sent)]
                data = data[len(piece) :]
                if fault.delay_s:
                    await asyncio.sleep(fault.delay_s)  # paces: this is the delay that the fault asks for
                if piece:
                    target.write(piece)
                    await target.drain()
                    sent += len(piece)
                    self.bytes_to_clients += len(piece)
                if fault.cut_at is not None and sent >= fault.cut_at:
                    await self._cut(target, fault.by)
                    return
        await _close(target)

    async def _cut(self, target: asyncio.StreamWriter, by: By) -> None:
        self.cuts += 1
        if by == "reset":
            _reset_on_close(target)
        elif by == "half-close":
            target.write_eof()
            await asyncio.get_running_loop().create_future()
        elif by == "stall":
            await asyncio.get_running_loop().create_future()
        else:
            await _close(target)


async def _close(target: asyncio.StreamWriter) -> None:
    """With all that was written."""
    target.close()
    await target.wait_closed()


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    """Makes closing send RST: lingering for zero seconds."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_READ_BYTES):
        target.write(data)
        await target.drain()
