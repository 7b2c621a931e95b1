"""Models: what can be called."""

from __future__ import annotations

from headwater.api.answer import Asgi, json_answer
from headwater.api.resources import ModelList, ModelResource
from headwater.api.route import Call, Operation, Reply, Resource


async def models(call: Call) -> Asgi:
    rows = call.services.catalog.models()
    listed = [ModelResource(row.name, row.provider, row.model, list(row.capabilities)) for row in rows]
    return json_answer(ModelList(listed))


MODELS = Resource(
    "/api/v1/models",
    Operation("GET", models, "List the models that can be called", (Reply(200, "All of them", ModelList),)),
)
