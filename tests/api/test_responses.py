"""Responses over a socket, with a model that says what the test tells it to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater.api.services import BODY_BYTES_MAX
from headwater.domain.event import Chunk, ProviderData, Reasoning, ToolCall
from headwater.providers.contract import Finish
from tests.api.composed import RunningApi
from tests.api.leaving import check_who_leaves_stops_the_run, failed_at_once
from tests.api.test_openai_chat import refused
from tests.delivery.formats.responses import check_response, events_of

PATH = "/v1/responses"
HELLO = {"model": "prompted", "input": "Hello"}


async def ask(api: RunningApi, **members: Any) -> dict[str, Any]:
    """A whole response; the model says what it was told before."""
    response = await api.client.post(PATH, json={**HELLO, **members})
    assert response.status_code == 200, response.text
    found = check_response(response.content)
    assert response.headers["x-run-id"].removeprefix("run_") == found["id"].removeprefix("resp_")
    return found


async def called(api: RunningApi) -> None:
    """The model was called."""
    async with asyncio.timeout(30):
        while not api.prompter.calls:  # noqa: ASYNC110  # the prompter has no event for its calls
            await asyncio.sleep(0.001)  # paces: the server has its turns of the loop that they share


async def answered(api: RunningApi, *texts: str, **members: Any) -> dict[str, Any]:
    api.prompter.say(*(Chunk(text, 0) for text in texts), Finish("stop"))
    return await ask(api, **members)


async def test_the_stream_can_be_read_on_from_any_event(api: RunningApi) -> None:
    whole = await answered(api, "Hel", "lo", store=True)
    path = f"{PATH}/{whole['id']}"
    stream = await api.client.get(path, params={"stream": "true"})
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = events_of(stream.content)
    assert events[-1]["response"] == whole == check_response((await api.client.get(path)).content)
    for number in range(len(events)):
        again = await api.client.get(path, params={"stream": "true", "starting_after": number})
        assert events_of(again.content) == events[number + 1 :]
    ahead = await api.client.get(path, params={"stream": "true", "starting_after": len(events)})
    assert (ahead.status_code, refused(ahead)["param"]) == (409, "starting_after")


async def test_who_reads_on_is_told_what_follows(api: RunningApi) -> None:
    created = await ask(api, background=True)
    assert created["status"] in ("queued", "in_progress")
    api.prompter.say(Chunk("Hel", 0))
    path = f"{PATH}/{created['id']}"
    async with api.client.stream("GET", path, params={"stream": "true"}) as response:
        data = b""
        async for piece in response.aiter_bytes():
            data += piece
            if b'"delta":"Hel"' in data:
                break
    last = events_of(data[: data.rindex(b"\n\n") + 2])[-1]["sequence_number"]
    api.prompter.say(Chunk("lo", 0), Finish("stop"))
    rest = events_of((await api.client.get(path, params={"stream": "true", "starting_after": last})).content)
    assert [event["sequence_number"] for event in rest] == list(range(last + 1, last + 1 + len(rest)))
    assert rest[-1]["response"]["output"][0]["content"][0]["text"] == "Hello"


async def test_a_cancel_waits_for_the_end(api: RunningApi) -> None:
    created = await ask(api, background=True)
    api.prompter.say(Chunk("Hi", 0))
    path = f"{PATH}/{created['id']}"
    await called(api)
    found = check_response((await api.client.post(f"{path}/cancel")).content)
    assert found["status"] == "cancelled"
    assert check_response((await api.client.post(f"{path}/cancel")).content) == found


async def test_what_is_deleted_is_gone(api: RunningApi) -> None:
    whole = await answered(api, "Hi")
    path = f"{PATH}/{whole['id']}"
    deleted = await api.client.delete(path)
    assert deleted.json() == {"id": whole["id"], "object": "response", "deleted": True}
    for response in (
        await api.client.get(path),
        await api.client.delete(path),
        await api.client.post(f"{path}/cancel"),
    ):
        assert (response.status_code, refused(response)["code"]) == (404, "not_found")


@pytest.mark.parametrize("name", ["resp_", "resp_x", "run_" + "0" * 32, "resp_" + "0" * 32, "%F0%9F%98%80", "x" * 300])
async def test_what_is_not_there(api: RunningApi, name: str) -> None:
    for path in (f"{PATH}/{name}", f"{PATH}/{name}/input_items"):
        response = await api.client.get(path)
        assert (response.status_code, refused(response)["message"]) == (404, "There is no such response.")


async def test_what_was_not_to_be_stored_can_not_be_asked_for(api: RunningApi) -> None:
    whole = await answered(api, "Hi", store=False)
    assert whole["store"] is False
    assert (await api.client.get(f"{PATH}/{whole['id']}")).status_code == 404
    following = await api.client.post(PATH, json={**HELLO, "previous_response_id": whole["id"]})
    assert (following.status_code, refused(following)["code"]) == (400, "previous_response_not_found")
    run = whole["id"].replace("resp_", "run_")
    assert (await api.client.get(f"/api/v1/runs/{run}")).json()["snapshot"]["text"] == "Hi"


async def test_a_conversation_is_read_from_the_log(api: RunningApi) -> None:
    sealed = {"type": "reasoning", "encrypted_content": "x"}
    api.prompter.say(
        Reasoning("Hm", 0),
        ProviderData("prompter", sealed),
        Chunk("One", 1),
        ToolCall("a", "f", "{}", True),
        Finish("tool_calls"),
    )
    first = await ask(api, instructions="Be brief.")
    assert first["instructions"] == "Be brief."
    output = [{"type": "function_call_output", "call_id": "a", "output": "1"}]
    second = await answered(api, "Two", input=output, previous_response_id=first["id"], instructions="Be long.")
    assert second["previous_response_id"] == first["id"]
    messages = api.prompter.calls[-1].messages
    assert [message.role for message in messages] == ["developer", "user", "assistant", "tool"]
    assert [message.content for message in messages[:3]] == ["Be long.", "Hello", "One"]
    assert ([call.id for call in messages[2].tool_calls], messages[2].provider_data[0].value) == (["a"], sealed)
    third = await answered(api, "Three", previous_response_id=second["id"])
    items = (await api.client.get(f"{PATH}/{third['id']}/input_items", params={"order": "asc"})).json()["data"]
    assert [item["type"] for item in items].count("message") == 4


async def test_an_answer_that_has_not_ended_well_is_not_followed(api: RunningApi) -> None:
    created = await ask(api, background=True)
    await called(api)
    for status in ("in_progress", "cancelled"):
        following = await api.client.post(PATH, json={**HELLO, "previous_response_id": created["id"]})
        error = refused(following)
        assert (following.status_code, error["param"]) == (400, "previous_response_id")
        assert status in error["message"]
        await api.client.post(f"{PATH}/{created['id']}/cancel")


async def test_an_answer_that_said_nothing_is_no_message(api: RunningApi) -> None:
    first = await answered(api)
    await answered(api, "Two", input="And?", previous_response_id=first["id"])
    assert [message.content for message in api.prompter.calls[-1].messages] == ["Hello", "And?"]


async def test_a_conversation_does_not_grow_for_ever(api: RunningApi) -> None:
    long = "x" * (BODY_BYTES_MAX - 1000)
    first = await answered(api, "Hi", input=long)
    following = await api.client.post(PATH, json={**HELLO, "input": long, "previous_response_id": first["id"]})
    assert (following.status_code, refused(following)["code"]) == (413, "too_large")


async def test_what_is_sealed_comes_back(api: RunningApi) -> None:
    value = {"type": "reasoning", "encrypted_content": "x"}
    api.prompter.say(Reasoning("Hm", 0), ProviderData("prompter", value), Chunk("One", 1), Finish("stop"))
    include = {"include": ["reasoning.encrypted_content"], "store": False}
    first = await ask(api, **include)
    items = [{"role": "user", "content": "Hello"}, *first["output"], {"role": "user", "content": "And?"}]
    await answered(api, "Two", input=items, **include)
    assert [each.value for each in api.prompter.calls[-1].messages[1].provider_data] == [value]


@pytest.mark.parametrize("stream", [True, False])
async def test_who_leaves_stops_the_run(api: RunningApi, stream: bool) -> None:
    await check_who_leaves_stops_the_run(api, PATH, {**HELLO, "stream": stream})


@pytest.mark.parametrize("stream", [True, False])
async def test_what_fails_before_it_said_anything_has_its_status(api: RunningApi, stream: bool) -> None:
    response = await failed_at_once(api, PATH, {**HELLO, "stream": stream})
    assert refused(response)["message"] == "Slow down."
    # Asked for again it is a response like any, that failed.
    found = check_response(
        (await api.client.get(PATH + "/" + response.headers["x-run-id"].replace("run", "resp"))).content
    )
    assert (found["status"], found["error"]["code"]) == ("failed", "rate_limit_exceeded")


@pytest.mark.parametrize(
    ("members", "headers", "after_output"),
    [
        ({}, {}, None),
        ({"stream": True}, {}, None),
        ({"background": True}, {}, None),
        ({}, {"Headwater-After-Output": "new_attempt"}, "new_attempt"),
    ],
)
async def test_a_call_is_made_again_after_output_only_where_that_is_asked_for(
    api: RunningApi, members: dict[str, Any], headers: dict[str, str], after_output: str | None
) -> None:
    api.prompter.say(Chunk("Hi", 0), Finish("stop"))
    response = await api.client.post(PATH, json={**HELLO, **members}, headers=headers)
    run = (await api.client.get(f"/api/v1/runs/{response.headers['x-run-id']}")).json()
    assert run["request"].get("after_output") == after_output


@pytest.mark.parametrize("members", [{"stream": True}, {"background": True}])
async def test_what_may_have_been_seen_can_not_be_taken_back(api: RunningApi, members: dict[str, Any]) -> None:
    headers = {"Headwater-After-Output": "new_attempt"}
    response = await api.client.post(PATH, json={**HELLO, **members}, headers=headers)
    assert (response.status_code, refused(response)["param"]) == (400, "Headwater-After-Output")
    assert api.prompter.calls == []


async def test_one_key_is_one_run(api: RunningApi) -> None:
    api.prompter.say(Chunk("Hi", 0), Finish("stop"))
    headers = {"idempotency-key": "k"}
    first = await api.client.post(PATH, json=HELLO, headers=headers)
    again = await api.client.post(PATH, json=HELLO, headers=headers)
    assert again.content == first.content
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    other = await api.client.post(PATH, json={**HELLO, "temperature": 1}, headers=headers)
    assert (other.status_code, refused(other)["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("members", "status", "param"),
    [
        ({"model": "nobody"}, 404, "model"),
        ({"truncation": "auto"}, 400, "truncation"),
        ({"input": []}, 400, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, 400, "input[0].type"),
        ({"temperature": 9}, 400, "temperature"),
        ({"max_output_tokens": 0}, 400, "max_output_tokens"),
        ({"top_logprobs": 99}, 400, "top_logprobs"),
        ({"previous_response_id": "resp_x"}, 400, "previous_response_id"),
        ({"metadata": {"": "x"}}, 400, "metadata"),
        ({"unknown": 1}, 400, "unknown"),
    ],
)
async def test_what_is_refused_is_named(api: RunningApi, members: dict[str, Any], status: int, param: str) -> None:
    response = await api.client.post(PATH, json={**HELLO, **members})
    assert (response.status_code, refused(response)["param"]) == (status, param)
    assert api.prompter.calls == []


@pytest.mark.parametrize(
    "header", ["Headwater-On-Crash", "Headwater-On-Disconnect", "Headwater-Fallback", "Headwater-After-Output"]
)
async def test_a_header_that_can_not_be_meant(api: RunningApi, header: str) -> None:
    response = await api.client.post(PATH, json=HELLO, headers={header: "nobody"})
    assert (response.status_code, refused(response)["param"]) == (400, header)


@pytest.mark.parametrize("query", ["stream=1", "starting_after=3", "stream=true&starting_after=-1", "odd=1"])
async def test_a_query_that_can_not_be_meant(api: RunningApi, query: str) -> None:
    whole = await answered(api, "Hi")
    assert (await api.client.get(f"{PATH}/{whole['id']}?{query}")).status_code == 400


async def test_a_run_of_our_own_api_is_a_response_too(api: RunningApi) -> None:
    run = await api.finished()
    found = check_response((await api.client.get(f"{PATH}/{run.replace('run_', 'resp_')}")).content)
    assert (found["status"], found["background"]) == ("completed", True)
