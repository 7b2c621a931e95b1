"""How the models have been lately is listed by provider."""

from __future__ import annotations

import msgspec

from headwater.api.resources import BreakerState, LastError, ModelHealth, ProviderList
from headwater.errors import ErrorCode
from headwater.providers import health
from headwater.providers.breaker import BreakerFigures
from headwater.providers.breaker import BreakerState as State
from tests.api.composed import RunningApi, running_api

FIGURES = health.HealthFigures(
    calls=4,
    failures=1,
    success_rate=0.75,
    first_token_ms=420,
    first_token_ms_p95=900,
    tokens_per_s=51.5,
    last_error=health.LastError(ErrorCode.OVERLOADED, 1_750_000_000_123),
)


async def listed(api: RunningApi) -> ProviderList:
    response = await api.client.get("/api/v1/providers")
    assert response.status_code == 200
    return msgspec.json.decode(response.content, type=ProviderList)


async def test_every_model_is_under_its_provider_and_of_those_not_called_nothing_is_said(api: RunningApi) -> None:
    answer = await listed(api)
    assert answer.window_s == 900
    assert [(each.name, [model.name for model in each.models]) for each in answer.providers] == [
        ("simulated", ["simulated"]),
        ("prompter", ["prompted"]),
    ]
    assert answer.providers[1].models[0] == ModelHealth(
        name="prompted",
        model="prompted-1",
        calls=0,
        failures=0,
        success_rate=None,
        first_token_ms=None,
        first_token_ms_p95=None,
        tokens_per_s=None,
        last_error=None,
        breaker=BreakerState("closed", 0),
    )


async def test_what_is_known_of_a_model_is_said() -> None:
    figures = {"prompted": FIGURES}
    breakers = {"prompted": BreakerFigures(State.OPEN, 5, 6, 12.3456)}
    async with running_api(health=lambda name: figures.get(name, health.NOTHING), breakers=lambda: breakers) as api:
        answer = await listed(api)
    assert answer.providers[1].models[0] == ModelHealth(
        name="prompted",
        model="prompted-1",
        calls=4,
        failures=1,
        success_rate=0.75,
        first_token_ms=420,
        first_token_ms_p95=900,
        tokens_per_s=51.5,
        last_error=LastError(ErrorCode.OVERLOADED, "2025-06-15T15:06:40.123Z"),
        breaker=BreakerState("open", 12346),
    )
    assert answer.providers[0].models[0].calls == 0
