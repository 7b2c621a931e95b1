"""Responses as OpenAI's own models read them: strictly, and nothing that they do not know."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from headwater.domain.message import Message
from headwater.domain.run import LOCAL_OWNER, Run, RunRequest
from headwater.wire.sse import SSEDecoder
from tests.delivery.formats.faces import CREATED_AT_MS, RUN

_events: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)

RESPONSE_ID = "resp_" + "0a" * 16

#: Members that OpenAI's API has and its SDK's models have not, or that are ours.
KNOWN_EXTRAS = {"store", "estimated", "error"}


def run(**changes: Any) -> Run:
    request: dict[str, Any] = {"model": "m", "messages": [Message("user", "Hello")], "on_disconnect": "cancel"}
    return Run(RUN, LOCAL_OWNER, RunRequest(**{**request, **changes}), CREATED_AT_MS)


def events_of(data: bytes) -> list[dict[str, Any]]:
    """The events, each one held to the SDK's own model, in bytes that hold nothing else than they must."""
    assert b"\r" not in data
    for block in data.split(b"\n\n")[:-1]:
        assert block.startswith((b"event: ", b": ")), block
        assert block.count(b"\n") == (0 if block.startswith(b": ") else 1)
    found = []
    for frame in SSEDecoder().feed(data):
        event = check_event(frame.data)
        assert event["type"] == frame.event
        found.append(event)
    return found


def check_event(data: bytes) -> dict[str, Any]:
    model = _events.validate_json(data, strict=True)
    assert not set(extras(model)) - KNOWN_EXTRAS, extras(model)
    event: dict[str, Any] = json.loads(data)
    return event


def check_response(data: bytes) -> dict[str, Any]:
    model = Response.model_validate_json(data, strict=True)
    assert not set(extras(model)) - KNOWN_EXTRAS, extras(model)
    found: dict[str, Any] = json.loads(data)
    return found


def extras(value: object) -> Iterable[str]:
    """Members that no model knows, at any depth."""
    if isinstance(value, BaseModel):
        yield from value.model_extra or ()
        for each in vars(value).values():
            yield from extras(each)
    elif isinstance(value, list):
        for each in value:
            yield from extras(each)
