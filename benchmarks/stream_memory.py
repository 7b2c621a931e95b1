"""What a model call that is under way costs in memory: the server's own memory before and after so many began.

    python -m benchmarks.stream_memory [--out results.jsonl]

The whole product, in a process of its own, and a provider that sends each of `STREAMS` answers a token a second; nobody
reads them, so that what is counted is the call, the run around it and its log. Beside it, in the same run: as many
streams read by OpenAI's SDK. Bytes per stream; the kernel's own are not in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp

from benchmarks.memory import main, resident
from benchmarks.relay_server import MODEL

TARGET_BYTES: Final = 64 << 10
STREAMS: Final = 400
#: These come first and are not counted: what they need is needed once.
WARM: Final = 50
#: So many tokens each stream has had when memory is looked at.
TOKENS: Final = 3
START_S: Final = 60.0

_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_EVENT: Final = b'data: {"choices":[{"index":0,"delta":{"content":" token"}}]}\n\n'

#: The reference: reads so many streams by OpenAI's SDK, a first few before the others, and says when they are there.
_SDK: Final = """
import asyncio, sys, openai
async def read(client):
    stream = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True)
    async for _ in stream:
        pass
async def main(url, *counts):
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        tasks = []
        for count in counts:
            tasks += [asyncio.create_task(read(client)) for _ in range(int(count))]
            print(len(tasks), flush=True)
            await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main(*sys.argv[1:]))
"""


class Provider:
    """Streams for ever to whoever asks; how many tokens have been sent is `sent`."""

    def __init__(self) -> None:
        self.sent = 0
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._answer, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_HEAD)
            while True:
                writer.write(b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT))
                await writer.drain()
                self.sent += 1
                await asyncio.sleep(1)  # paces: a token a second

    def wait_for(self, tokens: int) -> None:
        until = time.monotonic() + START_S
        while self.sent < tokens:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.sent} of {tokens} tokens were sent")
            time.sleep(0.05)  # paces: the tokens come by themselves


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


async def start_runs(port: int, count: int) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def start() -> None:
            async with session.post("/api/v1/runs", json=body) as answer:
                answer.raise_for_status()

        await asyncio.gather(*(start() for _ in range(count)))


def headwater() -> float:
    provider, port = Provider(), free_port()
    with (
        tempfile.TemporaryDirectory() as data,
        process("-m", "benchmarks.relay_server", str(port), data, provider.url) as server,
    ):
        assert server.stdout is not None
        server.stdout.readline()
        asyncio.run(start_runs(port, WARM))
        provider.wait_for(WARM * TOKENS)
        before = resident(server.pid)
        asyncio.run(start_runs(port, STREAMS))
        provider.wait_for(provider.sent + (WARM + STREAMS) * TOKENS)
        return (resident(server.pid) - before) / STREAMS


def sdk() -> float:
    provider = Provider()
    with process("-c", _SDK, provider.url, str(WARM), str(STREAMS)) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdout.readline()
        provider.wait_for(WARM * TOKENS)
        before = resident(client.pid)
        client.stdin.write(os.linesep)
        client.stdin.flush()
        client.stdout.readline()
        provider.wait_for(provider.sent + (WARM + STREAMS) * TOKENS)
        return (resident(client.pid) - before) / STREAMS


def measure() -> list[dict[str, object]]:
    ways = (("headwater", headwater, TARGET_BYTES), ("reference: OpenAI's SDK", sdk, None))
    return [
        {
            "figure": "memory per active upstream stream, bytes",
            "way": name,
            "streams": STREAMS,
            "least": round(of()),
            "target": target,
        }
        for name, of, target in ways
    ]


if __name__ == "__main__":
    sys.exit(main(measure, __doc__))
