"""A reader as clients are: it comes, is slow, goes away, comes back with the last id that it has."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

import msgspec

from headwater.errors import ErrorCode, RefusedError
from tests.kit.answer import FINAL_TYPES, parse
from tests.kit.history import Closed, Got, History, How, Opened
from tests.simulation.node import Lost, Node
from tests.simulation.virtual import pause
from tests.simulation.wire import Wire

#: Longer than the servers of this world wait for a reader.
_STALL_S = 12.0

_FILTER = ("status", "call", "complete", "cancelled", "error")


class Habits(NamedTuple):
    """What a client is like."""

    form: str
    from_snapshot: bool
    types: tuple[str, ...] | None
    read_bytes: int
    rest_s: float
    #: how often it goes away and comes back
    cuts: int
    gives_up: bool
    #: it stops reading for so long, once, that the server cuts it
    stalls: bool
    #: it asks again after the final record, as EventSource does
    asks_again: bool


def habits(chance: random.Random, *, late: bool = False) -> Habits:
    """Drawn from all there are; `late` is one that wants a snapshot of the past."""
    kind = "late" if late else chance.choice(("plain", "plain", "plain", "late", "late", "few"))
    slow = chance.random() < 0.4
    return Habits(
        form=chance.choice(("sse", "sse", "sse", "ndjson", "page" if kind == "plain" else "sse"))
        if kind != "few"
        else "sse",
        from_snapshot=kind == "late",
        types=_FILTER if kind == "few" else None,
        read_bytes=chance.choice((60, 300)) if slow else 1 << 20,
        rest_s=chance.uniform(0.0, 0.1) if slow else 0.0,
        cuts=chance.choice((0, 1, 3)),
        gives_up=chance.random() < 0.1,
        stalls=chance.random() < 0.05,
        asks_again=chance.random() < 0.3,
    )


class Client:
    """Follows one run to its final record, over as many connections as that takes."""

    def __init__(
        self,
        name: str,
        run: str,
        like: Habits,
        history: History,
        chance: random.Random,
        serving: Callable[[], Awaitable[Node]],
    ) -> None:
        #: set at the test's end: no more cuts, no more rests
        self.hurry = False
        self._name = name
        self._run = run
        self._like = like
        self._note = history.note
        self._chance = chance
        self._serving = serving
        self._cursor = 0
        self._connection = 0
        self._done = False
        #: the connection on which the final record came
        self._done_in = 0
        self._rest = b""

    async def follow(self) -> None:
        cuts = self._like.cuts
        while True:
            node = await self._serving()
            self._connection += 1
            may_cut = cuts > 0 and not self.hurry and not self._done
            cuts -= may_cut
            how, code = await self._connect(node, self._chance.randrange(1, 12) if may_cut else None)
            self._note(Closed(self._name, self._connection, how, code))
            if (
                how == "none"
                or (self._done and self._connection > self._done_in)
                or (how == "refused" and code in (ErrorCode.NOT_FOUND, ErrorCode.CURSOR_AHEAD))
            ):
                return
            if self._done and not self._like.asks_again:
                return
            if how == "left" and cuts == 0 and self._like.gives_up:
                return
            await pause(self._chance.uniform(0.01, 0.4))

    async def _connect(self, node: Node, reads: int | None) -> tuple[How, str]:
        """One connection; after so many reads the client leaves it."""
        like = self._like
        from_snapshot = like.from_snapshot and self._cursor == 0
        self._note(Opened(self._run, self._name, self._connection, self._cursor, from_snapshot, like.types))
        if like.form == "page":
            return await self._poll(node)
        wire = Wire()
        node.stream(wire, self._run, self._cursor, form=like.form, types=like.types, from_snapshot=from_snapshot)
        self._rest = b""
        try:
            while data := await wire.read(1 << 20 if self.hurry else like.read_bytes):
                self._take(data)
                if self._done_in == self._connection:
                    break
                if like.stalls and self._connection == 1 and not self.hurry:
                    await pause(_STALL_S)
                if reads is not None and (reads := reads - 1) == 0:
                    wire.leave(self._chance.uniform(0.0, 1.0))
                    return "left", ""
                if like.rest_s and not self.hurry:
                    await pause(like.rest_s)
        except BaseException:
            wire.cut()
            self._note(Closed(self._name, self._connection, "stuck"))
            raise
        if self._done_in == self._connection:
            wire.leave(0.0)
            return "end", ""
        if wire.status == 204:
            return "none", ""
        if wire.whole and wire.status:
            return "end", ""
        return self._broken(wire)

    async def _poll(self, node: Node) -> tuple[How, str]:
        """One page, which may take a while; a client that polls is nowhere in between."""
        wait_ms = self._chance.choice((0, 100, 3000))
        try:
            page = await node.call(node.page(self._run, self._cursor, wait_ms, self._chance.choice((1, 10, 1000))))
        except Lost:
            return "cut", ""
        except RefusedError as error:
            return "refused", str(error.code)
        except asyncio.CancelledError:
            self._note(Closed(self._name, self._connection, "stuck"))
            raise
        if not page.payloads:
            return ("none" if page.closed else "end"), ""
        for seq, payload in enumerate(page.payloads, page.after + 1):
            self._had(seq, payload)
        return "end", ""

    def _broken(self, wire: Wire) -> tuple[How, str]:
        task = wire.answering
        if task is not None and task.done() and not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, RefusedError):
                return "refused", str(error.code)
            raise error
        return "cut", ""

    # ── blocks ──────────────────────────────────────────────────────────────────────────────────

    def _take(self, data: bytes) -> None:
        """Only whole blocks count; a client that is cut inside one never saw it."""
        *whole, self._rest = (self._rest + data).split(b"\n" if self._like.form == "ndjson" else b"\n\n")
        for block in whole:
            for seq, payload in self._records(block):
                self._had(seq, payload)

    def _had(self, seq: int, payload: bytes | None) -> None:
        self._note(Got(self._name, self._connection, seq, payload))
        self._cursor = seq
        if payload is not None and _type(payload) in FINAL_TYPES:
            self._done, self._done_in = True, self._connection

    def _records(self, block: bytes) -> Iterator[tuple[int, bytes | None]]:
        if self._like.form == "ndjson":
            if block:
                yield parse(block).seq, block
            return
        seq, payload = None, None
        for line in block.split(b"\n"):
            name, _, value = line.partition(b": ")
            if name == b"id":
                seq = int(value)
            elif name == b"data":
                payload = value
        if seq is not None:
            yield seq, payload


def _type(payload: bytes) -> str:
    try:
        return parse(payload).type
    except msgspec.MsgspecError:
        return ""
