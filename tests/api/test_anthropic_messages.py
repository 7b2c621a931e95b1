"""Messages over a socket, with a model that says what the test tells it to."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from headwater.api.anthropic_messages import in_their_words
from headwater.domain.event import Chunk
from headwater.providers.contract import Finish
from tests.api.composed import HELLO, RunningApi
from tests.api.leaving import check_who_leaves_stops_the_run, failed_at_once
from tests.api.test_anthropic_error import check_anthropic

PATH = "/v1/messages"
ASKED: dict[str, Any] = {**HELLO, "max_tokens": 100}


def refused(response: httpx.Response) -> dict[str, Any]:
    return check_anthropic(response.status_code, dict(response.headers), response.content)


async def test_tokens_come_as_they_are_said(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hel", 0))
    async with api.client.stream("POST", f"{PATH}?beta=true", json={**ASKED, "stream": True}) as response:
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert response.headers["request-id"] == response.headers["x-run-id"]
        events = (json.loads(line[6:]) async for line in response.aiter_lines() if line.startswith("data: "))
        assert [(await anext(events))["type"] for _ in range(2)] == ["message_start", "content_block_start"]
        for text in ("Hel", "lo"):
            assert (await anext(events))["delta"] == {"type": "text_delta", "text": text}
            if text == "Hel":
                api.prompter.say(Chunk("lo", 0))
        api.prompter.finish()
        rest = [event["type"] async for event in events]
    assert rest == ["content_block_stop", "message_delta", "message_stop"]
    shown = (await api.client.get(f"/api/v1/runs/{response.headers['x-run-id']}")).json()
    assert (shown["state"], shown["snapshot"]["text"]) == ("completed", "Hello")


async def test_a_key_makes_a_repeat_the_same_answer(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hi", 0), Finish("stop"))
    first, second = [await api.client.post(PATH, json=ASKED, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert first.content == second.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    other = await api.client.post(PATH, json={**ASKED, "max_tokens": 7}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, refused(other)["type"]) == (409, "invalid_request_error")


@pytest.mark.parametrize("stream", [True, False])
async def test_who_leaves_stops_the_run(api: RunningApi, stream: bool) -> None:
    await check_who_leaves_stops_the_run(api, PATH, {**ASKED, "stream": stream})


@pytest.mark.parametrize("stream", [True, False])
async def test_what_fails_before_it_said_anything_has_its_status(api: RunningApi, stream: bool) -> None:
    response = await failed_at_once(api, PATH, {**ASKED, "stream": stream})
    assert refused(response) == {"type": "rate_limit_error", "message": "Slow down.", "code": "rate_limit"}


@pytest.mark.parametrize(
    ("stream", "headers", "after_output"),
    [(True, {}, None), (False, {}, None), (False, {"Headwater-After-Output": "new_attempt"}, "new_attempt")],
)
async def test_a_call_is_made_again_after_output_only_where_that_is_asked_for(
    api: RunningApi, stream: bool, headers: dict[str, str], after_output: str | None
) -> None:
    api.prompter.say(Chunk("Hi", 0), Finish("stop"))
    response = await api.client.post(PATH, json={**ASKED, "stream": stream}, headers=headers)
    run = (await api.client.get(f"/api/v1/runs/{response.headers['x-run-id']}")).json()
    assert run["request"].get("after_output") == after_output


async def test_what_was_streamed_can_not_be_taken_back(api: RunningApi) -> None:
    headers = {"Headwater-After-Output": "new_attempt"}
    response = await api.client.post(PATH, json={**ASKED, "stream": True}, headers=headers)
    assert (response.status_code, refused(response)["type"]) == (400, "invalid_request_error")
    assert api.prompter.calls == []


async def test_a_model_that_is_not_there_leaves_no_run(api: RunningApi) -> None:
    response = await api.client.post(PATH, json={**ASKED, "model": "nobody"})
    assert (response.status_code, refused(response)["type"]) == (404, "not_found_error")
    assert (await api.client.get("/api/v1/runs")).json()["runs"] == []


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"top_k": 3}, "top_k"),
        ({"temperature": 9}, "temperature"),
        ({"stop_sequences": [""]}, "stop_sequences.0"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ],
)
async def test_what_is_refused_is_named(api: RunningApi, members: dict[str, Any], name: str) -> None:
    response = await api.client.post(PATH, json={**ASKED, **members})
    assert response.status_code == 400
    assert refused(response)["message"].startswith(f"{name}: ")
    assert api.prompter.calls == []


@pytest.mark.parametrize(
    ("ours", "has_system", "theirs"),
    [
        ("/messages/2/content", False, "/messages/2/content"),
        ("/messages/2/content", True, "/messages/1/content"),
        ("/messages/0/content/1", True, "/system"),
        ("/messages", True, "/messages"),
        ("/settings/max_tokens", True, "/max_tokens"),
        ("/settings/json_schema", False, "/output_config/format"),
        ("/settings/stop/1", False, "/stop_sequences/1"),
        ("/settings/reasoning_effort", False, "/thinking"),
    ],
)
def test_a_fault_of_the_run_is_one_of_the_body(ours: str, has_system: bool, theirs: str) -> None:
    assert in_their_words(ours, has_system=has_system) == theirs


async def test_what_is_not_there_is_said_in_their_shape(api: RunningApi) -> None:
    for path in (f"{PATH}/count_tokens", f"{PATH}/batches"):
        response = await api.client.post(path, json=ASKED)
        assert (response.status_code, refused(response)["type"]) == (404, "not_found_error")
