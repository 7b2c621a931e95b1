"""How long a client that is 10,000 records behind waits for the last of them, over a real socket.

    python -m benchmarks.resume [--out results.jsonl]

The whole product answers, in a process of its own: a run that goes on, and one that ended and is on the disk only.
Beside it, in the same run: the kernel sending a file of the same bytes. Milliseconds from the request to the last byte.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.results import missed, print_table, write_results

TARGET_MS: Final = 100.0
RECORDS: Final = 10_000
ROUNDS: Final = 15
WAYS: Final = {
    "headwater-live": "headwater, the run goes on",
    "headwater-ended": "headwater, the run has ended",
    "file": "reference: a file of the same bytes",
}


@contextlib.contextmanager
def server(way: str, records: int) -> Iterator[tuple[int, str, int]]:
    """Its port, the run's path, and the process's id."""
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.delivery_server", way, directory, str(records)], stdout=subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            port, run = process.stdout.readline().split()
            yield int(port), f"/api/v1/runs/{run.decode()}/events", process.pid
        finally:
            process.kill()
            process.communicate()


def wait_for(port: int, path: str, last: bytes) -> float:
    """Milliseconds from the request to the end of the block that begins with `last`."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
        began = time.perf_counter()
        connection.sendall(request)
        tail = b""
        while not (last in tail and b"\n\n" in tail.partition(last)[2]):
            piece = connection.recv(262_144)
            if not piece:
                raise ConnectionError(f"the answer ended before {last!r}: {tail[-200:]!r}")
            tail = tail[-400:] + piece
        return (time.perf_counter() - began) * 1000


def measure() -> list[dict[str, object]]:
    results: list[dict[str, object]] = []
    with contextlib.ExitStack() as stack:
        servers = {way: stack.enter_context(server(way, RECORDS)) for way in WAYS}
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        last = b"id: %d\n" % RECORDS
        for _ in range(ROUNDS):
            for way, (port, path, _) in servers.items():
                times[way].append(wait_for(port, path, last))
    for way, name in WAYS.items():
        results.append(
            {
                "figure": f"resume {RECORDS} records behind, ms to the last byte",
                "way": name,
                "first": round(times[way][0], 1),
                "median": round(statistics.median(times[way]), 1),
                "least": round(min(times[way]), 1),
                "most": round(max(times[way]), 1),
                "target": None if way == "file" else TARGET_MS,
            }
        )
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="append the results as JSON lines")
    asked = parser.parse_args()
    results = measure()
    print_table(results)
    write_results(asked.out, results)
    return missed(results)


if __name__ == "__main__":
    sys.exit(main())
