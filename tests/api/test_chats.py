"""What of chats is kept: each message once, in order, for its owner only, until it is forgotten."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater.api.chats import shortened
from headwater.domain.event import Chunk
from headwater.errors import ErrorCode, ProviderError
from tests.api.composed import RunningApi
from tests.api.leaving import readers
from tests.api.talking import ANN, BOB, OTHER_ANN, refused, said, says


async def shown(api: RunningApi, chat: str, headers: dict[str, str] = ANN, **query: Any) -> dict[str, Any]:
    response = await api.client.get(f"/chat/chats/{chat}", headers=headers, params=query)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def settled(api: RunningApi, chat: str) -> list[dict[str, Any]]:
    """The chat's messages once none of them is being made any more: for runs whose end nobody has read."""
    async with asyncio.timeout(10):
        while True:
            messages: list[dict[str, Any]] = (await shown(api, chat))["messages"]
            if all(each["state"] != "running" for each in messages):
                return messages
            await asyncio.sleep(0.001)  # paces: the server has its turns of the loop that they share


async def test_both_messages_are_there_in_order(api: RunningApi) -> None:
    api.prompter.script = says("Hel", "lo")
    answer = await said(api, "Hi\n there")
    chat = answer.json()["chat_id"]
    messages = (await shown(api, chat))["messages"]
    assert [(each["role"], each["content"], each["state"], each["error"]) for each in messages] == [
        ("user", "Hi\n there", "complete", None),
        ("assistant", "Hello", "complete", None),
    ]
    assert messages[1]["message_id"] == answer.json()["message_id"]
    assert {each["run"] for each in messages} == {answer.headers["x-run-id"]}
    found = await shown(api, chat)
    assert (found["org_id"], found["user_id"], found["title"], found["next"]) == ("acme", "ann", "Hi there", None)


async def test_an_answer_that_is_being_made_is_there_and_says_so(api: RunningApi) -> None:
    async with api.client.stream(
        "POST", "/chat/stream", json={"message": "Hi", "model": "prompted"}, headers=ANN
    ) as response:
        chat = response.headers["x-chat-id"]
        question, answer = (await shown(api, chat))["messages"]
        assert (question["content"], answer["content"], answer["state"]) == ("Hi", "", "running")
        api.prompter.say(Chunk("Hello", 0))
        api.prompter.finish()
        await response.aread()
    assert [each["content"] for each in (await shown(api, chat))["messages"]] == ["Hi", "Hello"]


async def test_a_question_that_was_never_answered_is_not_asked_again(api: RunningApi) -> None:
    async with api.client.stream(
        "POST", "/chat/stream", json={"message": "Lost", "model": "prompted"}, headers=ANN
    ) as response:
        chat = response.headers["x-chat-id"]
        await api.client.post(f"/api/v1/runs/{response.headers['x-run-id']}/cancel", headers=ANN)
        await response.aread()
    api.prompter.script = says("Yes.")
    await said(api, "Again", chat_id=chat)
    assert [message.content for message in api.prompter.calls[-1].messages] == ["Again"]


async def test_an_answer_that_was_left_is_partial(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hel", 0))
    headers = {**ANN, "headwater-on-disconnect": "cancel"}
    async with api.client.stream(
        "POST", "/chat/stream", json={"message": "Hi", "model": "prompted"}, headers=headers
    ) as response:
        await anext(response.aiter_lines())
    await readers(api, 0)
    _, answer = await settled(api, response.headers["x-chat-id"])
    assert (answer["content"], answer["state"], answer["error"]["code"]) == ("Hel", "partial", "CANCELLED")


async def test_one_that_failed_at_once_has_failed(api: RunningApi) -> None:
    def fail(*_: object, **__: object) -> object:
        raise ProviderError(ErrorCode.RATE_LIMIT, "Slow down.", provider="p")

    api.prompter.stream = fail  # type: ignore[method-assign, assignment]  # the call fails before there is a stream
    response = await said(api, "Hi")
    question, answer = await settled(api, response.headers["x-chat-id"])
    assert (question["state"], answer["state"], answer["content"]) == ("complete", "failed", "")
    assert answer["error"] == {"code": "RATE_LIMIT", "message": "Slow down."}


async def test_chats_are_listed_newest_first_a_page_at_a_time(api: RunningApi) -> None:
    api.prompter.script = says("Yes.")
    for place in range(3):
        await said(api, f"Question {place}")
    await said(api, "Not hers", BOB)
    seen, cursor = [], None
    while True:
        query = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
        page = (await api.client.get("/chat/chats", headers=ANN, params=query)).json()
        seen.append([each["title"] for each in page["chats"]])
        if (cursor := page["next"]) is None:
            break
    assert seen == [["Question 2", "Question 1"], ["Question 0"]]


async def test_a_long_chat_is_read_back_from_its_end(api: RunningApi) -> None:
    api.prompter.script = says("Yes.")
    chat = (await said(api, "Question 0")).json()["chat_id"]
    for place in range(1, 3):
        await said(api, f"Question {place}", chat_id=chat)
    last = await shown(api, chat, limit=4)
    first = await shown(api, chat, limit=4, cursor=last["next"])
    contents = [each["content"] for page in (first, last) for each in page["messages"]]
    assert contents == ["Question 0", "Yes.", "Question 1", "Yes.", "Question 2", "Yes."]
    assert first["next"] is None


@pytest.mark.parametrize("headers", [BOB, OTHER_ANN, {}], ids=["bob", "another organisation", "nobody"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_anothers_chat_looks_like_one_that_never_was(
    api: RunningApi, method: str, headers: dict[str, str]
) -> None:
    api.prompter.script = says("Mine.")
    chat = (await said(api, "A secret")).json()["chat_id"]
    others = await api.client.request(method, f"/chat/chats/{chat}", headers=headers)
    unknown = await api.client.request(method, "/chat/chats/chat_" + "0" * 32, headers=headers)
    assert refused(others) == (404, "NOT_FOUND")
    assert others.content == unknown.content
    assert len((await shown(api, chat))["messages"]) == 2


@pytest.mark.parametrize("chat", ["x", "chat_1", "chat_" + "g" * 32, "%00", "a" * 300])
async def test_what_can_be_no_chats_id_is_not_found(api: RunningApi, chat: str) -> None:
    assert refused(await api.client.get(f"/chat/chats/{chat}")) == (404, "NOT_FOUND")


async def test_a_chat_that_is_forgotten_leaves_nothing(api: RunningApi) -> None:
    api.prompter.script = says("Yes.")
    first = await said(api, "First")
    chat = first.json()["chat_id"]
    second = await said(api, "Second", chat_id=chat)
    kept = await said(api, "Another chat")
    assert (await api.client.delete(f"/chat/chats/{chat}", headers=ANN)).status_code == 204
    assert refused(await api.client.get(f"/chat/chats/{chat}", headers=ANN)) == (404, "NOT_FOUND")
    for run, status in [(first, 404), (second, 404), (kept, 200)]:
        response = await api.client.get(f"/api/v1/runs/{run.headers['x-run-id']}", headers=ANN)
        assert response.status_code == status
    chats = (await api.client.get("/chat/chats", headers=ANN)).json()["chats"]
    assert [each["title"] for each in chats] == ["Another chat"]


async def test_a_run_that_is_deleted_takes_its_messages_along(api: RunningApi) -> None:
    api.prompter.script = says("Yes.")
    first = await said(api, "First")
    chat = first.json()["chat_id"]
    await said(api, "Second", chat_id=chat)
    await settled(api, chat)
    assert (await api.client.delete(f"/api/v1/runs/{first.headers['x-run-id']}", headers=ANN)).status_code == 204
    found = await shown(api, chat)
    assert ([each["content"] for each in found["messages"]], found["title"]) == (["Second", "Yes."], None)


@pytest.mark.parametrize(("text", "title"), [("a\n  b", "a b"), ("x" * 80, "x" * 80), ("x" * 81, "x" * 79 + "…")])
def test_a_title_is_a_beginning_in_one_line(text: str, title: str) -> None:
    assert shortened(text) == title
