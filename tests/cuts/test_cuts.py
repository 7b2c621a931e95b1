"""Faults 1 and 2 for our clients: whatever a network does, what a client shows is the log, each record once, in order.

Between the client and a real server stands a proxy that cuts, resets, half-closes, stalls, splits into single bytes,
delays, and lets a later connection overtake an earlier one. The cuts go through every byte of an answer. `make cuts`
is the long form; `HEADWATER_CUTS` is how many there are for each client and each way of reading, and `HEADWATER_SEED`
repeats them.
"""

from __future__ import annotations

import itertools
import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.scene import Scene, figure
from tests.cuts.campaign import Campaign
from tests.cuts.driver import CLIENTS, Driver
from tests.cuts.plan import FAULTS_IN_A_ROW_MAX, WAYS, Kind, Spoiler, readings
from tests.kit.product import Product
from tests.kit.proxy import Fault
from tests.recordings import PROJECT_ROOT

CUTS = int(os.environ.get("HEADWATER_CUTS", "200"))
#: With so many, some readings are cut more often than a client tries in a row.
CUTS_ENOUGH = 100
#: Of the readings, those that must come to their end without anybody's help.
SHARE_MIN = 0.9999
KINDS: tuple[Kind, ...] = ("ended", "live", "started")
#: Of ways that start nothing.
KINDS_THERE: tuple[Kind, ...] = ("ended", "live")

pytestmark = [pytest.mark.heavy, pytest.mark.slow]


@pytest.mark.parametrize(("client", "via"), [(name, via) for name, client in CLIENTS.items() for via in client.vias])
async def test_what_is_shown_is_the_log_whatever_is_cut(
    client: str, via: str, data_dir: Path, seeded: random.Random
) -> None:
    async with Product(data_dir) as product, Driver(CLIENTS[client].command, PROJECT_ROOT) as driver:
        campaign = Campaign(Scene(product), driver, via, seeded, KINDS_THERE if via in ("many", "tabs") else KINDS)
        tally = await campaign.run(CUTS)
        print(f"\n{client}, {via}: {tally}")
        assert tally.wrong == []
        assert tally.cuts >= CUTS
        assert tally.share >= SHARE_MIN, tally.gave_up
        # A page may bring all that there is, and then nothing is left to be spoiled.
        assert tally.cuts_of_one > FAULTS_IN_A_ROW_MAX or via not in ("sse", "ndjson") or CUTS < CUTS_ENOUGH
        # One run for each that was asked for, however often its start was cut.
        assert await figure(product.port, "headwater_runs_total") == campaign.runs


class Stammering(Driver):
    """A client that from its second reading on shows a record twice, or gives up, or ends without having read."""

    manner = "stammers"

    async def read(self, **reading: Any) -> dict[str, Any]:
        came = await super().read(**reading)
        if self.asked > 1:
            came["error"] = {"name": "NetworkError", "code": "NETWORK"} if self.manner == "gives up" else None
            (shown,) = came["shown"]
            records = shown["records"]
            shown["records"] = records[:1] if self.manner == "gives up" else [*records[:1], *records]
            if self.manner == "does nothing":
                shown |= {"run": None, "records": []}
        return came


@pytest.mark.parametrize("manner", ["stammers", "gives up", "does nothing"])
async def test_a_client_that_does_worse_is_found(manner: str, data_dir: Path, seeded: random.Random) -> None:
    async with Product(data_dir) as product, Stammering(CLIENTS["python"].command, PROJECT_ROOT) as driver:
        driver.manner = manner
        tally = await Campaign(Scene(product), driver, "sse", seeded, ("ended",)).run(5)
    assert tally.resumed == 1
    assert bool(tally.wrong) is (manner != "gives up")
    assert tally.gave_up.keys() == ({"NETWORK"} if manner == "gives up" else set())


def test_a_reading_is_spoiled_again_only_behind_a_record() -> None:
    faults = tuple(Fault(place) for place in range(6))
    spoiler = Spoiler(faults)
    assert [spoiler(number) for number in range(1, 5)] == [*faults[:2], Fault(), Fault()]
    spoiler.came()
    spoiler.came()
    assert [spoiler(number) for number in range(5, 8)] == [*faults[2:4], Fault()]
    for number, fault in enumerate([*faults[4:], Fault()], 8):
        spoiler.came()
        assert spoiler(number) == fault


def test_a_record_that_is_heard_of_late_lets_no_client_be_cut_more_often_than_it_tries() -> None:
    """The connections 1 to 3 fail it in a row, however early its record came, and it tries once more."""
    faults = tuple(Fault(place) for place in range(6))
    spoiler = Spoiler(faults)
    assert [spoiler(1), spoiler(2)] == [*faults[:2]]
    spoiler.came()
    assert [spoiler(3), spoiler(4)] == [faults[2], Fault()]


def test_the_cuts_go_through_every_byte_in_every_way() -> None:
    size = 50
    first = [each.faults[0] for each in itertools.islice(readings(random.Random(7), size, KINDS), size * len(WAYS))]
    # Long before each way has had its turn everywhere: an answer may have more bytes than there are readings for that.
    assert {fault.cut_at for fault in first[:size]} == set(range(size))
    assert {fault.by for fault in first[:size]} == set(WAYS)
    assert {(fault.cut_at, fault.by) for fault in first} == {(place, by) for place in range(size) for by in WAYS}


def test_a_plan_repeats_itself_by_its_seed() -> None:
    def some(seed: int) -> list[object]:
        return list(itertools.islice(readings(random.Random(seed), 100, KINDS), 200))

    assert some(1) == some(1) != some(2)
