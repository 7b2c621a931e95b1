"""The chat and the conversation as their users meet them: both clients' readers, a kill in mid-answer, who leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from headwater.client.reader import SSEStreamReader
from headwater.domain import event as ev
from headwater.wire.sse import SSEDecoder
from headwater.workflows.conversation_script import LABEL
from tests.acceptance.scene import CALLED_ONCE, SCRIPTED, until, with_upstream
from tests.kit.client import Http, call
from tests.kit.product import Product, compatible_model
from tests.kit.script import Send, Stall, Step, chat_chunk, chat_stream, error_answer
from tests.kit.upstream import Received, ScriptedUpstream
from tests.web.node import run_node

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

TOKYO = "Find me a restaurant in Tokyo"
JSON = {"content-type": "application/json"}
ANN = {"x-org-id": "acme", "x-user-id": "ann"}
#: Whose the chats are of who names nobody.
NOBODY = {"x-org-id": "00000000-0000-0000-0000-000000000001", "x-user-id": "local"}
HALF: list[Step] = [Send(chat_chunk("", role="assistant")), Send(chat_chunk("Half of a secret")), Stall()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def product(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    async with Product(tmp_path_factory.mktemp("talk") / "data") as running:
        yield running


async def read(product: Product, path: str, body: dict[str, str]) -> tuple[str, list[ev.Event]]:
    """What our Python reader makes of a stream: the form that it settled on, and the events."""
    async with (
        httpx2.AsyncClient(trust_env=False, verify=False) as http,
        http.stream("POST", f"{product.url}{path}", json=body) as response,
    ):
        reader = SSEStreamReader(response)
        events = [record.event async for record in reader.read_events()]
    assert reader.form is not None
    return reader.form.name, events


@pytest.mark.asyncio(loop_scope="module")
async def test_our_reader_reads_a_chat(product: Product) -> None:
    form, [*pieces, last] = await read(product, "/chat/stream", {"message": "Hello"})
    text = "".join(piece.content for piece in pieces if isinstance(piece, ev.Chunk))
    assert isinstance(last, ev.Complete)
    assert (form, last.final_response, len(pieces) > 5) == ("tokens", text, True)


@pytest.mark.asyncio(loop_scope="module")
async def test_our_reader_reads_a_conversation(product: Product) -> None:
    form, [status, context, *pieces, last] = await read(product, "/api/conversation-stream/ann", {"message": TOKYO})
    assert (form, status) == ("typed", ev.Status("streaming"))
    assert context == ev.Context({"intent": "find_restaurant", "entities": {"place": "Tokyo"}})
    assert LABEL in "".join(piece.content for piece in pieces if isinstance(piece, ev.Chunk))
    assert isinstance(last, ev.Complete)
    assert last.result["suggestions"][0] == "Show me ramen in Tokyo"
    assert last.result["session_id"].startswith("ses_")


@pytest.mark.asyncio(loop_scope="module")
async def test_so_does_the_one_of_pages(product: Product) -> None:
    asked = [("/chat/stream", "Hello"), ("/api/conversation-stream/ann", TOKYO)]
    questions = [
        {
            "url": f"{product.url}{path}",
            "init": {"method": "POST", "headers": JSON, "body": json.dumps({"message": message})},
        }
        for path, message in asked
    ]
    done = await asyncio.to_thread(run_node, "test/older.ts", stdin=json.dumps(questions))
    assert done.returncode == 0, done.stderr
    chat, conversation = json.loads(done.stdout)
    text = "".join(each["data"]["content"] for each in chat["events"] if each["type"] == "chunk")
    assert (chat["form"], chat["events"][-1]["data"]["final_response"]) == ("tokens", text)
    status, context, *_, last = conversation["events"]
    assert (conversation["form"], status["type"], last["type"]) == ("typed", "status", "complete")
    assert context["data"]["context"]["entities"] == {"place": "Tokyo"}
    assert last["data"]["result"]["suggestions"][0] == "Show me ramen in Tokyo"


async def test_another_model_answers_in_place_of_one_that_fails(data_dir: Path) -> None:
    def play(received: Received) -> Iterable[Step]:
        if received.json["model"] == "first":
            return error_answer(500, "It broke.")
        return chat_stream(["From ", "the second."])

    async with ScriptedUpstream(play) as upstream:
        rows = [compatible_model(name, upstream.base_url) for name in ("first", "second")]
        both = {"models": ["first", "second"]}
        config = {"resilience": CALLED_ONCE, "models": rows, "chat": both, "conversation": both}
        async with Product(data_dir, config=config) as product:
            for path, member in (("/chat", "reply"), ("/api/conversation/ann", "message")):
                answer = await call(product.port, "POST", path, {"message": "Hello"})
                assert (answer.status, answer.json()[member]) == (200, "From the second.")


async def test_the_limits_of_the_configuration_hold(data_dir: Path) -> None:
    config = {"chat": {"day_tokens_max": 40}, "conversation": {"per_minute": 1}}
    async with Product(data_dir, config=config) as product:
        # The simulated model says more than forty tokens, which are known only afterwards.
        assert (await call(product.port, "POST", "/chat", {"message": "Hello"}, ANN)).status == 200

        async def is_used_up() -> bool:
            return (await call(product.port, "POST", "/chat", {"message": "Hello"}, ANN)).status == 402

        await until(is_used_up, "what the answer used is counted")
        used_up = await call(product.port, "POST", "/chat/stream", {"message": "Hello"}, ANN)
        assert (used_up.status, used_up.json()["error"]) == (402, "BUDGET")
        assert (await call(product.port, "POST", "/chat", {"message": "Hello"})).status == 200
        talk = [await call(product.port, "POST", "/api/conversation/ann", {"message": "Hello"}) for _ in range(2)]
        assert [answer.status for answer in talk] == [200, 429]
        assert talk[1].json()["code"] == "RATE_LIMIT"


class Asking:
    """A stream that was asked for and is read a frame at a time."""

    def __init__(self, port: int) -> None:
        self.http = Http(port)
        self._decoder = SSEDecoder()

    async def ask(self, path: str, headers: dict[str, str]) -> None:
        await self.http.send("POST", path, headers, json.dumps({"message": "A secret", "model": SCRIPTED}).encode())
        assert self.http.status == 200

    async def next(self) -> Any:
        async for data in self.http.body():
            for frame in self._decoder.feed(data):
                return json.loads(frame.data)
        raise AssertionError("the answer ended")


async def shown(product: Product, path: str, headers: dict[str, str]) -> Any:
    answer = await call(product.port, "GET", path, headers=headers)
    assert answer.status == 200, answer.body
    return answer.json()


async def test_a_kill_in_mid_answer_leaves_each_message_once(data_dir: Path) -> None:
    async with ScriptedUpstream(HALF) as upstream, with_upstream(data_dir, upstream) as product:
        chat, conversation = Asking(product.port), Asking(product.port)
        await chat.ask("/chat/stream", ANN)
        assert await chat.next() == {"token": "Half of a secret", "done": False}
        await conversation.ask("/api/conversation-stream/ann", ANN)
        assert (await conversation.next())["status"] == "processing"
        await product.kill()
        await product.start()
        question, answer = (await shown(product, f"/chat/chats/{chat.http.headers['x-chat-id']}", ANN))["messages"]
        assert (question["content"], question["state"]) == ("A secret", "complete")
        assert (answer["content"], answer["state"]) == ("Half of a secret", "partial")
        assert answer["error"]["code"] == "INTERRUPTED"
        session = conversation.http.headers["x-session-id"]
        (turn,) = (await shown(product, f"/api/conversation/ann/sessions/{session}", ANN))["turns"]
        assert (turn["message"], turn["state"], turn["error"]["code"]) == ("A secret", "failed", "INTERRUPTED")
        chat.http.close()
        conversation.http.close()
        assert "secret" not in product.log_text


async def test_who_leaves_a_chat_stops_it_after_a_moment_and_what_was_said_is_kept(data_dir: Path) -> None:
    async with ScriptedUpstream(HALF) as upstream, with_upstream(data_dir, upstream) as product:
        chat = Asking(product.port)
        await chat.ask("/chat/stream", {})
        await chat.next()
        chat.http.close()
        path = f"/chat/chats/{chat.http.headers['x-chat-id']}"

        async def is_stopped() -> bool:
            _, answer = (await shown(product, path, NOBODY))["messages"]
            return bool(answer["state"] != "running")

        await until(is_stopped, "the run stops when nobody reads it")
        _, answer = (await shown(product, path, NOBODY))["messages"]
        assert (answer["content"], answer["state"], answer["error"]["code"]) == (
            "Half of a secret",
            "partial",
            "CANCELLED",
        )
        lines = [json.loads(line) for line in product.log_text.splitlines() if line.startswith("{")]
        told = {line["event"]: line for line in lines if line["event"].startswith("chat ")}
        assert told["chat started"]["textLength"] == len("A secret")
        assert (told["chat left"]["tokensStreamed"], told["chat left"]["totalLength"]) == (1, len("Half of a secret"))
        assert told["chat started"]["requestId"] == told["chat left"]["requestId"] == chat.http.headers["x-run-id"]
        assert "secret" not in product.log_text
