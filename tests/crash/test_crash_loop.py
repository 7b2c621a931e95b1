"""Fault 28: the server is killed, again and again, under load, and nothing that anyone saw is lost.

The kills come at random moments and at places where a crash is worst (`server_with_failpoints.PLACES`). After each
one the same data directory is served again: before anybody is answered every run that was cut has its end, the users
go on where they were, and in the end `checker.check` judges all that was seen, against the logs as they then are.

`HEADWATER_CRASH_KILLS` is the number of kills, `HEADWATER_SEED` repeats the schedule.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.storage.sqlite import SqliteStorage
from headwater.testing.log_contract import read_all
from tests.crash.load import MODEL, Load
from tests.crash.server_with_failpoints import FAILPOINT, HISTORY, LIE, PLACES
from tests.kit.checker import Violation, check, report
from tests.kit.client import call
from tests.kit.facts import Facts
from tests.kit.history import Down, History, LogFound, RowFound, merge, read
from tests.kit.product import Product, compatible_model
from tests.kit.upstream import ScriptedUpstream

KILLS = int(os.environ.get("HEADWATER_CRASH_KILLS", "20"))
#: So many kills are judged together; what was seen until then is forgotten.
KILLS_A_ROUND = 20
USERS = 50
#: A few users always wait.
SLOTS = 45
STRIKE_LIMIT_S = 60.0

pytestmark = [pytest.mark.heavy, pytest.mark.slow]


class Crashes:
    """One data directory, its server, and the load on it; all of it ends with the `async with`."""

    def __init__(self, directory: Path, upstream: ScriptedUpstream, load: Load, dice: random.Random) -> None:
        self.directory = directory
        self.product = Product(
            directory / "data",
            config={"runs": {"slots": SLOTS}, "models": [compatible_model(MODEL, upstream.base_url)]},
            module="tests.crash.server_with_failpoints",
        )
        self.load = load
        load.port = self.product.port
        #: where each kill struck, and what the runs were doing then
        self.places: Counter[str] = Counter()
        self.phases: Counter[str] = Counter()
        #: of each run that was cut, and did not ask to go on, how long after the next start it had its end
        self.ends_s: list[float] = []
        #: how often a run was found going on after a start
        self.went_on = 0
        #: runs that ended as cancelled after the crash that came between the request and its effect
        self.cancelled = 0
        self._dice = dice
        self._rounds = 0

    async def __aenter__(self) -> Crashes:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.load.abandon()
        await self.product.__aexit__()

    @property
    def _trace(self) -> Path:
        return self.directory / f"history-{self._rounds}"

    async def start(self, failpoint: str = "") -> None:
        """A server that answers, and has ended all that was cut before, but for what goes on."""
        self.product.environ |= {HISTORY: str(self._trace), FAILPOINT: failpoint}
        await self.product.start()
        unfinished = await call(self.product.port, "GET", "/api/v1/runs?state=queued,running&limit=200")
        assert unfinished.status == 200, unfinished.body
        goes_on = [str(run["id"]) for run in unfinished.json()["runs"]]
        for run in goes_on:
            shown = await call(self.product.port, "GET", f"/api/v1/runs/{run}")
            assert shown.json()["request"].get("on_crash") == "rerun", shown.body
        self.went_on += len(goes_on)
        self.load.up.set()

    async def crash(self, place: str) -> None:
        """Starts the server and lets it be killed there."""
        if place == "recovering":
            await self._crash_in_start(f"{place}:{self._dice.randint(1, 12)}")
        else:
            await self.start("" if place == "any moment" else f"{place}:{self._count(place)}")
            if place == "any moment":
                await asyncio.sleep(self._dice.uniform(0.4, 1.5))  # paces: the moment of the kill
                self.product.process.send_signal(signal.SIGKILL)
            async with asyncio.timeout(STRIKE_LIMIT_S):
                await self.product.process.wait()
            self.phases += self.load.struck()
        assert self.product.process.returncode == -signal.SIGKILL, self.product.log_text[-4000:]
        self.load.history.note(Down(place))
        self.load.check()
        self.places[place] += 1

    def _count(self, place: str) -> int:
        """How often the place is to be reached, so that it comes when the load is full."""
        at_least, at_most = {
            "begun-untold": (USERS + 1, USERS + 15),
            "mid-batch": (50, 200),
            "committed": (50, 200),
            "final-before-row": (1, 25),
            "cancel-noted": (1, 5),
        }[place]
        return self._dice.randint(at_least, at_most)

    async def _crash_in_start(self, failpoint: str) -> None:
        with pytest.raises(AssertionError, match="the server ended"):
            await self.start(failpoint)

    async def judge(self) -> list[Violation]:
        """The load ends, the server goes, and all that was seen is held against what is on disk."""
        await self.start()
        await self.load.end()
        assert await self.product.terminate() == 0, self.product.log_text[-4000:]
        return await self.verdict()

    async def verdict(self) -> list[Violation]:
        """Of a server that has gone: what is wrong."""
        self.load.up.clear()
        history = merge([self.load.history, read(self._trace.read_bytes())])
        self._trace.unlink()
        self._rounds += 1
        await note_what_is_there(self.directory / "data", history)
        self._count_ends(Facts(history))
        return check(history)

    def _count_ends(self, facts: Facts) -> None:
        for run in facts.runs.values():
            if run.final_at is None or run.final is None:
                continue
            downs = [at for at in facts.downs if run.first_at <= at < run.final_at]
            if downs and run.on_crash == "interrupt":
                self.ends_s.append(run.final_at - min(at for at in facts.ups if at >= downs[-1]))
            asked_before = any(asked <= at for at in downs for asked in run.cancelled_at)
            self.cancelled += run.final.type == "cancelled" and asked_before


async def note_what_is_there(data: Path, history: History) -> None:
    """Each run of the history as the data directory has it."""
    storage = SqliteStorage(data)
    await storage.open()
    for run in {str(seen.run) for _, seen in history.entries if hasattr(seen, "run")}:
        row, state = await storage.runs.get(run), await storage.log.state(run)
        assert row is not None, f"{run} is lost"
        history.note(LogFound(run, await read_all(storage.log, run), state.closed, state.epoch))
        prompt = str(row.request.messages[-1].content)
        history.note(RowFound(run, row.state, prompt, row.snapshot.text if row.snapshot else None))
    await storage.close()


def schedule(kills: int, dice: random.Random) -> list[str]:
    """Every second kill at any moment, the others at each place in turn, in an order of its own each time."""
    places: list[str] = []
    while len(places) < kills:
        worst = dice.sample(sorted(PLACES), len(PLACES))
        places += [place for each in worst for place in ("any moment", each)]
    return places[:kills]


def histogram(title: str, counts: Counter[str]) -> str:
    total = counts.total()
    rows = [f"  {name:24}{n:7}  {n / total:5.0%}  {'▇' * round(40 * n / total)}" for name, n in counts.most_common()]
    return "\n".join([f"{title}: {total}", *rows])


@pytest.mark.timeout(300 + 10 * KILLS)
async def test_nothing_is_lost_however_the_server_dies(
    tmp_path: Path, seeded: random.Random, record_property: Callable[[str, object], None]
) -> None:
    load = Load(USERS, seeded.randrange(2**32))
    async with ScriptedUpstream(load.script) as upstream, Crashes(tmp_path, upstream, load, seeded) as crashes:
        places = schedule(KILLS, seeded)
        for first in range(0, KILLS, KILLS_A_ROUND):
            load.begin()
            for place in places[first : first + KILLS_A_ROUND]:
                await crashes.crash(place)
            violations = await crashes.judge()
            assert not violations, report(violations)
            print(
                f"{crashes.places.total()} kills, {load.started} runs, {len(crashes.ends_s)} of them ended by a start",
                flush=True,
            )
    shown = [histogram("kills", crashes.places), histogram("runs at a kill", crashes.phases)]
    shown.append(
        f"{load.started} runs were started, {len(crashes.ends_s)} of them cut and ended, {crashes.cancelled} after a "
        f"cancel; {crashes.went_on} times one went on; the slowest to end did so {max(crashes.ends_s):.2f} s after the "
        "start that followed"
    )
    print("\n".join(shown))
    record_property("note", "\n".join(shown))
    assert crashes.cancelled >= crashes.places["cancel-noted"]
    assert len(crashes.ends_s) > KILLS * USERS / 6
    assert crashes.went_on > KILLS * USERS / 10
    assert crashes.phases["mid-stream"] > crashes.phases.total() / 2, "most runs have to be in mid-stream"


async def test_the_loop_finds_what_is_lost(tmp_path: Path, seeded: random.Random) -> None:
    """A storage that acknowledges what it does not write: if a kill did not show it, it would show nothing."""
    load = Load(10, seeded.randrange(2**32))
    async with ScriptedUpstream(load.script) as upstream, Crashes(tmp_path, upstream, load, seeded) as crashes:
        load.begin()
        crashes.product.environ[LIE] = "1"
        await crashes.crash("any moment")
        await load.abandon()
        del crashes.product.environ[LIE]
        await crashes.start()
        assert await crashes.product.terminate() == 0
        assert {violation.invariant for violation in await crashes.verdict()} >= {"I1", "I2"}
