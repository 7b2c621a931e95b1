"""`GET /v1/models`: the same models as `/api/v1/models`, as OpenAI's SDKs list them."""

from __future__ import annotations

from typing import Literal

import msgspec

from headwater.api.answer import Asgi, json_answer
from headwater.api.openai_chat import model_not_found
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.providers.contract import ModelInfo


class OpenAIModel(msgspec.Struct, frozen=True):
    """A model in OpenAI's shape. `created` is 0: nobody says when a model of the configuration came to be."""

    id: str
    owned_by: str
    object: Literal["model"] = "model"
    created: int = 0


class OpenAIModelList(msgspec.Struct, frozen=True):
    data: list[OpenAIModel]
    object: Literal["list"] = "list"


def _model(info: ModelInfo) -> OpenAIModel:
    return OpenAIModel(info.name, info.provider)


async def list_models(call: Call) -> Asgi:
    return json_answer(OpenAIModelList([_model(info) for info in call.services.catalog.models()]))


async def show_model(call: Call) -> Asgi:
    name = call.path["model"]
    for info in call.services.catalog.models():
        if info.name == name:
            return json_answer(_model(info))
    raise model_not_found(name)


OPENAI_MODELS = Resource(
    "/v1/models",
    Operation("GET", list_models, "List models, as OpenAI's API does", (Reply(200, "All of them", OpenAIModelList),)),
)
OPENAI_MODEL = Resource(
    "/v1/models/{model}",
    Operation("GET", show_model, "Show a model, as OpenAI's API does", (Reply(200, "The model", OpenAIModel),)),
    with_slashes=("model",),
)
