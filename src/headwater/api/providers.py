"""Providers: how the models have been lately, and which of them are given a rest."""

from __future__ import annotations

from headwater.api.answer import Asgi, json_answer
from headwater.api.parameters import format_time
from headwater.api.resources import BreakerState, LastError, ModelHealth, ProviderList, ProviderResource
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.providers.breaker import BreakerFigures
from headwater.providers.contract import ModelInfo
from headwater.providers.health import WINDOW_S, HealthFigures


async def providers(call: Call) -> Asgi:
    services = call.services
    breakers = services.breakers()
    by_provider: dict[str, list[ModelHealth]] = {}
    for info in services.catalog.models():
        model = _model(info, services.health(info.name), breakers.get(info.name))
        by_provider.setdefault(info.provider, []).append(model)
    listed = [ProviderResource(name, models) for name, models in by_provider.items()]
    return json_answer(ProviderList(listed, int(WINDOW_S)))


def _model(info: ModelInfo, health: HealthFigures, breaker: BreakerFigures | None) -> ModelHealth:
    error = health.last_error
    return ModelHealth(
        name=info.name,
        model=info.model,
        calls=health.calls,
        failures=health.failures,
        success_rate=health.success_rate,
        first_token_ms=health.first_token_ms,
        first_token_ms_p95=health.first_token_ms_p95,
        tokens_per_s=health.tokens_per_s,
        last_error=None if error is None else LastError(error.code, format_time(error.at_ms)),
        breaker=BreakerState("closed", 0)
        if breaker is None
        else BreakerState(breaker.state.value, round(breaker.rests_s * 1000)),
    )


PROVIDERS = Resource(
    "/api/v1/providers",
    Operation(
        "GET", providers, "Say how each model has been lately, by provider", (Reply(200, "All of them", ProviderList),)
    ),
)
