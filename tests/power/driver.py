"""The process whose power is cut: several runs append, and what became visible is told to a file.

    python -m tests.power.driver DATA ACKS DURABILITY SEED RECORDS

Each line of ACKS is one promise: `opened`, `created RUN`, `visible RUN TAIL`, `ended RUN TAIL`.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from headwater.domain.run import LOCAL_OWNER, Run, RunRequest
from headwater.storage.backlog import Backlog
from headwater.storage.sqlite import Durability, SqliteStorage

RUNS = 8


def payload(run: str, seq: int) -> bytes:
    """A record that tells whose it is. It says so twice: the end of a database page may cut one in two."""
    dice = random.Random(f"{run}:{seq}")
    return f"<{run}:{seq}>".encode() * 2 + dice.randbytes(dice.choice((0, 20, 100, 100, 900)))


async def main(data: Path, acks: int, durability: Durability, seed: int, records: int) -> None:
    def tell(line: str) -> None:
        os.write(acks, line.encode() + b"\n")

    # Little goes into the journal before it is written out, so that every way of writing is cut.
    storage = SqliteStorage(
        data, durability=durability, backlog=Backlog(40_000, idle_s=0.05), commit_interval_ms=1, reserve_bytes=65536
    )
    await storage.open()
    tell("opened")

    async def one(run: str, share: int) -> None:
        dice = random.Random(f"{seed}:{run}")
        await storage.runs.create(Run(run, LOCAL_OWNER, RunRequest(model="m"), 1))
        tell(f"created {run}")
        await storage.log.claim(run, 1)

        def visible() -> None:
            page = storage.log.peek(run, share)
            assert page is not None
            tell(f"{'ended' if page.closed else 'visible'} {run} {page.tail}")

        stop = storage.log.watch(run, visible)
        tail = 0
        while True:
            count = min(dice.randint(1, 4), share - tail)
            new = [payload(run, tail + n + 1) for n in range(count)]
            receipt = storage.log.append(run, tail, new, 1, final=tail + count == share)
            tail += count
            if tail == share or dice.random() < 0.5:
                await receipt
            else:
                await asyncio.sleep(dice.random() * 0.002)  # paces: as a provider does
            if tail == share:
                break
        stop()

    await asyncio.gather(*(one(f"run{number}", records // RUNS * (number + 1) // RUNS) for number in range(RUNS)))
    await storage.close()


if __name__ == "__main__":
    _, data_, acks_, durability_, seed_, records_ = sys.argv
    acks_file = os.open(acks_, os.O_WRONLY | os.O_CREAT, 0o600)
    durable: Durability = "power" if durability_ == "power" else "process"
    asyncio.run(main(Path(data_), acks_file, durable, int(seed_), int(records_)))
