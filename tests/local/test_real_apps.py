"""The applications with a real model: whatever it makes of its task, the path is real, and its end is honest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio

from headwater.client.reader import SSEStreamReader
from headwater.domain import event as ev
from tests.acceptance.scene import Scene
from tests.kit.client import call
from tests.kit.product import Product

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

MODEL: Final = "smollm2"
#: Callers wait for the model for as long as a loaded machine takes.
PATIENT: Final = {"connect_s": 100, "total_s": 300}
#: A puzzle whose prompt leaves room for an answer in this model's context.
TASK: Final = "0520fde7"
HELLO: Final = {"messages": [{"role": "user", "content": "Hello"}], "limits": PATIENT, "settings": {"max_tokens": 4}}
ANN: Final = {"x-org-id": "acme", "x-user-id": "ann"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def product(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    # Nobody can tell so small a model in these APIs when to stop: the time does, if it does not by itself.
    config = {"chat": {"models": [MODEL]}, "conversation": {"models": [MODEL], "total_s": 60}}
    data = tmp_path_factory.mktemp("apps") / "data"
    async with Product(data, arguments=["--local"], config=config) as product:
        first = await call(product.port, "POST", "/api/v1/runs", {"model": MODEL, "workflow": "chat", **HELLO})
        # The model is there: no test's time is spent on loading it.
        assert (await Scene(product).end(str(first.json()["id"]))).type == "complete"
        yield product


async def streamed(product: Product, path: str) -> tuple[httpx2.Headers, list[ev.Event]]:
    """The head of an answer to a greeting, and its events as the client's reader makes them of the older form."""
    async with (
        httpx2.AsyncClient(trust_env=False, verify=False, timeout=120) as http,
        http.stream("POST", f"{product.url}{path}", json={"message": "Say hello."}, headers=ANN) as response,
    ):
        assert response.status_code == 200
        events = [record.event async for record in SSEStreamReader(response).read_events()]
    return response.headers, events


async def found(product: Product, path: str, whose: dict[str, str] | None = None) -> Any:
    answer = await call(product.port, "GET", path, headers=whose)
    assert answer.status == 200, answer.body
    return answer.json()


def text_of(events: list[ev.Event]) -> str:
    return "".join(event.content for event in events if isinstance(event, ev.Chunk))


async def test_a_chat_is_answered_as_it_is_made_and_kept(product: Product) -> None:
    head, events = await streamed(product, "/chat/stream")
    assert isinstance(events[-1], ev.Complete)
    assert events[-1].final_response == text_of(events) != ""
    kept = await found(product, f"/chat/chats/{head['x-chat-id']}", ANN)
    said = [(message["role"], message["content"], message["state"]) for message in kept["messages"]]
    assert said == [("user", "Say hello.", "complete"), ("assistant", text_of(events), "complete")]
    usage = (await found(product, f"/api/v1/runs/{head['x-run-id']}", ANN))["snapshot"]["usage"]
    assert (usage["source"], usage["output_tokens"] > 0) == ("provider", True)


async def test_a_conversation_has_a_context_an_answer_and_an_honest_end(product: Product) -> None:
    head, events = await streamed(product, "/api/conversation-stream/ann")
    kept = await found(product, f"/api/conversation/ann/sessions/{head['x-session-id']}", ANN)
    (turn,) = kept["turns"]
    assert turn["answer"] == text_of(events)
    if isinstance(events[-1], ev.Complete):
        assert isinstance(events[1], ev.Context)
        assert turn["context"] == events[1].context
        assert events[1].context.keys() == {"intent", "entities"}
        assert (turn["state"], turn["suggestions"]) == ("complete", events[-1].result["suggestions"])
        assert turn["answer"]
    else:
        # It has talked on for the whole minute.
        assert isinstance(events[-1], ev.Error)
        assert (events[-1].code, turn["error"]["code"]) == ("TIMEOUT", "TIMEOUT")


async def test_a_search_ends_with_a_verdict(product: Product) -> None:
    scene = Scene(product)
    asked: dict[str, Any] = {"model": MODEL, "workflow": "solver", "messages": [], "limits": PATIENT}
    asked |= {"settings": {"max_tokens": 40}, "input": {"task_id": TASK, "iterations": 1, "programs": 1}}
    run = str((await call(product.port, "POST", "/api/v1/runs", asked)).json()["id"])
    end = await scene.end(run)
    assert end.type == "complete"
    records = await scene.records(run)
    assert [record.data["data"]["state"] for record in records if record.type == "iteration"] == ["asking", "done"]
    assert sum(record.type == "chunk" for record in records) > 3
    kept = await found(product, f"/api/arc/solutions/{run}")
    assert (kept["state"], kept["result"]) == ("completed", end.data["result"])
    assert (kept["result"]["simulated"], kept["result"]["iterations"]) == (False, 1)
    assert end.data["usage"]["source"] == "provider"
    await scene.judge()


async def test_a_model_that_sees_nothing_is_refused_before_there_is_a_run(product: Product) -> None:
    asked = {"model": MODEL, "workflow": "visual_solver", "messages": [], "input": {"task_id": TASK}}
    before = await found(product, "/api/v1/runs")
    refused = await call(product.port, "POST", "/api/v1/runs", asked)
    problem = refused.json()
    assert (refused.status, problem["code"], problem["pointer"]) == (422, "UNSUPPORTED", "/model")
    assert await found(product, "/api/v1/runs") == before
