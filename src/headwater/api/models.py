"""Models: what can be called."""

from __future__ import annotations

from headwater.api.answer import Asgi, json_answer
from headwater.api.resources import ModelList, ModelResource
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.providers.contract import ModelInfo
from headwater.providers.cost import Price


async def models(call: Call) -> Asgi:
    catalog = call.services.catalog
    return json_answer(ModelList([_resource(row, catalog.pricing(row.name).price()) for row in catalog.models()]))


def _resource(row: ModelInfo, price: Price | None) -> ModelResource:
    return ModelResource(row.name, row.provider, row.model, list(row.capabilities), price, row.missing_key)


MODELS = Resource(
    "/api/v1/models",
    Operation("GET", models, "List the models that can be called", (Reply(200, "All of them", ModelList),)),
)
