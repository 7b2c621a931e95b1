"""What a reader that waits costs in memory, the log excluded: the server's resident size before and after they came.

    python -m benchmarks.reader_memory [--out results.jsonl]

The whole product, in a process of its own; readers of one run that says nothing. Beside it, in the same run:
Starlette's StreamingResponse under plain uvicorn with as many. Bytes per reader; the kernel's own are not in it.
"""

from __future__ import annotations

import socket
import sys
from typing import Final

from benchmarks.memory import main, resident
from benchmarks.resume import server

TARGET_BYTES: Final = 30_000
READERS: Final = 2000
#: These come first and are not counted: what they need is needed once.
WARM: Final = 100


def join(port: int, path: str, count: int) -> list[socket.socket]:
    """So many readers, each of which has had the first bytes of its answer."""
    readers = []
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
    for _ in range(count):
        reader = socket.create_connection(("127.0.0.1", port))
        reader.sendall(request)
        readers.append(reader)
    for reader in readers:
        seen = b""
        while b": ok\n\n" not in seen:
            seen += reader.recv(4096)
    return readers


def measure() -> list[dict[str, object]]:
    results: list[dict[str, object]] = []
    for way, name in (("headwater-live", "headwater"), ("starlette", "reference: Starlette's StreamingResponse")):
        with server(way, 10) as (port, path, pid):
            readers = join(port, path, WARM)
            before = resident(pid)
            readers += join(port, path, READERS)
            each = (resident(pid) - before) / READERS
            for reader in readers:
                reader.close()
        results.append(
            {
                "figure": "memory per idle reader, bytes",
                "way": name,
                "readers": READERS,
                "least": round(each),
                "target": TARGET_BYTES if way == "headwater-live" else None,
            }
        )
    return results


if __name__ == "__main__":
    sys.exit(main(measure, __doc__))
