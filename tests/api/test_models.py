"""What can be called is listed by the names that callers use."""

import msgspec

from headwater.api.resources import ModelList
from headwater.providers.catalog import Catalog, ModelRow
from headwater.providers.cost import Price
from tests.api.composed import RunningApi, running_api


async def test_models_are_listed(api: RunningApi) -> None:
    response = await api.client.get("/api/v1/models")
    assert response.status_code == 200
    listed = msgspec.json.decode(response.content, type=ModelList)
    assert [model.name for model in listed.models] == [info.name for info in api.services.catalog.models()]
    prompted = listed.models[-1]
    assert (prompted.name, prompted.provider, prompted.model) == ("prompted", "prompter", "prompted-1")
    assert prompted.capabilities == ["text", "tools"]
    # nobody said what it costs, and `simulated` costs nothing
    assert prompted.price is None
    assert listed.models[0].price == Price(0, 0)


async def test_a_model_without_its_key_says_so() -> None:
    rows = [ModelRow(name="gpt", provider="openai_responses"), ModelRow(name="near", provider="llamacpp")]
    async with running_api(catalog=Catalog.from_rows(rows, {})) as api:
        listed = (await api.client.get("/api/v1/models")).json()["models"]
    missing = {model["name"]: model["missing_key"] for model in listed}
    assert (missing["gpt"], missing["near"], missing["simulated"]) == ("OPENAI_API_KEY", None, None)


async def test_simulated_is_always_there(api: RunningApi) -> None:
    listed = (await api.client.get("/api/v1/models")).json()["models"]
    assert listed[0]["name"] == "simulated"
    body = {"model": "simulated", "messages": [{"role": "user", "content": "Hi"}]}
    assert (await api.client.post("/api/v1/runs", json=body)).status_code == 201
