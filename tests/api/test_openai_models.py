"""The models that can be called, in OpenAI's shape."""

from __future__ import annotations

import pytest
from openai.types import Model

from tests.api.composed import RunningApi
from tests.api.test_openai_error import check_openai


async def test_the_list_is_that_of_our_own_api(api: RunningApi) -> None:
    listed = (await api.client.get("/v1/models")).json()
    ours = (await api.client.get("/api/v1/models")).json()["models"]
    assert listed["object"] == "list"
    assert [(each["id"], each["owned_by"]) for each in listed["data"]] == [(m["name"], m["provider"]) for m in ours]
    for each in listed["data"]:
        assert Model.model_validate(each).object == "model"
        assert (await api.client.get(f"/v1/models/{each['id']}")).json() == each


@pytest.mark.parametrize("name", ["nobody", "house/large:7b", "a/b/c", "%2F", "%F0%9F%98%80", "x" * 300])
async def test_a_model_that_is_not_there(api: RunningApi, name: str) -> None:
    response = await api.client.get(f"/v1/models/{name}")
    error = check_openai(response.status_code, dict(response.headers), response.content)
    assert (response.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
