"""What an outage costs: how often a provider is called by requests of which none can succeed."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from headwater.domain.message import GenerationRequest
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.breaker import Thresholds
from headwater.providers.contract import Item
from headwater.providers.resilience import DEFAULT, Resilience, ResiliencePolicy
from tests.runs.scene import Play, Scene, pause, virtual

NO_BREAKER = DEFAULT._replace(breaker=Thresholds(failures=0))


def down(after_s: float) -> Play:
    """A model that is out of order, and takes so long to say so."""

    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield []
        await pause(after_s)
        raise ProviderError(ErrorCode.OVERLOADED, "Out of order.", provider="scripted")

    return play


async def calls_of(policy: ResiliencePolicy, requests: int, every_s: float, fails_after_s: float) -> int:
    """How many calls these requests are to a server that has just started."""
    async with Scene(down(fails_after_s), resilience=Resilience(policy), slots=requests) as scene:
        runs = []
        for _ in range(requests):
            runs.append(await scene.submit())
            await pause(every_s)
        for run in runs:
            await scene.end_of(run)
        return len(scene.provider.calls)


#: Requests; one every so many seconds; how long each failure takes; at most so many calls.
OUTAGES = {
    "at once, refused at once": (1000, 0.0, 0.0, 5),
    "at once, refused late": (1000, 0.0, 2.0, 1000 + 4),
    "a hundred at once, refused late": (100, 0.0, 2.0, 100 + 4),
    "ten a second, refused at once": (1000, 0.1, 0.0, 5 + 6),
    "ten a second, refused late": (1000, 0.1, 2.0, 32),
    "one a second, refused at once": (1000, 1.0, 0.0, 5 + 66),
}


@pytest.mark.parametrize("name", OUTAGES)
@virtual
async def test_an_outage_is_at_most_a_tenth_more_calls_than_requests(name: str) -> None:
    requests, every_s, fails_after_s, calls_max = OUTAGES[name]
    assert await calls_of(DEFAULT, requests, every_s, fails_after_s) <= calls_max <= 1.1 * requests


@pytest.mark.parametrize("fails_after_s", [0.0, 2.0])
@pytest.mark.parametrize("requests", [100, 1000])
@virtual
async def test_the_budget_alone_keeps_to_a_tenth_from_a_hundred_requests_on(
    requests: int, fails_after_s: float
) -> None:
    """Where the operator has switched the breaker off."""
    assert await calls_of(NO_BREAKER, requests, 0.1, fails_after_s) == requests + 10
