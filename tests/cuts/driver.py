"""The client under test, as a process that follows runs when it is told to.

Any language can be driven: a line of JSON on stdin is a reading to make, and a line of JSON on stdout is what came of
it. Readings go on side by side, and answers come in any order. The process ends with its stdin.

    → {"id": 1, "url": "http://127.0.0.1:40123", "via": "sse", "heartbeat_ms": 400, "haste": 1000, "runs": ["run_…"]}
    → {"id": 2, "url": "http://127.0.0.1:40124", "via": "sse", "heartbeat_ms": 400, "haste": 1000, "start": {…}}
    ← {"id": 1, "given": 1}
    ← {"id": 1, "shown": [{"run": "run_…", "records": [{"seq": 1, …}, …]}], "error": null}
    ← {"id": 2, "shown": [{"run": null, "records": []}], "error": {"name": …, "code": "MAX_RETRIES_EXCEEDED"}}

Each of `runs` is followed from its first record; `start` is a request, whose run is started and followed. `via` is how
the client reads. A silence of 2.5 × `heartbeat_ms` is a dead connection, and each wait before a new try is divided by
`haste`. `given` is said at each record that a caller is given, before anything else is done: how many there were.
With `chat` the runs are of that chat of the AI SDK's.
`records` are those that a caller was given, in that order, each as the protocol's JSON; there may be several callers
(`tabs`), of which one that was closed on purpose, after `leave_after` records, has `"left": true`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.web.node import CLIENT
from tools.pages import NODE

#: Of one line: a reading's records.
LINE_BYTES_MAX = 16 * 1024 * 1024


class Driver:
    """Such a process; all readings end with the `async with`."""

    def __init__(self, command: Sequence[str | Path], directory: Path) -> None:
        self._command = command
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: dict[int, tuple[asyncio.Future[dict[str, Any]], Callable[[], None]]] = {}
        self._hearing: asyncio.Task[None] | None = None
        #: readings so far
        self.asked = 0

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, cwd=self._directory, limit=LINE_BYTES_MAX
        )
        self._hearing = asyncio.create_task(self._hear())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._hearing is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await asyncio.wait([self._hearing])

    async def read(self, *, given: Callable[[], None] = lambda: None, **reading: Any) -> dict[str, Any]:
        """What came of a reading; `given` is called at each record. Raises AssertionError where the process ended."""
        assert self._process is not None
        assert self._process.stdin is not None
        self.asked += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self.asked] = answer, given
        self._process.stdin.write(json.dumps({"id": self.asked, **reading}).encode() + b"\n")
        await self._process.stdin.drain()
        return await answer

    async def _hear(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            waiting, given = self._waiting[answer["id"]]
            if "given" in answer:
                given()
                continue
            del self._waiting[answer["id"]]
            if not waiting.cancelled():
                waiting.set_result(answer)
        for waiting, _ in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(AssertionError("the client's process ended in the middle of its readings"))


class Client(NamedTuple):
    """A client there is: the command that drives it, and the ways in which it reads.

    `many` is several runs over one connection, `tabs` two tabs of a browser that share one, until the first is closed.
    `ai-sdk` is our transport for `useChat`, which is shown parts of the AI SDK's stream in the place of records.
    """

    command: list[str | Path]
    vias: tuple[str, ...]


CLIENTS: dict[str, Client] = {
    "python": Client([sys.executable, "-m", "tests.cuts.python_client"], ("sse", "ndjson", "websocket", "long-poll")),
    "typescript": Client(
        [NODE, CLIENT / "test" / "cuts.ts"], ("sse", "ndjson", "websocket", "long-poll", "many", "tabs", "ai-sdk")
    ),
}
