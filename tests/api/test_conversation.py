"""The conversation over a socket: with the simulated model and its script, and with one that the test plays."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from headwater.admission.speaking import Speaking
from headwater.api.talk_terms import ConversationTerms
from headwater.domain.event import Chunk
from headwater.providers.contract import Finish
from headwater.workflows.conversation_script import LABEL
from tests.api.composed import RunningApi, running_api
from tests.api.leaving import readers
from tests.api.talking import frames

TOKYO = "Find me a restaurant in Tokyo"
KNOWN = {"intent": "find_restaurant", "entities": {"place": "Tokyo"}}
WHOLE = "/api/conversation/ann"
STREAM = "/api/conversation-stream/ann"

# The script of the simulated model speaks at the pace of a real one.
pytestmark = pytest.mark.slow


async def asked(api: RunningApi, path: str = WHOLE, message: str = TOKYO, **more: Any) -> httpx.Response:
    return await api.client.post(path, json={"message": message, **more})


def refused(response: httpx.Response) -> tuple[int, str]:
    """The status and the code of a refusal, whose body is what a stream's last frame would be."""
    body = response.json()
    assert (set(body), body["type"]) == ({"type", "code", "message", "retryable"}, "error")
    return response.status_code, body["code"]


async def test_a_restaurant_in_tokyo_whole(api: RunningApi) -> None:
    response = await asked(api)
    body = response.json()
    assert (response.status_code, set(body)) == (200, {"message", "suggestions", "session_id"})
    assert "Tokyo" in body["message"]
    assert LABEL in body["message"]
    assert body["suggestions"][0] == "Show me ramen in Tokyo"
    assert body["session_id"] == response.headers["x-session-id"]


async def test_a_restaurant_in_tokyo_streamed(api: RunningApi) -> None:
    response = await asked(api, STREAM)
    first, second, *chunks, last = frames(response)
    assert first == {"type": "status", "status": "processing"}
    assert second == {"type": "context", "context": KNOWN}
    assert {each["type"] for each in chunks} == {"chunk"}
    assert LABEL in "".join(each["content"] for each in chunks)
    assert last["type"] == "complete"
    assert last["suggestions"][0] == "Show me ramen in Tokyo"
    assert last["session_id"] == response.headers["x-session-id"]


async def test_the_run_says_the_same_as_records(api: RunningApi) -> None:
    response = await asked(api, STREAM)
    text = "".join(each["content"] for each in frames(response) if each["type"] == "chunk")
    shown = (await api.client.get(f"/api/v1/runs/{response.headers['x-run-id']}")).json()
    assert (shown["workflow"], shown["snapshot"]["text"]) == ("conversation", text)
    assert shown["snapshot"]["state"]["context"] == KNOWN
    assert [call["role"] for call in shown["snapshot"]["calls"]] == ["internal", "answer", "internal"]
    *_, last = [json.loads(line) for line in await api.ended(shown["id"])]
    assert last["data"]["result"]["session_id"] == response.headers["x-session-id"]
    assert (last["data"]["result"]["message"], last["data"]["final_response"]) == (text, text)


async def test_a_session_goes_on(api: RunningApi) -> None:
    session = (await asked(api)).json()["session_id"]
    again = await asked(api, STREAM, "Which one is open late?", session_id=session)
    known = next(each["context"] for each in frames(again) if each["type"] == "context")
    assert (known["entities"], again.headers["x-session-id"]) == ({"place": "Tokyo"}, session)


@pytest.mark.parametrize("path", ["/api/conversation/bob", "/api/conversation-stream/bob"])
async def test_nobody_goes_on_with_anothers_session(api: RunningApi, path: str) -> None:
    session = (await asked(api)).json()["session_id"]
    others = await asked(api, path, session_id=session)
    unknown = await asked(api, path, session_id="ses_" + "0" * 32)
    assert refused(others) == refused(unknown) == (404, "NOT_FOUND")
    assert others.content == unknown.content
    strange = await api.client.post(WHOLE, json={"message": "Hi", "session_id": session}, headers={"x-user-id": "x"})
    assert strange.content == unknown.content


@pytest.mark.parametrize("path", [WHOLE, STREAM])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"message": " "}, 400, "BAD_REQUEST"),
        ({}, 400, "BAD_REQUEST"),
        ({"message": "Hi", "user_id": "bob"}, 400, "BAD_REQUEST"),
        ({"message": "x" * 4001}, 413, "TOO_LARGE"),
        ({"message": "Hi", "session_id": "x"}, 404, "NOT_FOUND"),
        ({"message": "Hi", "model": "nobody"}, 400, "BAD_REQUEST"),
    ],
)
async def test_what_can_not_be_answered_is_refused(
    api: RunningApi, path: str, body: dict[str, object], status: int, code: str
) -> None:
    assert refused(await api.client.post(path, json=body)) == (status, code)
    assert (await api.client.get("/api/v1/runs")).json()["runs"] == []


async def test_a_run_goes_on_only_with_a_session_that_there_is(api: RunningApi) -> None:
    wanted = {"user_id": "ann", "message": "Hi", "session_id": "ses_" + "0" * 32}
    run = {"workflow": "conversation", "model": "simulated", "input": wanted}
    answer = await api.client.post("/api/v1/runs", json=run)
    assert (answer.status_code, answer.json()["pointer"]) == (404, "/input/session_id")
    assert (await api.client.get("/api/v1/runs")).json()["runs"] == []


async def test_who_speaks_too_often_is_told_when_to_come_back() -> None:
    async with running_api(admit=Speaking(1, lambda: 0).admit) as api:
        assert (await asked(api)).status_code == 200
        over = await asked(api)
        assert refused(over) == (429, "RATE_LIMIT")
        assert 1 <= int(over.headers["retry-after"]) <= 60
        assert (await asked(api, "/api/conversation/bob")).status_code == 200


async def test_who_asks_another_way_has_the_same_rate_and_a_repeat_costs_none_of_it() -> None:
    async with running_api(admit=Speaking(1, lambda: 0).admit) as api:
        key = {"idempotency-key": "k"}
        first, again = [await api.client.post(WHOLE, json={"message": TOKYO}, headers=key) for _ in range(2)]
        assert (first.json(), again.status_code) == (again.json(), 200)
        wanted = {"user_id": "ann", "message": TOKYO}
        run = {"workflow": "conversation", "model": "simulated", "input": wanted}
        for path, body in (
            ("/api/v1/runs", run),
            (f"/api/v1/runs/{first.headers['x-run-id']}/retry", None),
        ):
            over = await api.client.post(path, json=body)
            assert (over.status_code, over.json()["code"]) == (429, "RATE_LIMIT")
        assert len((await api.client.get("/api/v1/runs")).json()["runs"]) == 1


async def test_the_terms_are_those_of_the_configuration() -> None:
    terms = ConversationTerms(models=["prompted", "simulated"], total_s=7, chunks_max=3)
    async with running_api(conversation=terms) as api:
        api.prompter.script = [[Chunk("a", 0)], [Chunk("b", 0)], [Chunk("c", 0)], [Chunk("d", 0)], [Finish("stop")]]
        response = await asked(api, STREAM)
        run = (await api.client.get(f"/api/v1/runs/{response.headers['x-run-id']}")).json()
        assert (run["model"], run["request"]["fallback"]) == ("prompted", ["simulated"])
        assert run["request"]["limits"]["total_s"] == 7
        assert frames(response)[-1] == {
            "type": "error",
            "code": "TOO_LARGE",
            "message": "The answer has more than 3 pieces.",
            "retryable": False,
        }


async def test_a_reader_that_leaves_takes_nothing_with_it(api: RunningApi) -> None:
    api.prompter.say(Chunk("{}", 0), Finish("stop"))
    async with api.client.stream("POST", STREAM, json={"message": "Hi", "model": "prompted"}) as response:
        run = response.headers["x-run-id"]
    await readers(api, 0)
    api.prompter.say(Chunk("Hello", 0), Finish("stop"))
    api.prompter.say(Chunk("{}", 0), Finish("stop"))
    *_, last = await api.ended(run)
    assert json.loads(last)["type"] == "complete"


async def test_a_repeat_is_the_same_answer(api: RunningApi) -> None:
    key = {"idempotency-key": "k"}
    first = await api.client.post(WHOLE, json={"message": TOKYO}, headers=key)
    again = await api.client.post(WHOLE, json={"message": TOKYO}, headers=key)
    streamed = await api.client.post(STREAM, json={"message": TOKYO}, headers=key)
    assert (first.json(), again.headers["idempotency-replayed"]) == (again.json(), "true")
    assert frames(streamed)[-1]["session_id"] == first.json()["session_id"]
    assert refused(await api.client.post(WHOLE, json={"message": "Hi"}, headers=key)) == (409, "CONFLICT")


async def test_a_run_can_be_started_without_the_face(api: RunningApi) -> None:
    body = {"workflow": "conversation", "model": "simulated", "input": {"user_id": "ann", "message": TOKYO}}
    run = (await api.client.post("/api/v1/runs", json=body)).json()
    *_, last = await api.ended(run["id"])
    session = json.loads(last)["data"]["result"]["session_id"]
    assert (await asked(api, message="Hello", session_id=session)).json()["session_id"] == session
