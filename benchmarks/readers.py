"""Five thousand readers of one run: all get all of it, and are back soon after the server was killed.

    python -m benchmarks.readers [--readers 5000] [--out results.jsonl]

The whole product in a process of its own, its log synced; readers are raw connections of this process that check
that each record comes once and in its order, and behave as clients should: a lost connection is taken up again from
the last record, after the time that the server last asked for, or longer where nobody answers.

First a run is read to its end by all. Then another goes on while all read it; the server is killed with -9 and
started again at once. Measured from the moment that its port is open: until the last reader is answered, and until
the last has the run's end. Beside it, as the reference: what the same readers take to join a run at first.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import uvloop

from benchmarks.results import missed, print_table, write_results
from headwater.api.sockets import raise_file_limit

READERS: Final = 5000
TARGET_S: Final = 10.0
#: How long anything may take before it counts as never.
LIMIT_S: Final = 120.0
#: One token each 200 ms: 25,000 writes a second at 5,000 readers.
WORDS: Final = 60
DELAY_MS: Final = 200
#: So many words of the second run have come when the server is killed.
KILLED_AFTER: Final = 25
_IDS: Final = re.compile(rb"^id: (\d+)$", re.MULTILINE)
_RETRY: Final = re.compile(rb"^retry: (\d+)$", re.MULTILINE)
_FINAL: Final = re.compile(rb'"type":"(complete|error|cancelled)"')
_HEAD_END: Final = b"\r\n\r\n"
#: How long a reader waits where the server has not said, at most and on average half of it.
_BACKOFF_S: Final = 1.0


class Crowd:
    """The readers of one run, and what has become of them."""

    def __init__(self, port: int, path: str, count: int) -> None:
        self.port = port
        self.path = path
        self.connections = 0
        self.statuses: dict[int, int] = {}
        self.faults: list[str] = []
        self.readers = [Reader(self) for _ in range(count)]
        #: how many have an answer's head on the connection that they have now
        self.answered = 0
        self.ended = 0
        self._moved = asyncio.Event()

    def join(self) -> None:
        for reader in self.readers:
            reader.connect()

    def moved(self) -> None:
        self._moved.set()

    async def until(self, what: str) -> float:
        """Waits until all are `answered` or `ended`; returns when that was, by the loop's clock."""
        async with asyncio.timeout(LIMIT_S):
            while getattr(self, what) < len(self.readers):
                self._moved.clear()
                await self._moved.wait()
        return asyncio.get_running_loop().time()

    async def until_seq(self, seq: int) -> None:
        """Waits until the first of them has this record; the others are close behind or far, as it comes."""
        async with asyncio.timeout(LIMIT_S):
            while self.readers[0].seq < seq:
                self._moved.clear()
                await self._moved.wait()


class Reader(asyncio.Protocol):
    """One client. A connection's bytes are looked through by line; chunk sizes of HTTP are lines without a meaning."""

    def __init__(self, crowd: Crowd) -> None:
        self.seq = 0
        self.ended = False
        self._crowd = crowd
        self._rest = b""
        self._answered = False
        self._retry_s = _BACKOFF_S
        self._transport: asyncio.Transport | None = None

    def connect(self) -> None:
        task = asyncio.get_running_loop().create_task(self._connect())
        _TASKS.add(task)
        task.add_done_callback(_TASKS.discard)

    async def _connect(self) -> None:
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self, "127.0.0.1", self._crowd.port)
        except OSError:
            self._later()

    def _later(self) -> None:
        # at random, as clients are told to: all at once would be a second blow for the server
        asyncio.get_running_loop().call_later(self._retry_s * random.uniform(0.5, 1.5), self.connect)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._rest, self._answered = b"", False
        self._crowd.connections += 1
        head = f"GET {self._crowd.path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
        last = f"Last-Event-ID: {self.seq}\r\n" if self.seq else ""
        self._transport.write(f"{head}{last}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self._answered:
            if _HEAD_END not in data:
                self._rest = data
                return
            self._answer(int(data[9:12]))
        end = data.rfind(b"\n") + 1
        lines, self._rest = data[:end], data[end:]
        for found in _IDS.finditer(lines):
            seq = int(found[1])
            if seq != self.seq + 1:
                self._crowd.faults.append(f"{seq} after {self.seq}")
            self.seq = seq
        if retry := _RETRY.search(lines):
            self._retry_s = int(retry[1]) / 1000
        if _FINAL.search(lines):
            self._end()
        elif self is self._crowd.readers[0]:
            self._crowd.moved()

    def _answer(self, status: int) -> None:
        self._answered = True
        crowd = self._crowd
        crowd.statuses[status] = crowd.statuses.get(status, 0) + 1
        crowd.answered += 1
        if crowd.answered == len(crowd.readers):
            crowd.moved()

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self._crowd.ended += 1
            if self._crowd.ended == len(self._crowd.readers):
                self._crowd.moved()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered and not self.ended:
            self._crowd.answered -= 1
        if not self.ended:
            self._later()

    def leave(self) -> None:
        if self._transport is not None:
            self._transport.close()


_TASKS: Final[set[asyncio.Task[None]]] = set()


@contextlib.contextmanager
def port_for_a_while() -> Iterator[int]:
    """A port that a server can take and take again; below those that outgoing connections are given."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for port in random.sample(range(20_000, 32_000), 100):
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                break
        else:
            raise RuntimeError("no port is free")
    yield port


def start_server(port: int, directory: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.relay_server", str(port), str(directory), "http://127.0.0.1:9/v1"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def until_open(port: int) -> float:
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.005)  # paces: asks again over a socket
            else:
                writer.close()
                return asyncio.get_running_loop().time()


async def start_run(port: int, words: int) -> str:
    """Starts a simulated answer of so many words; returns the path of its events."""
    script = {"words": words, "delay_ms": DELAY_MS, "format": "plain", "reasoning": False}
    asked = {"model": "simulated", "messages": [{"role": "user", "content": "Hello"}]}
    body = json.dumps({**asked, "settings": {"extra": {"simulated": script}}}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    if not answer.startswith(b"HTTP/1.1 201"):
        raise RuntimeError(f"no run was started: {answer[:300]!r}")
    return f"/api/v1/runs/{json.loads(answer.partition(_HEAD_END)[2])['id']}/events"


async def measure(count: int) -> list[dict[str, object]]:
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory() as directory, port_for_a_while() as port:
        server = start_server(port, Path(directory))
        try:
            await until_open(port)
            crowd = Crowd(port, await start_run(port, WORDS), count)
            began = loop.time()
            crowd.join()
            joined_s = await crowd.until("answered") - began
            await crowd.until("ended")
            check(crowd, "a run to its end")

            crowd = Crowd(port, await start_run(port, 100 * WORDS), count)
            crowd.join()
            await crowd.until("answered")
            await crowd.until_seq(KILLED_AFTER)
            server.kill()
            server.wait()
            server = start_server(port, Path(directory))
            up = await until_open(port)
            await crowd.until("answered")
            back_s = loop.time() - up
            caught_up_s = await crowd.until("ended") - up
            check(crowd, "a run whose server was killed")
        finally:
            server.kill()
            server.wait()
    name = f"{count} readers of one run"
    return [
        {"figure": f"{name}: all joined at first, s (reference)", "least": round(joined_s, 2), "target": None},
        {"figure": f"{name}: all answered after kill -9 and restart, s", "least": round(back_s, 2), "target": TARGET_S},
        {"figure": f"{name}: all have the end after it, s", "least": round(caught_up_s, 2), "target": TARGET_S},
    ]


def check(crowd: Crowd, what: str) -> None:
    """Raises RuntimeError unless all readers had all records once and in order, and no answer was a 5xx."""
    seqs = {reader.seq for reader in crowd.readers}
    statuses = dict(sorted(crowd.statuses.items()))
    print(f"{what}: {len(crowd.readers)} readers, records 1 to {seqs}, {crowd.connections} connections, {statuses}")
    if crowd.faults or len(seqs) != 1 or any(status >= 500 for status in statuses):
        raise RuntimeError(f"{what}: {len(crowd.faults)} faults {crowd.faults[:5]}, tails {seqs}, {statuses}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=READERS)
    parser.add_argument("--out", type=Path, help="append the results as JSON lines")
    asked = parser.parse_args()
    raise_file_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(measure(asked.readers))
    print_table(results)
    write_results(asked.out, results)
    return missed(results)


if __name__ == "__main__":
    sys.exit(main())
