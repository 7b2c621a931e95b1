"""What an append costs: CPU per token at 10,000 tokens/s from 200 runs, all threads and the kernel counted.

    python -m benchmarks.append [--seconds 1] [--rounds 5] [--directory DIR] [--out results.jsonl]

Each token is a record and an append of its own; the driver wakes every `--tick-ms`. Beside ours, in the
same run, round by round:

- *driver*: the same driver, and nothing that keeps anything: what the driver and its waking up cost.
- *raw file*: the same driver and rhythm, but what a tick brought is one `pwrite` and one `fdatasync` by
  another thread, over blocks that are there already: the least that this disk costs at this rhythm.

The columns, in µs of CPU a token: `total`; `us`, without the driver's share (it alone is held to the
target); `least`, that of the best round; `ours`, beyond the driver and the raw file both; `user`, the part
of `us` outside the kernel. How long the disk's own fsync takes stands beside.

`steady` is the same engine given 1,000 tokens at a time without pauses: what the code costs when neither
waking up nor the sync is shared by few; the driver and the raw file are measured in that rhythm too. Then
from 1 to 500 runs at the same rate, and the first records of a run against those after 100,000.
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
from typing import Final, Literal, NamedTuple, Protocol

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

    def append(self, run: str, after: int, payloads: Sequence[bytes], epoch: int) -> Commit: ...


class NoLog:
    """Keeps nothing."""

    def append(self, run: str, after: int, payloads: Sequence[bytes], epoch: int) -> Commit:
        return _DONE


_DONE: Final = Commit()
_DONE.resolve()


class RawFile:
    """Writes what a tick brought with one `pwrite` and one `fdatasync`, in another thread."""

    SIZE: Final = 16 << 20

    def __init__(self, path: Path, answers: bool) -> None:
        #: whether somebody waits for each receipt: telling wakes the loop, and is not the disk's
        self._answers = answers
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(self._file, bytes(self.SIZE), 0)
        os.fsync(self._file)
        self._loop = asyncio.get_running_loop()
        self._group: list[Sequence[bytes]] = []
        self._receipt = Commit()
        self._jobs: queue.SimpleQueue[tuple[list[Sequence[bytes]], Commit] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        self.seconds: list[float] = []

    def append(self, run: str, after: int, payloads: Sequence[bytes], epoch: int) -> Commit:
        if not self._group:
            self._loop.call_soon(self._send)
        self._group.append(payloads)
        return self._receipt if self._answers else _DONE

    def _send(self) -> None:
        self._jobs.put((self._group, self._receipt))
        self._group, self._receipt = [], Commit()

    def _work(self) -> None:
        place = 0
        while (job := self._jobs.get()) is not None:
            group, receipt = job
            data = b"".join(payload for payloads in group for payload in payloads)
            start = time.perf_counter()
            os.pwrite(self._file, data, place)
            os.fdatasync(self._file)
            self.seconds.append(time.perf_counter() - start)
            if self._answers:
                self._loop.call_soon_threadsafe(receipt.resolve)
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
    what: Literal["driver", "raw file", "sqlite"] = "sqlite"
    runs: int = RUNS
    #: records that the runs have before the round begins
    before: int = 0
    steady: bool = False


MAIN, STEADY = Subject("sqlite"), Subject("sqlite, steady", steady=True)
ONE, MANY, LONG_RUN = (
    Subject("sqlite", runs=1),
    Subject("sqlite", runs=500),
    Subject("sqlite, after 100,000 records", runs=1, before=LONG),
)
#: what the others are held against, by whether they are steady
DRIVER: Final = {False: Subject("driver", "driver"), True: Subject("driver, steady", "driver", steady=True)}
RAW: Final = {False: Subject("raw file", "raw file"), True: Subject("raw file, steady", "raw file", steady=True)}
SUBJECTS: Final = (DRIVER[False], RAW[False], MAIN, DRIVER[True], RAW[True], STEADY, ONE, MANY, LONG_RUN)


#: seconds of each sync of a raw file
Fsyncs = dict[Subject, list[float]]


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


async def one_round(subject: Subject, arguments: argparse.Namespace, directory: Path, fsyncs: Fsyncs) -> Spent:
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
    if subject.what == "driver":
        return await work(NoLog(), names)
    if subject.what == "raw file":
        raw = RawFile(directory / "raw", answers=subject.steady)
        spent = await work(raw, names)
        raw.close()
        fsyncs[subject] += raw.seconds
        return spent
    return await with_sqlite(directory / "data", 0.0 if subject.steady else arguments.interval_ms, subject, work)


def _median(spents: list[Spent]) -> Spent:
    return Spent(statistics.median(spent.user for spent in spents), statistics.median(spent.system for spent in spents))


def report(rounds: dict[Subject, list[Spent]], fsyncs: Fsyncs) -> list[dict[str, object]]:
    """Medians of the rounds; what is ours is taken round by round, as a noisy machine makes whole rounds dear."""
    results: list[dict[str, object]] = []
    for subject, spents in rounds.items():
        of_driver, of_raw = rounds[DRIVER[subject.steady]], rounds[RAW[subject.steady]]
        driver = Spent(0.0, 0.0) if subject.what == "driver" else _median(of_driver)
        ours = statistics.median(spent.us - raw.us for spent, raw in zip(spents, of_raw, strict=True))
        results.append(
            {
                "figure": f"append: {subject.name}",
                "runs": subject.runs,
                "total": round(statistics.median(spent.us for spent in spents), 2),
                "us": round(statistics.median(spent.us for spent in spents) - driver.us, 2),
                "least": round(min(spent.us for spent in spents) - driver.us, 2),
                "ours": round(ours, 2) if subject.what == "sqlite" else None,
                "user": round(_median(spents).user - driver.user, 2),
                "target": TARGET_US if subject in {MAIN, STEADY} else None,
                "fsync_p50_us": round(statistics.median(fsyncs[subject]) * 1e6) if subject in fsyncs else None,
            }
        )
    for name, more, less in (("500 runs to 1", MANY, ONE), ("after 100,000 records to before", LONG_RUN, ONE)):
        ratio = min(spent.us for spent in rounds[more]) / min(spent.us for spent in rounds[less])
        ratios = {"figure": f"append: {name}, ratio", "least": round(ratio, 2), "target": FLAT_RATIO, "runs": more.runs}
        results.append({column: ratios.get(column) for column in results[0]})
    return results


async def measure(arguments: argparse.Namespace, directory: Path) -> list[dict[str, object]]:
    """Every subject in each round: a disturbance of the machine then meets one round of each, not all of one."""
    rounds: dict[Subject, list[Spent]] = {subject: [] for subject in SUBJECTS}
    fsyncs: Fsyncs = {raw: [] for raw in RAW.values()}
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
