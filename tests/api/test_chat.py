"""The chat over a socket, with a model that says what the test tells it to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from headwater.admission.day_tokens import DayTokens
from headwater.api.talk_terms import ChatTerms
from headwater.domain.document import Document
from headwater.domain.event import Chunk
from headwater.domain.message import Message
from headwater.domain.run import Owner
from headwater.errors import ErrorCode, ProviderError
from headwater.wire.sse import SSEDecoder
from headwater.workflows.stored_chat import CHAT, MESSAGES
from tests.api.composed import RunningApi, running_api
from tests.api.leaving import check_who_leaves_stops_the_run, readers
from tests.api.talking import ANN, BOB, OTHER_ANN, frames, refused, said, says

STREAM = "/chat/stream"
ASKED = {"message": "Hello", "model": "prompted"}


async def test_a_whole_answer_has_its_four_members(api: RunningApi) -> None:
    api.prompter.script = says("Hel", "lo")
    response = await said(api, "Hi")
    body = response.json()
    assert (response.status_code, set(body)) == (200, {"chat_id", "message_id", "reply", "created_at"})
    assert (body["reply"], body["chat_id"]) == ("Hello", response.headers["x-chat-id"])
    assert body["message_id"] == response.headers["x-run-id"].replace("run_", "msg_")
    assert body["created_at"].endswith("Z")


async def test_a_whole_answer_may_be_made_again_after_output_where_that_is_asked_for(api: RunningApi) -> None:
    api.prompter.script = says("Hello")
    asked = {"Headwater-After-Output": "new_attempt"}
    for headers, after_output in (({}, "fail"), (asked, "new_attempt")):
        response = await api.client.post("/chat", json=ASKED, headers=headers)
        run = await api.storage.runs.get(response.headers["x-run-id"])
        assert run is not None
        assert run.request.after_output == after_output
    assert (await api.client.post(STREAM, json=ASKED, headers=asked)).status_code == 400


async def test_a_stream_is_a_token_a_frame(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hel", 0))
    async with api.client.stream("POST", STREAM, json=ASKED) as response:
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
        assert response.headers["x-chat-id"].startswith("chat_")
        lines = response.aiter_lines()
        assert await anext(lines) == 'data: {"token":"Hel","done":false}'
        api.prompter.say(Chunk("lo", 0))
        api.prompter.finish()
        rest = [line async for line in lines if line]
    assert rest == ['data: {"token":"lo","done":false}', 'data: {"token":"","done":true,"fullText":"Hello"}']


async def test_a_chat_goes_on_with_what_was_said(api: RunningApi) -> None:
    api.prompter.script = says("One.")
    chat = (await said(api, "First")).json()["chat_id"]
    api.prompter.script = says("Two.")
    second = await said(api, "Second", chat_id=chat)
    assert second.json()["chat_id"] == chat
    assert api.prompter.calls[-1].messages == [
        Message("user", "First"),
        Message("assistant", "One."),
        Message("user", "Second"),
    ]


async def test_of_a_long_chat_the_newest_is_sent_along() -> None:
    async with running_api(chat=ChatTerms(context_tokens_max=12)) as api:
        more: dict[str, Any] = {}
        for place in range(4):
            api.prompter.script = says(f"answer number {place}")
            more = {"chat_id": (await said(api, f"question {place}", **more)).json()["chat_id"]}
        assert api.prompter.calls[-1].messages == [
            Message("user", "question 2"),
            Message("assistant", "answer number 2"),
            Message("user", "question 3"),
        ]


@pytest.mark.parametrize("headers", [BOB, OTHER_ANN, {}], ids=["bob", "another organisation", "nobody"])
async def test_nobody_goes_on_with_anothers_chat(api: RunningApi, headers: dict[str, str]) -> None:
    api.prompter.script = says("Mine.")
    chat = (await said(api, "A secret")).json()["chat_id"]
    unknown = await said(api, "And?", headers, chat_id="chat_" + "0" * 32)
    others = await said(api, "And?", headers, chat_id=chat)
    assert refused(others) == refused(unknown) == (404, "NOT_FOUND")
    assert others.content == unknown.content
    assert len(api.prompter.calls) == 1


@pytest.mark.parametrize("path", ["/chat", STREAM])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"message": ""}, 400, "BAD_REQUEST"),
        ({"message": " \n"}, 400, "BAD_REQUEST"),
        ({}, 400, "BAD_REQUEST"),
        ({"message": "Hi", "temperature": 1}, 400, "BAD_REQUEST"),
        ({"message": "Hi", "chat_id": "../chats"}, 404, "NOT_FOUND"),
        ({"message": "Hi", "model": "nobody"}, 400, "BAD_REQUEST"),
        ({"message": "x" * 32_001}, 413, "TOO_LARGE"),
    ],
)
async def test_what_can_not_be_answered_is_refused(
    api: RunningApi, path: str, body: dict[str, object], status: int, code: str
) -> None:
    assert refused(await api.client.post(path, json=body)) == (status, code)
    assert (await api.client.get("/chat/chats")).json()["chats"] == []


async def test_a_run_goes_on_only_with_a_chat_that_there_is(api: RunningApi) -> None:
    """Whichever way it is started: else its messages would be kept where nobody can read or forget them."""
    api.prompter.script = says("One.")
    chat = (await said(api, "First")).json()["chat_id"]
    run = {
        "workflow": "stored_chat",
        "model": "prompted",
        "messages": [{"role": "user", "content": "Second"}],
        "metadata": {CHAT: chat},
    }
    foreign = await api.client.post("/api/v1/runs", json=run, headers=BOB)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "NOT_FOUND")
    assert foreign.json()["pointer"] == "/metadata/chat"
    bob = Owner(BOB["x-org-id"], BOB["x-user-id"])
    assert (await api.storage.documents.list(bob, MESSAGES)).documents == []
    assert (await api.client.get("/api/v1/runs", headers=BOB)).json()["runs"] == []
    assert (await api.client.post("/api/v1/runs", json=run, headers=ANN)).status_code == 201
    shown = await api.client.get(f"/chat/chats/{chat}", headers=ANN)
    assert [each["content"] for each in shown.json()["messages"] if each["role"] == "user"] == ["First", "Second"]


@pytest.mark.parametrize("name", ["", "a b", "ö", "x" * 201])
async def test_a_name_that_is_none_is_refused(api: RunningApi, name: str) -> None:
    response = await api.client.post("/chat", json=ASKED, headers={b"x-user-id": name.encode()})
    assert refused(response) == (400, "BAD_REQUEST")


async def test_more_tokens_than_a_request_may_have_are_refused_before_the_call() -> None:
    async with running_api(chat=ChatTerms(input_tokens_max=10)) as api:
        assert refused(await said(api, "x" * 41)) == (413, "CONTEXT_LENGTH")
        assert api.prompter.calls == []


async def test_more_tokens_than_the_day_has_are_refused_before_the_call() -> None:
    async with running_api(day_tokens=DayTokens(20, lambda: 0)) as api:
        api.prompter.script = says("Yes.")
        assert (await said(api, "x" * 72)).status_code == 200
        assert refused(await said(api, "x" * 12)) == (402, "BUDGET")
        assert (await said(api, "x" * 72, BOB)).status_code == 200
        assert len(api.prompter.calls) == 2


async def test_the_last_tokens_of_a_day_are_not_for_all_who_ask_at_once() -> None:
    terms = ChatTerms(output_tokens_reserved=60)
    async with running_api(day_tokens=DayTokens(100, lambda: 0), chat=terms) as api:
        api.prompter.script = [[Chunk("Y", 0)]]
        # sixty and the tokens of the question for the first, what is left for the second
        async with (
            api.client.stream("POST", STREAM, json=ASKED, headers=ANN) as first,
            api.client.stream("POST", STREAM, json=ASKED, headers=ANN) as second,
        ):
            assert (first.status_code, second.status_code) == (200, 200)
            assert refused(await said(api, "Hi")) == (402, "BUDGET")
            assert len(api.prompter.calls) == 2
            for answer in (first, second):
                api.prompter.finish()
                await answer.aread()


async def test_what_the_last_of_the_day_was_spent_on_can_be_asked_for_again() -> None:
    async with running_api(day_tokens=DayTokens(20, lambda: 0)) as api:
        api.prompter.script = says("Yes.")
        dear = {"message": "x" * 72, "model": "prompted"}
        first, again = [await api.client.post("/chat", json=dear, headers={"idempotency-key": "k"}) for _ in range(2)]
        assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
        other = await api.client.post("/chat", json=dear, headers={"idempotency-key": "another"})
        assert refused(other) == (402, "BUDGET")


@pytest.mark.parametrize(("context_tokens_max", "sent", "pages"), [(2, 2, 1), (40, 40, 3), (1000, 62, 4)])
async def test_of_a_long_chat_no_more_is_read_than_is_sent_along(
    monkeypatch: pytest.MonkeyPatch, context_tokens_max: int, sent: int, pages: int
) -> None:
    async with running_api(chat=ChatTerms(context_tokens_max=context_tokens_max)) as api:
        api.prompter.script = says("Yes.")
        chat = (await said(api, "1234")).json()["chat_id"]
        for turn in range(30):
            run, body = f"run_{turn}", {"state": "complete"}
            question = Document(MESSAGES, f"q{turn}", {**body, "role": "user", "content": "1234"}, {CHAT: chat}, run)
            answer = Document(MESSAGES, f"a{turn}", {**body, "role": "assistant", "content": "1234"}, {CHAT: chat}, run)
            await api.storage.documents.put(Owner("acme", "ann"), [question, answer])
        limits: list[int] = []
        whole_list = api.storage.documents.list

        async def noted_list(*place: Any, **more: Any) -> Any:
            limits.append(more["limit"])
            return await whole_list(*place, **more)

        monkeypatch.setattr(api.storage.documents, "list", noted_list)
        api.prompter.script = says("Yes.")
        await said(api, "Go on", chat_id=chat)
        assert len(api.prompter.calls[-1].messages) == sent + 1
        assert limits == [20] * pages


async def test_a_failure_before_any_token_has_its_status(api: RunningApi) -> None:
    def fail(*_: object, **__: object) -> object:
        raise ProviderError(ErrorCode.RATE_LIMIT, "Slow down.", provider="p", retry_after_ms=3000)

    api.prompter.stream = fail  # type: ignore[method-assign, assignment]  # the call fails before there is a stream
    for path in ("/chat", STREAM):
        response = await api.client.post(path, json=ASKED)
        assert refused(response) == (429, "RATE_LIMIT")
        assert response.headers["retry-after"] == "3"
        assert response.headers["x-chat-id"]


async def test_a_failure_after_it_is_the_last_frame(api: RunningApi) -> None:
    api.prompter.say(Chunk("Half", 0))
    async with api.client.stream("POST", STREAM, json=ASKED) as response:
        lines = response.aiter_lines()
        assert await anext(lines) == 'data: {"token":"Half","done":false}'
        assert (await api.client.post(f"/api/v1/runs/{response.headers['x-run-id']}/cancel", headers=NOBODY)).is_success
        rest = [line async for line in lines if line]
    assert rest == ['data: {"error":"CANCELLED","message":"The run was cancelled."}']


#: Whose the chats are of who names neither organisation nor user.
NOBODY = {"x-org-id": "00000000-0000-0000-0000-000000000001", "x-user-id": "local"}


@pytest.mark.parametrize("path", ["/chat", STREAM])
async def test_who_leaves_stops_the_run(api: RunningApi, path: str) -> None:
    # the runs are looked at as the server's own
    api.client.headers.update(NOBODY)
    await check_who_leaves_stops_the_run(api, path, ASKED)


async def test_a_repeat_is_the_same_answer_though_the_chat_has_gone_on(api: RunningApi) -> None:
    api.prompter.script = says("One.")
    chat = (await said(api, "First")).json()["chat_id"]
    key = {**ANN, "idempotency-key": "k"}
    first, again = [await said(api, "Second", key, chat_id=chat) for _ in range(2)]
    assert first.json() == again.json()
    assert (again.headers["idempotency-replayed"], len(api.prompter.calls)) == ("true", 2)
    assert refused(await said(api, "Third", key, chat_id=chat)) == (409, "CONFLICT")
    fresh = {**ANN, "idempotency-key": "fresh"}
    assert (await said(api, "New", fresh)).json() == (await said(api, "New", fresh)).json()


class Listening:
    """An EventSource: what it sends, and the ids of what it was sent."""

    def __init__(self, api: RunningApi, **query: str) -> None:
        self.api = api
        self.query = {"message": "Hello", "model": "prompted", "orgId": "acme", "userId": "ann", **query}
        self.data: list[dict[str, object]] = []
        self.last = ""

    async def listen(self, frames_max: int = 1000) -> httpx.Response:
        headers = {"last-event-id": self.last} if self.last else {}
        decoder = SSEDecoder()
        async with self.api.client.stream("GET", STREAM, params=self.query, headers=headers) as response:
            async for piece in response.aiter_bytes():
                for frame in decoder.feed(piece):
                    self.data.append(json.loads(frame.data))
                    self.last = frame.id or ""
                    if len(self.data) == frames_max:
                        return response
        return response


async def test_an_event_source_that_comes_back_goes_on_and_is_then_told_to_stop(api: RunningApi) -> None:
    source = Listening(api)
    api.prompter.say(Chunk("Hel", 0))
    await source.listen(frames_max=1)
    await readers(api, 0)
    api.prompter.say(Chunk("lo", 0))
    api.prompter.finish()
    await source.listen()
    assert [each.get("token", each) for each in source.data] == ["Hel", "lo", ""]
    assert source.data[-1] == {"token": "", "done": True, "fullText": "Hello"}
    assert (await source.listen()).status_code == 204
    assert len(api.prompter.calls) == 1


async def test_an_event_source_that_is_cut_before_the_first_token_comes_back_to_the_same_answer(
    api: RunningApi,
) -> None:
    source = Listening(api)
    async with api.client.stream("GET", STREAM, params=source.query) as response:
        head = await anext(response.aiter_raw())
    source.last = f"{response.headers['x-run-id']}:0"
    assert head == f"id: {source.last}\n\n".encode()
    api.prompter.say(Chunk("Hello", 0))
    api.prompter.finish()
    await source.listen()
    assert [each["token"] for each in source.data] == ["Hello", ""]
    assert len(api.prompter.calls) == 1


async def test_nobody_comes_back_to_anothers_answer(api: RunningApi) -> None:
    source = Listening(api)
    api.prompter.script = says("Mine.")
    await source.listen()
    for query, last in [({"userId": "bob"}, source.last), ({}, "run_" + "0" * 32 + ":1")]:
        thief = Listening(api, **query)
        thief.last = last
        assert (await thief.listen()).status_code == 404
    plain = await api.start()
    api.client.headers.update(ANN)
    for last, status in [(f"{plain}:1", 404), ("12", 400)]:
        odd = Listening(api)
        odd.last = last
        assert (await odd.listen()).status_code == status


async def test_a_query_that_lacks_the_message_is_refused(api: RunningApi) -> None:
    assert refused(await api.client.get(STREAM)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
        {"origin": "https://evil.example"},
    ],
)
async def test_no_other_sites_page_asks(api: RunningApi, headers: dict[str, str]) -> None:
    response = await api.client.get(STREAM, params={"message": "Hello"}, headers=headers)
    assert refused(response) == (403, "FORBIDDEN")
    assert api.prompter.calls == []


async def test_the_log_tells_how_much_was_said_and_nothing_of_what(api: RunningApi) -> None:
    with capture_logs() as lines:
        api.prompter.script = says("secret ", "answer")
        response = await said(api, "secret question")
        streamed = await api.client.post(STREAM, json={**ASKED, "message": "secret question"})
        frames(streamed)
        api.prompter.script = []
        api.prompter.say(Chunk("secret", 0))
        async with api.client.stream("POST", STREAM, json=ASKED) as left:
            await anext(left.aiter_lines())
        await readers(api, 0)
        async with asyncio.timeout(10):
            while not any(line["event"] == "chat left" for line in lines):  # noqa: ASYNC110  # a list has no event
                await asyncio.sleep(0.001)  # paces: the server has its turns of the loop that they share
    assert "secret" not in json.dumps(lines)
    told = {(line["event"], line["requestId"]): line for line in lines if line["event"].startswith("chat ")}
    run = response.headers["x-run-id"]
    assert told["chat started", run]["textLength"] == len("secret question")
    assert told["chat ended", run]["totalLength"] == len("secret answer")
    ended = told["chat ended", streamed.headers["x-run-id"]]
    assert (ended["tokensStreamed"], ended["totalLength"], ended["totalTokens"] > 0) == (2, 13, True)
    gone = told["chat left", left.headers["x-run-id"]]
    # five bytes were sent, and six had come
    assert (gone["tokensStreamed"], gone["totalLength"], gone["totalTokens"]) == (1, 6, 4)
