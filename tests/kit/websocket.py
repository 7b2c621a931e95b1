"""A WebSocket client for tests: the `websockets` package's own, with words for what our messages mean."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect


class Socket:
    """An open socket. What has come is kept: records by run, ends by run, answers by id."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.records: dict[str, list[dict[str, Any]]] = {}
        self.ends: dict[str, dict[str, Any]] = {}
        #: the cursor that a message without a record said
        self.cursors: dict[str, int] = {}
        self.answers: dict[Any, dict[str, Any]] = {}
        self.others: list[dict[str, Any]] = []
        self._ids = 0

    async def more(self) -> dict[str, Any]:
        """The next message. Raises ConnectionClosed."""
        text = await self.connection.recv()
        assert isinstance(text, str)
        message: dict[str, Any] = json.loads(text)
        match message:
            case {"run": run, "record": record}:
                self.records.setdefault(run, []).append(record)
            case {"run": run, "after": cursor}:
                self.cursors[run] = cursor
            case {"run": run, "end": end}:
                self.ends[run] = end
            case {"id": id, "ok": _} | {"id": id, "error": _}:
                self.answers[id] = message
            case _:
                self.others.append(message)
        return message

    async def send(self, op: str, **members: Any) -> int:
        self._ids += 1
        await self.connection.send(json.dumps({"id": self._ids, "op": op, **members}))
        return self._ids

    async def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """The answer: with `ok`, or with `error`."""
        id = await self.send(op, **members)
        await self.until(lambda: id in self.answers)
        return self.answers[id]

    async def done(self, op: str, **members: Any) -> dict[str, Any]:
        """What `ok` holds."""
        answer = await self.ask(op, **members)
        assert "ok" in answer, answer
        ok: dict[str, Any] = answer["ok"]
        return ok

    async def refused(self, op: str, **members: Any) -> dict[str, Any]:
        """The problem."""
        answer = await self.ask(op, **members)
        assert "error" in answer, answer
        problem: dict[str, Any] = answer["error"]
        return problem

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self.more()

    async def ended(self, *runs: str) -> None:
        await self.until(lambda: all(run in self.ends for run in runs))

    def seqs(self, run: str) -> list[int]:
        return [record["seq"] for record in self.records.get(run, [])]


@asynccontextmanager
async def socket_to(port: int, **options: Any) -> AsyncIterator[Socket]:
    """A socket to the server on this port."""
    options = {"compression": None, "proxy": None, "max_size": None, **options}
    async with connect(f"ws://127.0.0.1:{port}/api/v1/ws", **options) as connection:
        yield Socket(connection)
