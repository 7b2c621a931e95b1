"""The OpenAPI 3.1 document, made from the route table and the structs that bodies are decoded into."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

import headwater
from headwater.api.key_access import COOKIE
from headwater.api.problem import Problem
from headwater.api.route import Operation, Parameter, Reply, Resource
from headwater.domain.run import RUN_ID

_REF = "#/components/schemas/{name}"
#: Every way to show a key; none of them is asked for unless the operator wants it (`server.keys`).
_WAYS: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
}
_SECURITY: list[dict[str, list[str]]] = [{}, *[{way: list[str]()} for way in _WAYS]]
_PATH_PARAMETERS: dict[str, tuple[dict[str, Any], str]] = {
    "run": ({"type": "string", "pattern": f"^{RUN_ID.pattern}$"}, "The run's id"),
    "response": ({"type": "string", "pattern": "^resp_[0-9a-f]{32}$"}, "The response's id: that of its run, renamed"),
    "model": ({"type": "string"}, "The model's name; it may hold slashes"),
    "stream": ({"type": "string"}, "The stream's name; it may hold slashes"),
    "task": ({"type": "string", "pattern": "^[0-9a-f]{8}$"}, "The puzzle's id"),
    "chat": ({"type": "string"}, "The chat's id, which the page gave it"),
    "chat_id": ({"type": "string", "pattern": "^chat_[0-9a-f]{32}$"}, "The chat's id"),
    "user_id": ({"type": "string", "minLength": 1, "maxLength": 200}, "The application's own name for the person"),
    "session": ({"type": "string", "pattern": "^ses_[0-9a-f]{32}$"}, "The session's id"),
}


def document(resources: Sequence[Resource]) -> dict[str, Any]:
    """The document as plain data. Every resource and every operation of the route table is in it."""
    types = list(_types(resources))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    by_type = {_key(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    problem = {"application/problem+json": {"schema": by_type[_key(Problem)]}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headwater",
            "version": headwater.__version__,
            "description": "Runs that outlive their connection: every record is durable before anyone sees it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {resource.path: _path_item(resource, by_type) for resource in resources},
        "components": {
            "schemas": components,
            "responses": {
                "Problem": {
                    "description": "Refused; nothing was begun or changed. `code` is stable.",
                    "content": problem,
                },
                "Unauthorized": {
                    "description": "The server asks for keys, and none was shown that it takes.",
                    "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
                    "content": problem,
                },
            },
            "securitySchemes": _WAYS,
        },
    }


def _types(resources: Sequence[Resource]) -> dict[Any, None]:
    types: dict[Any, None] = {Problem: None}
    for resource in resources:
        for operation in resource.operations.values():
            for kind in (operation.takes, *(reply.json for reply in operation.replies)):
                if kind not in (None, bytes):
                    types[kind] = None
    return types


def _key(kind: Any) -> str:
    return str(kind)


def _path_item(resource: Resource, by_type: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {
        operation.method.lower(): _operation(resource, operation, by_type) for operation in resource.operations.values()
    }
    names = re.findall(r"\{(\w+)\}", resource.path)
    if names:
        item["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": schema, "description": about}
            for name, (schema, about) in ((name, _PATH_PARAMETERS[name]) for name in names)
        ]
    return item


def _operation(resource: Resource, operation: Operation, by_type: dict[str, Any]) -> dict[str, Any]:
    last = [part for part in resource.path.split("/") if part and not part.startswith("{")][-1]
    described: dict[str, Any] = {
        "operationId": f"{operation.handler.__name__}_{last.partition('.')[0]}",
        "summary": operation.about,
        "responses": {
            **{str(reply.status): _reply(reply, by_type) for reply in operation.replies},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if operation.needs_key:
        described["security"] = _SECURITY
        described["responses"]["401"] = {"$ref": "#/components/responses/Unauthorized"}
    parameters = [_parameter(each, "query") for each in operation.query]
    parameters += [_parameter(each, "header") for each in operation.headers]
    if parameters:
        described["parameters"] = parameters
    if operation.takes is bytes:
        described["requestBody"] = {"content": {"*/*": {"schema": {}}}}
    elif operation.takes is not None:
        schema = by_type[_key(operation.takes)]
        described["requestBody"] = {
            "required": not operation.body_optional,
            "content": {"application/json": {"schema": schema}},
        }
    return described


def _parameter(parameter: Parameter[Any], place: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": parameter.name,
        "in": place,
        "schema": dict(parameter.schema),
        "description": parameter.about,
    }
    if parameter.schema.get("type") == "array":
        row |= {"style": "form", "explode": parameter.repeated}
    if parameter.required:
        row["required"] = True
    return row


def _reply(reply: Reply, by_type: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if reply.json is not None:
        content["application/json"] = {"schema": by_type[_key(reply.json)]}
    for media in reply.media:
        content[media] = {"schema": {"type": "string"}}
    return {"description": reply.about, **({"content": content} if content else {})}
