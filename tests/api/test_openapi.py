"""The OpenAPI document: valid, whole, and true of what the server sends."""

import json
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from headwater.api.app import RESOURCES
from headwater.api.openapi import document
from headwater.api.route import Resource
from headwater.domain.event import Chunk
from headwater.providers.contract import Finish
from tests.api.composed import HELLO, RunningApi
from tests.api.keyed import keyed_api

DOCUMENT: dict[str, Any] = json.loads(json.dumps(document(RESOURCES)))


def schema(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}


def test_it_is_valid() -> None:
    validate(DOCUMENT)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path)
def test_it_names_every_route_and_every_question(resource: Resource) -> None:
    item = DOCUMENT["paths"][resource.path]
    assert {method.upper() for method in item} - {"PARAMETERS"} == set(resource.operations)
    for method, operation in resource.operations.items():
        described = item[method.lower()]
        named = [(p["in"], p["name"]) for p in described.get("parameters", [])]
        assert named == [("query", p.name) for p in operation.query] + [("header", p.name) for p in operation.headers]
        assert ("requestBody" in described) == (operation.takes is not None)
        replies = {str(reply.status) for reply in operation.replies} | {"default"}
        assert replies | ({"401"} if operation.needs_key else set()) == set(described["responses"])


def test_operations_have_ids_of_their_own() -> None:
    ids = [
        operation["operationId"]
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict)
    ]
    assert len(set(ids)) == len(ids) == sum(len(resource.operations) for resource in RESOURCES)


def test_an_operation_says_whether_it_needs_a_key_and_how_to_show_one() -> None:
    ways = set(DOCUMENT["components"]["securitySchemes"])
    for resource in RESOURCES:
        for method, operation in resource.operations.items():
            described = DOCUMENT["paths"][resource.path][method.lower()]
            asked = described.get("security", [])
            # Where the server asks for none, none is shown.
            assert ({} in asked, {way for each in asked for way in each}) == (
                (True, ways) if operation.needs_key else (False, set())
            )


async def test_every_way_that_is_described_is_taken_and_a_refusal_is_as_described() -> None:
    async with keyed_api() as keyed:
        described = DOCUMENT["paths"]["/api/v1/runs"]["get"]
        for way in DOCUMENT["components"]["securitySchemes"].values():
            match way:
                case {"type": "http", "scheme": scheme}:
                    headers = {"authorization": f"{scheme} {keyed.ann}"}
                case {"in": "cookie", "name": name}:
                    headers = {"cookie": f"{name}={keyed.ann}"}
                case _:
                    headers = {way["name"]: keyed.ann}
            assert (await keyed.api.client.get("/api/v1/runs", headers=headers)).status_code == 200
        refused = await keyed.api.client.get("/api/v1/runs")
        assert str(refused.status_code) in described["responses"]
        for name in DOCUMENT["components"]["responses"]["Unauthorized"]["headers"]:
            assert name in refused.headers
        jsonschema.validate(refused.json(), schema("Problem"))


def test_unknown_fields_are_refused_in_the_description_too() -> None:
    for name in ("RunRequest", "Settings", "Limits", "Message", "TextPart", "Tool"):
        assert DOCUMENT["components"]["schemas"][name]["additionalProperties"] is False


async def test_what_the_server_sends_is_what_is_described(api: RunningApi) -> None:
    jsonschema.validate(HELLO, schema("RunRequest"))
    run = await api.start(metadata={"a": "b"})
    path = f"/api/v1/runs/{run}"
    jsonschema.validate((await api.client.get(path)).json(), schema("RunResource"))
    api.prompter.say(Chunk("Hi", 0), Finish("stop"))
    await api.ended(run)
    for asked, name in [(path, "RunResource"), ("/api/v1/runs", "RunList"), ("/api/v1/models", "ModelList")]:
        jsonschema.validate((await api.client.get(asked)).json(), schema(name))
    page = await api.client.get(f"{path}/events", headers={"accept": "application/json"})
    jsonschema.validate(page.json(), schema("RecordPage"))
    jsonschema.validate((await api.client.get("/nowhere")).json(), schema("Problem"))
    assert (await api.client.get("/openapi.json")).json() == DOCUMENT
