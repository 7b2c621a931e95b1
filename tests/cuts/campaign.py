"""Readings through spoiled connections, side by side, and the judgement over each of them."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from headwater.api.ai_sdk import PATH
from headwater.api.ai_sdk_request import CHAT
from headwater.wire.sse import SSEDecoder
from tests.acceptance.scene import Scene
from tests.cuts.driver import Driver
from tests.cuts.plan import Kind, Reading, Spoiler, readings
from tests.kit.client import STUCK_S, call
from tests.kit.proxy import FaultProxy

#: Readings at once: where there are many cuts, enough of them for the waits of some to be the work of others.
AT_ONCE, AT_ONCE_MAX, CUTS_FOR_EACH = 8, 24, 400
#: A silence of two seconds is a dead connection here, not one of 37.5 s.
HEARTBEAT_MS = 800
#: The waits between tries are milliseconds.
HASTE = 1000
#: Runs over one connection, where a client reads several.
TOGETHER = 3
#: A tab that is to be closed is closed within its first so many records.
LEAVES_WITHIN = 8
#: The chat of the AI SDK that all runs are of, where that is how they are read.
THE_CHAT = "cuts"
ENDED_RUN = {"words": 6, "delay_ms": 0, "format": "plain"}
LIVE_RUN = {"words": 12, "delay_ms": 3, "format": "plain"}


@dataclass
class Tally:
    """What came of all readings so far."""

    readings: int = 0
    cuts: int = 0
    #: of the reading that had most
    cuts_of_one: int = 0
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
            f"{self.cuts} cuts in {self.readings} readings ({kinds}; up to {self.cuts_of_one} cuts each) "
            f"over {self.connections} connections: "
            f"{self.share:.4%} resumed without user action, {len(self.wrong)} wrong"
            f"{given_up if self.gave_up else ''}"
        )


class Campaign:
    """Cuts the connections of one client, read in one way, until there were enough."""

    def __init__(self, scene: Scene, driver: Driver, via: str, dice: random.Random, kinds: tuple[Kind, ...]) -> None:
        self.tally = Tally()
        #: how many runs there are to be, however often their start was cut
        self.runs = 0
        self._scene = scene
        self._driver = driver
        self._via = via
        self._dice = dice
        self._kinds = kinds
        self._ended_runs: list[str] = []

    async def run(self, cuts: int) -> Tally:
        for number in range(TOGETHER if self._via == "many" else 1):
            run = await self._start(f"Ended {number}", ENDED_RUN)
            await self._scene.end(run)
            self._ended_runs.append(run)
        plan = readings(self._dice, await self._size(), self._kinds)
        async with asyncio.TaskGroup() as workers:
            for _ in range(max(AT_ONCE, min(AT_ONCE_MAX, cuts // CUTS_FOR_EACH))):
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
            spoiler = Spoiler(reading.faults)
            async with FaultProxy(self._scene.port, spoiler) as proxy:
                await self._read(reading, proxy, spoiler.came)
                self.tally.cuts += proxy.cuts
                self.tally.cuts_of_one = max(self.tally.cuts_of_one, proxy.cuts)
                self.tally.connections += proxy.connections

    async def _start(self, prompt: str, words: dict[str, Any]) -> str:
        self.runs += 1
        return await self._scene.start(prompt, metadata={CHAT: THE_CHAT}, **_said(words))

    async def _asked(self, reading: Reading) -> dict[str, Any]:
        """What is read: the runs, or the request that starts one."""
        if reading.kind == "started":
            self.runs += 1
            messages = [{"role": "user", "content": f"Started {self._via} {reading.number}"}]
            return {"start": {"model": "simulated", "messages": messages, **_said(LIVE_RUN)}}
        if reading.kind == "ended":
            return {"runs": self._ended_runs}
        live = await self._start(f"Live {reading.number}", LIVE_RUN)
        return {"runs": [live, *self._ended_runs[1:]]}

    async def _read(self, reading: Reading, proxy: FaultProxy, given: Callable[[], None] = lambda: None) -> None:
        asked = await self._asked(reading)
        try:
            async with asyncio.timeout(STUCK_S):
                came = await self._driver.read(
                    url=proxy.url,
                    via=self._via,
                    heartbeat_ms=HEARTBEAT_MS,
                    haste=HASTE,
                    leave_after=1 + reading.number % LEAVES_WITHIN,
                    chat=THE_CHAT,
                    given=given,
                    **asked,
                )
        except TimeoutError:
            raise AssertionError(f"{reading} hangs, after {proxy.connections} connections") from None
        self.tally.readings += 1
        self.tally.kinds[reading.kind] += 1
        if came["error"] is not None:
            self.tally.gave_up[came["error"]["code"]] += 1
        wrong = [fault for shown in came["shown"] if (fault := await self._fault(shown, came["error"] is None))]
        self.tally.wrong += [f"{reading}: {fault}" for fault in wrong]
        if came["error"] is None and not wrong:
            self.tally.resumed += 1

    async def _fault(self, shown: dict[str, Any], whole: bool) -> str | None:
        """What is wrong with what one caller was shown: all of the log, or its beginning where it is not whole."""
        # A client that gave up before it knew its run has shown nothing, which is no more than was there.
        payloads = await self._payloads(shown["run"]) if shown["run"] else []
        log, records = [json.loads(payload) for payload in payloads], shown["records"]
        if whole and not log:
            return "ended without a run"
        if records == (log if whole and not shown.get("left") else log[: len(records)]):
            return None
        return f"showed {[record.get('seq', record['type']) for record in records]} of 1..{len(log)}"

    async def _payloads(self, run: str) -> list[bytes]:
        """What there is to be shown of a run, over a connection that nobody spoils."""
        if self._via != "ai-sdk":
            return await self._scene.payloads(run)
        answer = await call(self._scene.port, "GET", f"{PATH}/{THE_CHAT}/stream?steps=own&run={run}")
        assert answer.status == 200, answer
        *parts, done = SSEDecoder().feed(answer.body)
        assert done.data == b"[DONE]"
        return [part.data for part in parts]


def _said(words: dict[str, Any]) -> dict[str, Any]:
    return {"settings": {"extra": {"simulated": words}}}
