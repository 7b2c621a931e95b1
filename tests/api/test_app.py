"""The route table: what is there, in one list, and nothing that answers without the guard."""

from typing import Any

import pytest

from headwater.api.app import RESOURCES, create_api
from headwater.api.guard import Guard
from tests.api.composed import RunningApi

PROTOCOL = {
    "POST /api/v1/runs",
    "GET /api/v1/runs",
    "GET /api/v1/runs/{run}",
    "DELETE /api/v1/runs/{run}",
    "GET /api/v1/runs/{run}/events",
    "POST /api/v1/runs/{run}/cancel",
    "POST /api/v1/runs/{run}/retry",
    "GET /api/v1/events",
    "GET /api/v1/ws",
    "GET /api/v1/models",
    "GET /api/v1/providers",
    "POST /v1/chat/completions",
    "POST /v1/messages",
    "POST /v1/responses",
    "GET /v1/responses/{response}",
    "DELETE /v1/responses/{response}",
    "POST /v1/responses/{response}/cancel",
    "GET /v1/responses/{response}/input_items",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "PUT /v1/stream/{stream}",
    "POST /v1/stream/{stream}",
    "GET /v1/stream/{stream}",
    "HEAD /v1/stream/{stream}",
    "DELETE /v1/stream/{stream}",
    "GET /v1/stream/runs/{run}",
    "HEAD /v1/stream/runs/{run}",
    "POST /api/chat",
    "GET /api/chat/{chat}/stream",
    "POST /api/chat/{chat}/stop",
    "POST /api/ag-ui",
    "GET /api/arc/solutions",
    "GET /api/arc/solutions/{run}",
    "GET /livez",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /api/v1/workflows",
    "GET /api/v1/session",
    "POST /api/v1/session",
    "DELETE /api/v1/session",
    "GET /api/arc/tasks",
    "GET /api/arc/tasks/{task}",
    "GET /api/arc/analyses",
    "GET /api/arc/analyses/{run}",
    "GET /api/stream/analyze/{task}/{model}",
    "POST /api/analyze/{task}/{model}",
    "GET /api/arc/visual-solutions",
    "GET /api/arc/visual-solutions/{run}",
    "POST /chat",
    "POST /chat/stream",
    "GET /chat/stream",
    "GET /chat/chats",
    "GET /chat/chats/{chat_id}",
    "DELETE /chat/chats/{chat_id}",
    "GET /chat/test",
    "GET /chat/test.css",
    "GET /chat/test.js",
    "POST /api/conversation/{user_id}",
    "POST /api/conversation-stream/{user_id}",
    "GET /api/conversation/{user_id}/sessions",
    "DELETE /api/conversation/{user_id}/sessions/{session}",
    "GET /api/conversation/{user_id}/sessions/{session}",
    "GET /api/conversation/{user_id}/feedback",
    "POST /api/conversation/{user_id}/feedback",
}


def test_the_calls_of_the_protocol() -> None:
    assert {f"{method} {resource.path}" for resource in RESOURCES for method in resource.operations} == PROTOCOL


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path)
async def test_every_route_is_behind_the_guard(api: RunningApi, resource: Any) -> None:
    path = resource.path.replace("{run}", "run_" + "0" * 32)
    for method in resource.operations:
        request = f"{method} {path} HTTP/1.1\r\nhost: evil.example\r\n\r\n"
        assert (await api.exchange(request.encode()))[0] == 421
        request = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\n\r\n"
        assert (await api.exchange(request.encode()))[0] == 403


async def test_there_are_no_websockets_yet(api: RunningApi) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    app = create_api(api.services)
    assert isinstance(app, Guard)
    await app({"type": "websocket", "path": "/api/v1/ws", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]
