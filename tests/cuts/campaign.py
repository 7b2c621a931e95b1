"""Readings through spoiled connections, side by side, and the judgement over each of them."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.scene import Scene
from tests.cuts.driver import Driver
from tests.cuts.plan import Kind, Reading, readings
from tests.kit.client import STUCK_S
from tests.kit.proxy import Fault, FaultProxy

AT_ONCE = 8
#: A silence of two seconds is a dead connection here, not one of 37.5 s.
HEARTBEAT_MS = 800
#: The waits between tries are milliseconds.
HASTE = 1000
ENDED_RUN = {"words": 6, "delay_ms": 0, "format": "plain"}
LIVE_RUN = {"words": 12, "delay_ms": 3, "format": "plain"}


@dataclass
class Tally:
    """What came of all readings so far."""

    readings: int = 0
    cuts: int = 0
    connections: int = 0
    #: ended by themselves with the run's final record
    resumed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    #: what somebody would have had to do something about, by the error
    gave_up: Counter[str] = field(default_factory=Counter)
    #: readings that showed something else than the log: there must be none
    wrong: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of the readings, how many came to their end without anybody's help."""
        return self.resumed / self.readings if self.readings else 0.0

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        given_up = "; gave up: " + ", ".join(f"{name} {count}" for name, count in self.gave_up.items())
        return (
            f"{self.cuts} cuts in {self.readings} readings ({kinds}) over {self.connections} connections: "
            f"{self.share:.4%} resumed without user action, {len(self.wrong)} wrong"
            f"{given_up if self.gave_up else ''}"
        )


class Campaign:
    """Cuts the connections of one client, read in one way, until there were enough."""

    def __init__(self, scene: Scene, driver: Driver, via: str, dice: random.Random, kinds: tuple[Kind, ...]) -> None:
        self.tally = Tally()
        self._scene = scene
        self._driver = driver
        self._via = via
        self._dice = dice
        self._kinds = kinds
        self._ended_run = ""

    async def run(self, cuts: int) -> Tally:
        self._ended_run = await self._scene.start("Ended", settings={"extra": {"simulated": ENDED_RUN}})
        await self._scene.end(self._ended_run)
        plan = readings(self._dice, await self._size(), self._kinds)
        async with asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(self._work(plan, cuts))
        return self.tally

    async def _size(self) -> int:
        """The bytes of the whole answer as HTTP carries it; and the reading without any fault is a right one."""
        async with FaultProxy(self._scene.port) as proxy:
            await self._read(Reading(0, "ended", ()), proxy)
            assert (self.tally.resumed, self.tally.wrong) == (1, []), self.tally
            return proxy.bytes_to_clients

    async def _work(self, plan: Iterator[Reading], cuts: int) -> None:
        while self.tally.cuts < cuts:
            reading = next(plan)
            faults = dict(enumerate(reading.faults, 1))

            def spoil(number: int, faults: dict[int, Fault] = faults) -> Fault:
                return faults.get(number, Fault())

            async with FaultProxy(self._scene.port, spoil) as proxy:
                await self._read(reading, proxy)
                self.tally.cuts += proxy.cuts
                self.tally.connections += proxy.connections

    async def _read(self, reading: Reading, proxy: FaultProxy) -> None:
        asked: dict[str, Any] = {"run": self._ended_run}
        if reading.kind == "live":
            asked = {"run": await self._scene.start(f"Live {reading.number}", **_said(LIVE_RUN))}
        elif reading.kind == "started":
            messages = [{"role": "user", "content": f"Started {self._via} {reading.number}"}]
            asked = {"start": {"model": "simulated", "messages": messages, **_said(LIVE_RUN)}}
        try:
            async with asyncio.timeout(STUCK_S):
                came = await self._driver.read(
                    url=proxy.url, via=self._via, heartbeat_ms=HEARTBEAT_MS, haste=HASTE, **asked
                )
        except TimeoutError:
            raise AssertionError(f"{reading} hangs, after {proxy.connections} connections") from None
        self.tally.readings += 1
        self.tally.kinds[reading.kind] += 1
        if came["error"] is not None:
            self.tally.gave_up[came["error"]["code"]] += 1
        # A client that gave up before it knew its run has shown nothing, which is no more than was there.
        log = [json.loads(payload) for payload in await self._scene.payloads(came["run"])] if came["run"] else []
        shown = came["records"]
        whole = came["error"] is None
        if shown != (log if whole else log[: len(shown)]):
            seqs = [record["seq"] for record in shown]
            self.tally.wrong.append(f"{reading}: showed {seqs} of 1..{len(log)}")
        elif whole:
            self.tally.resumed += 1


def _said(words: dict[str, Any]) -> dict[str, Any]:
    return {"settings": {"extra": {"simulated": words}}}
