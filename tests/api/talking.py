"""What the tests of the chat and of the conversation share: a caller by name, and how a stream is read."""

from __future__ import annotations

import json
from typing import Any

import httpx

from headwater.domain.event import Chunk
from headwater.providers.contract import Finish, Item
from headwater.wire.sse import SSEDecoder
from tests.api.composed import RunningApi

ANN = {"x-org-id": "acme", "x-user-id": "ann"}
BOB = {"x-org-id": "acme", "x-user-id": "bob"}
#: The same user's name in another organisation.
OTHER_ANN = {"x-org-id": "other", "x-user-id": "ann"}


def says(*texts: str) -> list[list[Item]]:
    """The script of a model that says these pieces."""
    script: list[list[Item]] = [[Chunk(text, 0)] for text in texts]
    return [*script, [Finish("stop")]]


def frames(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    return [json.loads(frame.data) for frame in SSEDecoder().feed(response.content)]


def refused(response: httpx.Response) -> tuple[int, str]:
    """The status and the code of a refusal of the chat, whose body has two members and no others."""
    body = response.json()
    assert set(body) == {"error", "message"}
    assert response.headers["content-type"] == "application/json"
    return response.status_code, body["error"]


async def said(api: RunningApi, message: str, headers: dict[str, str] = ANN, **more: Any) -> httpx.Response:
    """A whole answer of the model that the test plays."""
    body = {"message": message, "model": "prompted", **more}
    return await api.client.post("/chat", json=body, headers=headers)
