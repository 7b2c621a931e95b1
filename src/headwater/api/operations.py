"""For whoever runs the server: alive, ready, figures, and the description of the API itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.api.answer import Answer, Asgi, json_answer
from headwater.api.openapi import document
from headwater.api.problem import problem_of
from headwater.api.resources import Health
from headwater.api.route import Call, Operation, Reply, Resource

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def livez(call: Call) -> Asgi:
    return json_answer(Health("alive"))


async def readyz(call: Call) -> Asgi:
    reason = call.services.ready()
    if reason is None:
        return json_answer(Health("ready"))
    return problem_of(reason)


async def metrics(call: Call) -> Asgi:
    return Answer(200, call.services.metrics(), [(b"content-type", METRICS_TYPE.encode())])


def operations(described: Sequence[Resource]) -> list[Resource]:
    """The resources at the root; `/openapi.json` describes these and those that are passed in."""
    rendered: list[bytes] = []

    async def openapi(call: Call) -> Asgi:
        if not rendered:
            rendered.append(msgspec.json.encode(document([*described, *own])))
        return json_answer(rendered[0])

    def get(path: str, handler: Any, about: str, reply: Reply, *, needs_key: bool = False) -> Resource:
        return Resource(path, Operation("GET", handler, about, (reply,), needs_key=needs_key))

    own = [
        get("/livez", livez, "Whether the process answers", Reply(200, "It does", Health)),
        get("/readyz", readyz, "Whether new runs are taken", Reply(200, "They are", Health)),
        get(
            "/metrics",
            metrics,
            "Figures for Prometheus",
            Reply(200, "The figures", media=("text/plain",)),
            needs_key=True,
        ),
        get("/openapi.json", openapi, "This document", Reply(200, "OpenAPI 3.1", dict[str, Any])),
    ]
    return own
