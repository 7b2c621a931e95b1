"""What an append costs: CPU per token at 10,000 tokens/s from 200 runs, all threads and the kernel counted.

    python -m benchmarks.append [--seconds 1] [--rounds 5] [--directory DIR] [--out results.jsonl]

Each token is a record and an append of its own; the driver wakes every `--tick-ms`. Beside ours, in the
same run, round by round:

- *no log*: the same driver, and nothing that keeps anything: what the driver and its waking up cost.
- *raw file*: the same driver and rhythm, but what a tick brought is one `pwrite` and one `fdatasync` by
  another thread, over blocks that are there already: the least that this disk costs at this rhythm.

`us` is without the driver's share; `user` is the part of it outside the kernel. How long the disk's own
fsync takes stands beside. `steady` is the same engine given 1,000 tokens at a time without pauses: what
the code costs when neither waking up nor the sync is shared by few. Then from 1 to 500 runs at the same
rate, and the first records of a run against those after 100,000.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import queue
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import uvloop

from benchmarks.results import missed, print_table, write_results
from headwater.domain.event import Chunk, encode_record
from headwater.storage.contract import Commit
from headwater.storage.sqlite import SqliteStorage

TARGET_US: Final = 1.5
FLAT_RATIO: Final = 1.3
RATE: Final = 10_000
RUNS: Final = 200
LONG: Final = 100_000
WORDS: Final = ("The", " run", " outlives", " its", " connection", ",", " token", " by", " token", ".")


class Cpu(NamedTuple):
    """CPU seconds of the whole process."""

    user: float
    system: float

    @classmethod
    def now(cls) -> Cpu:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return cls(usage.ru_utime, usage.ru_stime)

    def since(self, start: Cpu) -> Cpu:
        return Cpu(self.user - start.user, self.system - start.system)


class Spent(NamedTuple):
    """µs of CPU per token in one round."""

    user: float
    system: float

    @property
    def us(self) -> float:
        return self.user + self.system


class Appends(Protocol):
    """As much of a log as the driver needs."""

    def append(self, run: str, after: int, payloads: Sequence[bytes], epoch: int) -> Commit | None: ...


class NoLog:
    """Keeps nothing."""

    def append(self, run: str, after: int, payloads: Sequence[bytes], epoch: int) -> Commit | None:
        return None


class RawFile:
    """Writes what a tick brought with one `pwrite` and one `fdatasync`, in another thread."""

    SIZE: Final = 16 << 20

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(self._file, bytes(self.SIZE), 0)
        os.fsync(self._file)
        self._group: list[Sequence[bytes]] = []
        self._jobs: queue.SimpleQueue[list[Sequence[bytes]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        self.seconds: list[float] = []

    def append(self, run: str, after: int, payloads: Sequence[bytes], epoch: int) -> Commit | None:
        if not self._group:
            asyncio.get_running_loop().call_soon(self._send)
        self._group.append(payloads)
        return None

    def _send(self) -> None:
        self._jobs.put(self._group)
        self._group = []

    def _work(self) -> None:
        place = 0
        while (group := self._jobs.get()) is not None:
            data = b"".join(payload for payloads in group for payload in payloads)
            start = time.perf_counter()
            os.pwrite(self._file, data, place)
            os.fdatasync(self._file)
            self.seconds.append(time.perf_counter() - start)
            place = (place + len(data)) % (self.SIZE - (1 << 20))

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()
        os.close(self._file)


class Drive(NamedTuple):
    """A rhythm: so many tokens from so many runs at each tick; a tick of 0 waits for nothing but the log."""

    a_tick: int
    tick_s: float
    seconds: float


_RECORDS: Final = [encode_record(seq, 1234, Chunk(WORDS[seq % len(WORDS)], 0)) for seq in range(1000)]


async def drive(log: Appends, rhythm: Drive, tails: dict[str, int]) -> Spent:
    """Appends one record at a time, the runs taking turns, and waits for the last receipt."""
    names, runs = list(tails), len(tails)
    loop = asyncio.get_running_loop()
    tokens, receipt = 0, None
    start, due = Cpu.now(), loop.time()
    end = due + rhythm.seconds
    while due < end:
        if rhythm.tick_s:
            due += rhythm.tick_s
            await asyncio.sleep(max(0.0, due - loop.time()))
        else:
            due = loop.time()
            if receipt is not None:
                await receipt
        for turn in range(tokens, tokens + rhythm.a_tick):
            run = names[turn % runs]
            seq = tails[run]
            receipt = log.append(run, seq, (_RECORDS[seq % 1000],), 1)
            tails[run] = seq + 1
        tokens += rhythm.a_tick
    if receipt is not None:
        await receipt
    spent = Cpu.now().since(start)
    return Spent(spent.user / tokens * 1e6, spent.system / tokens * 1e6)


class Subject(NamedTuple):
    """What is measured: the sum of its runs' tokens is always the same."""

    name: str
    runs: int = RUNS
    #: records that the runs have before the round begins
    before: int = 0
    steady: bool = False


NO_LOG, RAW, MAIN, STEADY = (
    Subject("no log"), Subject("raw file"), Subject("sqlite"), Subject("sqlite, steady", steady=True)
)  # fmt: skip
ONE, MANY, LONG_RUN = Subject("sqlite", 1), Subject("sqlite", 500), Subject("sqlite, after 100,000 records", 1, LONG)
SUBJECTS: Final = (NO_LOG, RAW, MAIN, STEADY, ONE, MANY, LONG_RUN)


async def with_sqlite(
    directory: Path, interval_ms: float, subject: Subject, work: Callable[[Appends, dict[str, int]], Awaitable[Spent]]
) -> Spent:
    """Gives the work an engine in a fresh directory, with the records that are to be there before."""
    shutil.rmtree(directory, ignore_errors=True)
    tails = {f"run_{number:032x}": subject.before for number in range(subject.runs)}
    if subject.before:
        storage = SqliteStorage(directory)
        await storage.open()
        for run in tails:
            await storage.log.claim(run, 1)
            for after in range(0, subject.before, 1000):
                await storage.log.append(run, after, _RECORDS, 1)
        # Another engine finds them on the disk, as they are some time later.
        await storage.close()
    storage = SqliteStorage(directory, commit_interval_ms=interval_ms)
    await storage.open()
    epoch = 2 if subject.before else 1
    await asyncio.gather(*(storage.log.claim(run, epoch) for run in tails))
    append = storage.log.append

    class Log:
        def append(self, run: str, after: int, payloads: Sequence[bytes], epoch_: int) -> Commit:
            return append(run, after, payloads, epoch)

    spent = await work(Log() if subject.before else storage.log, tails)
    await storage.close()
    return spent


async def one_round(subject: Subject, arguments: argparse.Namespace, directory: Path, fsyncs: list[float]) -> Spent:
    tick_s = arguments.tick_ms / 1000
    rhythm = (
        Drive(1000, 0.0, arguments.seconds)
        if subject.steady
        else Drive(round(RATE * tick_s), tick_s, arguments.seconds)
    )

    async def work(log: Appends, tails: dict[str, int]) -> Spent:
        await drive(log, rhythm._replace(seconds=0.3), tails)
        return await drive(log, rhythm, tails)

    names = {f"run_{number:032x}": 0 for number in range(RUNS)}
    if subject is NO_LOG:
        return await work(NoLog(), names)
    if subject is RAW:
        raw = RawFile(directory / "raw")
        spent = await work(raw, names)
        raw.close()
        fsyncs += raw.seconds
        return spent
    return await with_sqlite(directory / "data", 0.0 if subject.steady else arguments.interval_ms, subject, work)


def report(rounds: dict[Subject, list[Spent]], fsyncs: list[float]) -> list[dict[str, object]]:
    """Median and least of the rounds, without the driver's share."""
    results: list[dict[str, object]] = []
    driver = {field: [getattr(spent, field) for spent in rounds[NO_LOG]] for field in ("us", "user")}
    for subject, spents in rounds.items():
        share = 0.0 if subject in {NO_LOG, STEADY} else 1.0
        us = [spent.us - share * statistics.median(driver["us"]) for spent in spents]
        user = [spent.user - share * statistics.median(driver["user"]) for spent in spents]
        results.append(
            {
                "figure": f"append: {subject.name}",
                "runs": subject.runs,
                "us": round(statistics.median(us), 2),
                "least": round(min(us), 2),
                "user": round(statistics.median(user), 2),
                "target": TARGET_US if subject in {MAIN, STEADY} else None,
                "fsync_p50_us": round(statistics.median(fsyncs) * 1e6) if subject is RAW else None,
            }
        )
    for name, more, less in (("500 runs to 1", MANY, ONE), ("after 100,000 records to before", LONG_RUN, ONE)):
        ratio = min(spent.us for spent in rounds[more]) / min(spent.us for spent in rounds[less])
        results.append({"figure": f"append: {name}, ratio", "runs": more.runs, "us": None, "least": round(ratio, 2),
                        "user": None, "target": FLAT_RATIO, "fsync_p50_us": None})  # fmt: skip
    return results


async def measure(arguments: argparse.Namespace, directory: Path) -> list[dict[str, object]]:
    """Every subject in each round: a disturbance of the machine then meets one round of each, not all of one."""
    rounds: dict[Subject, list[Spent]] = {subject: [] for subject in SUBJECTS}
    fsyncs: list[float] = []
    for _ in range(arguments.rounds):
        for subject in SUBJECTS:
            rounds[subject].append(await one_round(subject, arguments, directory, fsyncs))
    return report(rounds, fsyncs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each round of each figure takes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tick-ms", type=float, default=4.0, help="how often the driver wakes")
    parser.add_argument("--interval-ms", type=float, default=4.0, help="the engine's commit_interval_ms")
    parser.add_argument("--directory", type=Path, help="where to write; default: a temporary directory")
    parser.add_argument("--out", type=Path, help="append raw results as JSON lines")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        results = uvloop.run(measure(arguments, Path(directory)))
    print_table(results)
    write_results(arguments.out, results)
    return missed(results)


if __name__ == "__main__":
    sys.exit(main())
