"""Chat Completions over a socket, with a model that says what the test tells it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from headwater.api.openai_chat import ON_DISCONNECT_DEFAULT, on_disconnect
from headwater.domain.event import Chunk
from headwater.domain.run import CancelAfter, OnDisconnect
from headwater.errors import BadRequestError, ErrorCode, ProviderError
from headwater.providers.contract import Finish
from tests.api.composed import HELLO, RunningApi
from tests.api.leaving import check_who_leaves_stops_the_run, failed_at_once, readers
from tests.api.test_openai_error import check_openai

PATH = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, ON_DISCONNECT_DEFAULT),
        ("continue", "continue"),
        ("cancel", "cancel"),
        ("0", CancelAfter(0)),
        ("5", CancelAfter(5)),
        ("0.25", CancelAfter(0.25)),
        ("86400", CancelAfter(86400)),
    ],
)
def test_what_happens_when_the_caller_leaves(header: str | None, wanted: OnDisconnect) -> None:
    assert on_disconnect(header) == wanted


@pytest.mark.parametrize("header", ["", "soon", "-1", "86401", "1e3", "NaN", "inf", "1_0", " 1", "Cancel", "5s", "٣"])
def test_what_can_not_be_meant(header: str) -> None:
    with pytest.raises(BadRequestError):
        on_disconnect(header)


@asynccontextmanager
async def streamed(api: RunningApi, **changes: Any) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[str]]]:
    async with api.client.stream("POST", PATH, json={**HELLO, "stream": True, **changes}) as response:
        yield response, response.aiter_lines()


async def next_data(lines: AsyncIterator[str]) -> str:
    async for line in lines:
        if line.startswith("data: "):
            return line.removeprefix("data: ")
    raise AssertionError("the answer ended")


def refused(response: httpx.Response) -> dict[str, Any]:
    return check_openai(response.status_code, dict(response.headers), response.content)


async def test_tokens_come_as_they_are_said(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hel", 0))
    async with streamed(api) as (response, lines):
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert json.loads(await next_data(lines))["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        for text in ("Hel", "lo"):
            assert json.loads(await next_data(lines))["choices"][0]["delta"] == {"content": text}
            if text == "Hel":
                api.prompter.say(Chunk("lo", 0))
        api.prompter.finish()
        assert json.loads(await next_data(lines))["choices"][0]["finish_reason"] == "stop"
        assert await next_data(lines) == "[DONE]"
    run = response.headers["x-run-id"]
    shown = (await api.client.get(f"/api/v1/runs/{run}")).json()
    assert (shown["state"], shown["snapshot"]["text"]) == ("completed", "Hello")


async def test_a_whole_answer_counts_as_a_reader_while_it_waits(api: RunningApi) -> None:
    async def ask() -> httpx.Response:
        return await api.client.post(PATH, json=HELLO, headers={"headwater-on-disconnect": "cancel"})

    asking = asyncio.create_task(ask())
    api.prompter.say(Chunk("Hi", 0))
    await readers(api, 1)
    api.prompter.finish()
    response = await asking
    assert response.json()["choices"][0]["message"]["content"] == "Hi"
    run = response.headers["x-run-id"]
    assert (await api.client.get(f"/api/v1/runs/{run}")).json()["state"] == "completed"
    assert api.hub.readers == 0


@pytest.mark.parametrize("stream", [True, False])
async def test_who_leaves_stops_the_run(api: RunningApi, stream: bool) -> None:
    await check_who_leaves_stops_the_run(api, PATH, {**HELLO, "stream": stream})


@pytest.mark.parametrize("stream", [True, False])
async def test_what_fails_before_it_said_anything_has_its_status(api: RunningApi, stream: bool) -> None:
    response = await failed_at_once(api, PATH, {**HELLO, "stream": stream})
    assert refused(response)["message"] == "Slow down."


async def test_a_silent_model_does_not_hold_the_head_back_for_ever(api: RunningApi) -> None:
    async with streamed(api) as (response, lines):
        # The model has said nothing: that this comes at all is the point.
        assert response.status_code == 200
        assert json.loads(await next_data(lines))["choices"][0]["delta"]["role"] == "assistant"
        api.prompter.say(Chunk("Hi", 0), Finish("stop"))
        assert json.loads(await next_data(lines))["choices"][0]["delta"]["content"] == "Hi"


async def test_a_model_may_answer_in_place_of_the_one_that_is_asked(api: RunningApi) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise ProviderError(ErrorCode.AUTH, "No key.", provider="p")

    api.prompter.stream = fail  # type: ignore[method-assign]  # the call fails before there is a stream
    response = await api.client.post(PATH, json=HELLO, headers={"Headwater-Fallback": "simulated,"})
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"].startswith("This is a simulated answer.")
    run = (await api.client.get(f"/api/v1/runs/{response.headers['x-run-id']}")).json()
    assert run["snapshot"]["calls"][0]["model"] == "simulated"


@pytest.mark.parametrize(
    ("stream", "asked", "after_output"),
    [(False, None, None), (False, "fail", None), (False, "new_attempt", "new_attempt"), (True, "fail", None)],
)
async def test_a_call_is_made_again_after_output_only_where_that_is_asked_for(
    api: RunningApi, stream: bool, asked: str | None, after_output: str | None
) -> None:
    api.prompter.say(Chunk("Hi", 0), Finish("stop"))
    headers = {} if asked is None else {"Headwater-After-Output": asked}
    response = await api.client.post(PATH, json={**HELLO, "stream": stream}, headers=headers)
    run = (await api.client.get(f"/api/v1/runs/{response.headers['x-run-id']}")).json()
    assert run["request"].get("after_output") == after_output


@pytest.mark.parametrize(("stream", "asked"), [(True, "new_attempt"), (False, "continue")])
async def test_what_was_streamed_can_not_be_taken_back(api: RunningApi, stream: bool, asked: str) -> None:
    headers = {"Headwater-After-Output": asked}
    response = await api.client.post(PATH, json={**HELLO, "stream": stream}, headers=headers)
    assert (response.status_code, refused(response)["param"]) == (400, "Headwater-After-Output")
    assert api.prompter.calls == []


async def test_a_repeat_of_an_answer_that_may_be_taken_back_is_never_a_stream(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hi", 0), Finish("stop"))
    headers = {"Headwater-After-Output": "new_attempt", "Idempotency-Key": "k"}
    first = await api.client.post(PATH, json=HELLO, headers=headers)
    again = await api.client.post(PATH, json=HELLO, headers=headers)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    streamed = await api.client.post(PATH, json={**HELLO, "stream": True}, headers={"Idempotency-Key": "k"})
    assert streamed.status_code == 409


async def test_a_fallback_that_is_not_there_is_refused_by_the_header_s_name(api: RunningApi) -> None:
    response = await api.client.post(PATH, json=HELLO, headers={"Headwater-Fallback": "simulated, nobody"})
    assert (response.status_code, refused(response)["param"]) == (400, "Headwater-Fallback")


async def test_a_model_that_is_not_there_leaves_no_run(api: RunningApi) -> None:
    response = await api.client.post(PATH, json={**HELLO, "model": "nobody"})
    assert (response.status_code, refused(response)["code"]) == (404, "model_not_found")
    assert (await api.client.get("/api/v1/runs")).json()["runs"] == []


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"n": 3}, "n"),
        ({"messages": []}, "messages"),
        ({"temperature": 9}, "temperature"),
        ({"stop": [""]}, "stop[0]"),
        ({"metadata": {"": "x"}}, "metadata"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://e.org/a.png"}}]}
                ]
            },
            "messages[0].content[0].url",
        ),
    ],
)
async def test_what_is_refused_is_named(api: RunningApi, members: dict[str, Any], param: str) -> None:
    response = await api.client.post(PATH, json={**HELLO, **members})
    assert (response.status_code, refused(response)["param"]) == (400, param)
    assert response.headers["x-should-retry"] == "false"
    assert api.prompter.calls == []


async def test_a_key_is_neither_needed_nor_looked_at(api: RunningApi) -> None:
    for value in (b"", b"Bearer x", b"nonsense \xff"):
        headers = {b"authorization": value}
        api.prompter.say(Chunk("Hi", 0), Finish("stop"))
        response = await api.client.post(PATH, json=HELLO, headers=headers)
        assert response.status_code == 200


async def test_one_key_is_one_run(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hi", 0), Finish("stop"))
    headers = {"idempotency-key": "k"}
    first = await api.client.post(PATH, json=HELLO, headers=headers)
    again = await api.client.post(PATH, json=HELLO, headers=headers)
    assert again.content == first.content
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    other = await api.client.post(PATH, json={**HELLO, "temperature": 1}, headers=headers)
    assert (other.status_code, refused(other)["code"], other.headers["x-should-retry"]) == (409, "conflict", "false")
    # The route is part of the key's scope: our own API has another namespace.
    assert (await api.client.post("/api/v1/runs", json=HELLO, headers=headers)).status_code == 201
    api.prompter.finish()
