"""Fault 29: the power goes at any moment, and whatever any reader had seen is there afterwards.

kill -9 can not show this: the kernel keeps what a dead process wrote. So a shim records what the engine
writes and syncs, images of the disk are built from that for many moments, and each is opened.
`HEADWATER_POWER_CUTS` is the number of moments, `HEADWATER_SEED` repeats a run.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.storage.sqlite import SqliteStorage
from headwater.testing.log_contract import read_all
from tests.power.disk import LOSSES, Disk
from tests.power.driver import payload
from tests.power.trace import Kind, Operation, build_shim, read_trace, traced, unsynced_sends

CUTS = int(os.environ.get("HEADWATER_POWER_CUTS", "40"))
RECORDS = 6000

pytestmark = [pytest.mark.linux, pytest.mark.heavy, pytest.mark.slow, pytest.mark.timeout(600)]


class Recorded:
    """One run of the driver."""

    def __init__(self, directory: Path, durability: str, seed: int) -> None:
        self.root = directory / "disk"
        self.root.mkdir()
        self.acks = self.root / "acks"
        trace = directory / "trace"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.power.driver",
                self.root / "data",
                self.acks,
                durability,
                str(seed),
                str(RECORDS),
            ],
            env=traced(build_shim(directory), trace, self.root),
            cwd=Path(__file__).parents[2],
            check=True,
            timeout=120,
        )
        self.operations = list(read_trace(trace))

    def is_promise(self, operation: Operation) -> bool:
        return operation.kind == Kind.WRITE and operation.path == str(self.acks)


class Promises:
    """What was told to readers so far."""

    def __init__(self) -> None:
        self.created: set[str] = set()
        self.tails: dict[str, int] = {}
        self.ended: set[str] = set()

    def hear(self, line: str) -> None:
        match line.split():
            case ["created", run]:
                self.created.add(run)
            case ["visible" | "ended" as what, run, tail]:
                assert int(tail) >= self.tails.get(run, 0)
                self.tails[run] = int(tail)
                if what == "ended":
                    self.ended.add(run)

    async def broken(self, image: Path) -> list[str]:
        """Opens an image and says what was promised and is not there, or is there and is not what was written."""
        wrong: list[str] = []
        storage = SqliteStorage(image, reserve_bytes=4096)
        await storage.open()
        for run in self.created:
            if await storage.runs.get(run) is None:
                wrong.append(f"{run} is lost")
        for run, tail in sorted(self.tails.items()):
            try:
                state = await storage.log.state(run)
                found = await read_all(storage.log, run)
            except Exception as error:
                wrong.append(f"{run} can not be read: {error!r}")
                continue
            if state.tail < tail or len(found) < tail:
                wrong.append(f"{run} ends at {len(found)}, but {tail} was visible")
            if found != [payload(run, seq) for seq in range(1, len(found) + 1)]:
                wrong.append(f"{run} holds something else than was written")
            if run in self.ended and not state.closed:
                wrong.append(f"{run} had ended and is open")
        await storage.close()
        return wrong


async def cut(recorded: Recorded, count: int, dice: random.Random, directory: Path) -> dict[str, list[str]]:
    """Cuts the power so many times; the cuts that broke a promise, each with what was broken."""
    operations = recorded.operations
    promises_at = [at for at, operation in enumerate(operations) if recorded.is_promise(operation)]
    # Half of the moments are right after a promise, where it is broken most easily.
    moments = sorted(
        dice.choice(promises_at) + 1 if number % 2 else dice.randrange(len(operations)) for number in range(count)
    )
    disk, promises, broken, done = Disk(recorded.root), Promises(), dict[str, list[str]](), 0
    for number, moment in enumerate(moments):
        for operation in operations[done:moment]:
            disk.apply(operation)
            if recorded.is_promise(operation):
                promises.hear(operation.data.decode())
        done = moment
        name, loss = list(LOSSES.items())[number % len(LOSSES)]
        image = directory / f"image{number}"
        disk.image(image, dice, loss)
        wrong = await promises.broken(image / "data")
        if wrong:
            broken[f"cut {number}, at {moment} of {len(operations)}, {name}"] = wrong
    return broken


async def test_what_was_visible_survives_a_power_cut(tmp_path: Path, seeded: random.Random) -> None:
    recorded = Recorded(tmp_path, "power", seeded.randrange(2**32))
    checkpoints = [
        operation for operation in recorded.operations if operation.kind == Kind.SYNC and operation.path.endswith(".db")
    ]
    assert len(checkpoints) > 2, "the cuts have to meet checkpoints too"
    assert await cut(recorded, CUTS, seeded, tmp_path) == {}


async def test_the_test_finds_what_is_not_synced(tmp_path: Path, seeded: random.Random) -> None:
    """`durability = "process"` does not sync its commits: if the cuts did not show it, they would show nothing."""
    recorded = Recorded(tmp_path, "process", seeded.randrange(2**32))
    assert await cut(recorded, 12, seeded, tmp_path)


def test_nothing_is_visible_before_the_sync_that_covers_it(tmp_path: Path, seeded: random.Random) -> None:
    """I1 in the trace itself: the record's write, a sync of that file, and only then the word that it is there."""
    for durability in ("power", "process"):
        directory = tmp_path / durability
        directory.mkdir()
        recorded = Recorded(directory, durability, seeded.randrange(2**32))
        wrong = early_promises(recorded)
        if durability == "power":
            assert wrong == {}
        else:
            assert wrong, "the check has to find a commit that is not synced"


def early_promises(recorded: Recorded) -> dict[bytes, str]:
    """The records that a reader was told of before a sync covered them."""
    told: list[Operation] = []
    seen: dict[str, int] = {}
    for operation in recorded.operations:
        if recorded.is_promise(operation):
            what, *run_and_tail = operation.data.decode().split()
            if what in {"visible", "ended"}:
                run, tail = run_and_tail
                new = [f"<{run}:{seq}>".encode() for seq in range(seen.get(run, 0) + 1, int(tail) + 1)]
                seen[run] = int(tail)
                operation = operation._replace(data=b"".join(new))
        told.append(operation)
    assert sum(seen.values()) > RECORDS // 2
    return unsynced_sends(told, re.compile(rb"<run\d+:\d+>"), to=str(recorded.acks))
