"""What an outage costs: how often a provider is called by requests of which none can succeed."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.domain.message import GenerationRequest
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.breaker import Thresholds
from headwater.providers.contract import Finish, Item, Provider
from headwater.providers.resilience import DEFAULT, Resilience, ResiliencePolicy
from tests.kit.virtual import run_virtual
from tests.runs.scene import OneProvider, Play, Scene, ScriptedProvider, pause, virtual

PAGE: Final = Path(__file__).parents[2] / "docs/reference/resilience.md"
NO_BREAKER: Final = DEFAULT._replace(breaker=Thresholds(failures=0))
#: an outage is so many calls more than requests, whatever the breaker does
MORE_MAX: Final = DEFAULT.budget_in_vain
BREAKERS: Final = st.sampled_from([DEFAULT, NO_BREAKER])


class Arrival(NamedTuple):
    """One request, or what one call comes to: so long after the one before; fails after so long, or succeeds."""

    after_s: float
    lasts_s: float
    code: ErrorCode | None = ErrorCode.OVERLOADED


def down(after_s: float) -> Play:
    """A model that is out of order, and takes so long to say so."""
    return ending_as([Arrival(0.0, after_s)])


def ending_as(ends: Sequence[Arrival]) -> Play:
    """A model whose calls end like this, in turn; the last end is that of all further ones."""
    left = list(ends)

    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        end = left.pop(0) if len(left) > 1 else left[0]
        yield []
        await pause(end.lasts_s)
        if end.code is not None:
            raise ProviderError(end.code, "Out of order.", provider="scripted")
        yield [Finish("stop")]

    return play


class InOrder(OneProvider):
    """Models that stand in for one another, each its own provider's: `m` first, then `0`, `1` …"""

    def __init__(self, first: ScriptedProvider, others: Sequence[ScriptedProvider]) -> None:
        super().__init__(first)
        self.others = others

    def resolve(self, name: str) -> tuple[Provider, str]:
        return (self.others[int(name)] if name.isdecimal() else self.provider), name


async def calls_of(policy: ResiliencePolicy, requests: int, every_s: float | None, fails_after_s: float) -> int:
    """How many calls these requests are to a server that has just started; None: each when the one before is over."""
    async with Scene(down(fails_after_s), resilience=Resilience(policy), slots=requests) as scene:
        runs = []
        for _ in range(requests):
            runs.append(await scene.submit())
            if every_s is None:
                await scene.end_of(runs[-1])
            else:
                await pause(every_s)
        for run in runs:
            await scene.end_of(run)
        return len(scene.provider.calls)


#: Of the page's table: what its rows are called; one request every so many seconds; each fails after so many.
ROWS: Final[dict[str, tuple[float | None, float]]] = {
    "at once, refused at once": (0.0, 0.0),
    "at once, refused after 2 s": (0.0, 2.0),
    "ten a second, refused at once": (0.1, 0.0),
    "ten a second, refused after 2 s": (0.1, 2.0),
    "one a second, refused at once": (1.0, 0.0),
    "one a second, refused after 2 s": (1.0, 2.0),
    "one after another, refused at once": (None, 0.0),
    "one after another, refused after 2 s": (None, 2.0),
}
SIZES: Final = (1, 2, 5, 10, 30, 100, 1000)


def told(row: str) -> list[int]:
    """The calls that the page's table tells of, by `SIZES`."""
    found = re.search(rf"^\| {re.escape(row)} \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"the page has no row `{row}`"
    return [int(cell.replace(",", "")) for cell in found[1].split(" | ")]


def test_the_page_tells_of_no_outage_that_is_more_than_a_tenth_more_calls_than_requests() -> None:
    heads = [
        int(cell.replace(",", ""))
        for cell in re.findall(r"^\| requests \| (.*) \|$", PAGE.read_text(), re.M)[0].split(" | ")
    ]
    assert tuple(heads) == SIZES
    for row in [*ROWS, "without breakers"]:
        for requests, calls in zip(SIZES, told(row), strict=True):
            assert calls <= requests + MORE_MAX
            assert requests < 30 or calls <= 1.1 * requests


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("requests", SIZES)
def test_an_outage_is_no_more_calls_than_the_page_tells(requests: int, row: str) -> None:
    column = SIZES.index(requests)
    assert run_virtual(calls_of(DEFAULT, requests, *ROWS[row])) <= told(row)[column]


@pytest.mark.parametrize("row", ["at once, refused after 2 s", "ten a second, refused at once"])
@pytest.mark.parametrize("requests", SIZES)
def test_the_budget_alone_keeps_to_it_where_the_breaker_is_off(requests: int, row: str) -> None:
    column = SIZES.index(requests)
    assert run_virtual(calls_of(NO_BREAKER, requests, *ROWS[row])) == told("without breakers")[column]


SECONDS: Final = st.sampled_from([0.0, 0.01, 0.3, 1.0, 2.0, 20.0, 100.0])
#: Whatever a provider that is down may answer; a limit of requests is none of it.
OUTAGE: Final = st.sampled_from([ErrorCode.OVERLOADED, ErrorCode.SERVER, ErrorCode.NETWORK, ErrorCode.TIMEOUT])
ARRIVALS: Final = st.lists(st.builds(Arrival, SECONDS, SECONDS, OUTAGE), min_size=1, max_size=40)


async def calls_for(policy: ResiliencePolicy, arrivals: Sequence[Arrival], *, fallback: int = 0) -> list[int]:
    """How many calls these are to the provider that is asked, and to each of those that stand in."""
    async with Scene(ending_as(arrivals), resilience=Resilience(policy), slots=len(arrivals)) as scene:
        others = [ScriptedProvider(ending_as(arrivals)) for _ in range(fallback)]
        scene.models = scene.supervisor._models = InOrder(scene.provider, others)
        runs = []
        for arrival in arrivals:
            await pause(arrival.after_s)
            runs.append(await scene.submit(fallback=[str(place) for place in range(fallback)]))
        for run in runs:
            await scene.end_of(run)
        return [len(provider.calls) for provider in (scene.provider, *others)]


@given(BREAKERS, ARRIVALS)
@settings(max_examples=40)
def test_however_requests_come_an_outage_is_few_calls_more_than_they_are(
    policy: ResiliencePolicy, arrivals: list[Arrival]
) -> None:
    assert run_virtual(calls_for(policy, arrivals))[0] <= len(arrivals) + MORE_MAX


@given(BREAKERS, ARRIVALS)
@settings(max_examples=15)
def test_where_providers_stand_in_for_one_another_that_is_so_of_each(
    policy: ResiliencePolicy, arrivals: list[Arrival]
) -> None:
    assert max(run_virtual(calls_for(policy, arrivals, fallback=2))) <= len(arrivals) + MORE_MAX


ANY_END: Final = st.builds(Arrival, SECONDS, SECONDS, OUTAGE | st.sampled_from([None, ErrorCode.RATE_LIMIT]))


@given(BREAKERS, st.lists(ANY_END, min_size=1, max_size=60))
@settings(max_examples=40)
def test_whatever_calls_come_to_they_are_a_tenth_and_the_reserve_more_than_requests(
    policy: ResiliencePolicy, arrivals: list[Arrival]
) -> None:
    """In part of an outage, or with limits of requests, too."""
    assert run_virtual(calls_for(policy, arrivals))[0] <= 1.1 * len(arrivals) + policy.budget_reserve


@virtual
async def test_an_outage_after_good_times_is_as_small_as_one_at_the_start() -> None:
    good, bad = 40, 50
    ends = [*[Arrival(0.0, 0.0, None)] * good, Arrival(0.0, 0.0)]
    async with Scene(ending_as(ends), resilience=Resilience(NO_BREAKER)) as scene:
        for _ in range(good + bad):
            await scene.end_of(await scene.submit())
        assert len(scene.provider.calls) == good + bad + MORE_MAX


@virtual
async def test_a_request_alone_is_tried_three_times_and_again_so_after_each_success() -> None:
    """Also after an outage that had used up what there was."""
    bad, good = Arrival(0.0, 0.0), Arrival(0.0, 0.0, None)
    ends = [*[bad] * 10, good, bad, bad, good, bad, bad, good]
    async with Scene(ending_as(ends), resilience=Resilience(NO_BREAKER)) as scene:
        finals = []
        for _ in range(10):
            run = await scene.submit()
            await scene.end_of(run)
            finals.append(scene.final(run).type)
        # 7 requests are the first ten calls, one the success, and two have three calls each
        assert finals == ["error"] * 7 + ["complete"] * 3
        assert len(scene.provider.calls) == len(ends)
