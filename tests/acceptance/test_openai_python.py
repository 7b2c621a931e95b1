"""OpenAI's own Python SDK against the real server, with only the base URL changed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest

from tests.acceptance.openai_stage import openai_stage, user
from tests.acceptance.scene import SCRIPTED
from tests.kit.script import DONE, Send, Step, chat_chunk, chat_stream

pytestmark = [pytest.mark.slow]


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def tool_delta(index: int, *, arguments: str, **named: Any) -> bytes:
    function = {"arguments": arguments, **({"name": named["name"]} if "name" in named else {})}
    call = {"index": index, "function": function, **({"id": named["id"], "type": "function"} if "id" in named else {})}
    return chat_chunk(tool_calls=[call])


async def test_streamed_and_whole(data_dir: Path) -> None:
    async with openai_stage(data_dir) as stage:
        chunks = await stage.chunks("Hello", stream_options={"include_usage": True})
        assert chunks[0].choices[0].delta.role == "assistant"
        assert text_of(chunks) == "Hello world"
        *before, last = chunks
        assert [chunk.usage for chunk in before] == [None] * len(before)
        assert (last.choices, last.usage.prompt_tokens, last.usage.completion_tokens) == ([], 7, 2)
        assert before[-1].choices[0].finish_reason == "stop"
        assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
        whole = await stage.whole("Hello")
        (choice,) = whole.choices
        assert (choice.message.role, choice.message.content, choice.finish_reason) == (
            "assistant",
            "Hello world",
            "stop",
        )
        assert (whole.usage.total_tokens, whole.model) == (9, SCRIPTED)
        simulated = await stage.whole("Hello", model="simulated", max_tokens=3)
        assert simulated.choices[0].finish_reason == "length"


def test_the_blocking_client(data_dir: Path) -> None:
    """Called in a thread, as its users do; the server is a process of its own."""

    def ask(url: str) -> tuple[str, str]:
        with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
            asked: dict[str, Any] = {"model": SCRIPTED, "messages": user("Hello")}
            with client.chat.completions.create(stream=True, **asked) as stream:
                streamed = text_of(list(stream))
            return streamed, client.chat.completions.create(**asked).choices[0].message.content or ""

    async def main() -> None:
        async with openai_stage(data_dir) as stage:
            assert await asyncio.to_thread(ask, stage.product.url) == ("Hello world", "Hello world")

    asyncio.run(main())


async def test_models(data_dir: Path) -> None:
    async with openai_stage(data_dir) as stage:
        listed = [model.id async for model in stage.client.models.list()]
        assert listed == ["simulated", SCRIPTED, "house/large:7b"]
        for name in listed:
            model = await stage.client.models.retrieve(name)
            assert (model.id, model.object) == (name, "model")
        with pytest.raises(openai.NotFoundError) as caught:
            await stage.client.models.retrieve("nobody/here")
        assert caught.value.code == "model_not_found"


TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": name,
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
    for name in ("weather", "time")
]
CALLING: list[Step] = [
    Send(chat_chunk("", role="assistant")),
    Send(tool_delta(0, id="call_a", name="weather", arguments="")),
    Send(tool_delta(0, arguments='{"city":')),
    Send(tool_delta(0, arguments='"Bern"}')),
    Send(tool_delta(1, id="call_b", name="time", arguments='{"city":"Rom"}')),
    Send(chat_chunk(finish="tool_calls")),
    Send(DONE),
]
CALLS = [("call_a", "weather", '{"city":"Bern"}'), ("call_b", "time", '{"city":"Rom"}')]


def calls_of(message: Any) -> list[tuple[str, str, str]]:
    return [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls]


async def test_tools(data_dir: Path) -> None:
    async with openai_stage(data_dir, {"Call": CALLING, "done": chat_stream(["It rains"])}) as stage:
        asked: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required"}
        whole = await stage.whole("Call", **asked)
        (choice,) = whole.choices
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
        assert calls_of(choice.message) == CALLS
        assert stage.upstream.requests[0].json["tools"] == TOOLS
        assert stage.upstream.requests[0].json["tool_choice"] == "required"
        # The SDK's own accumulator, which joins strings that come twice.
        async with stage.client.chat.completions.stream(model=SCRIPTED, messages=user("Call"), **asked) as stream:
            final = await stream.get_final_completion()
        assert calls_of(final.choices[0].message) == CALLS
        assert final.choices[0].message.tool_calls
        assert [call.function.parsed_arguments for call in final.choices[0].message.tool_calls] == [
            {"city": "Bern"},
            {"city": "Rom"},
        ]
        # The next turn: the answer goes back as the SDK has it, with the tools' results.
        results = [
            {"role": "tool", "tool_call_id": "call_a", "content": "rain"},
            {"role": "tool", "tool_call_id": "call_b", "content": [{"type": "text", "text": "done"}]},
        ]
        chosen = {"type": "function", "function": {"name": "time"}}
        messages: Any = [*user("Call"), choice.message, *results]
        answer = await stage.whole("", messages=messages, tools=TOOLS, tool_choice=chosen)
        assert answer.choices[0].message.content == "It rains"
        sent = stage.upstream.requests[-1].json
        assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool", "tool"]
        assert sent["messages"][1]["tool_calls"][0]["id"] == "call_a"
        assert sent["tool_choice"] == chosen


class City(pydantic.BaseModel):
    name: str
    people: int


async def test_structured_output(data_dir: Path) -> None:
    said = '{"name":"Bern","people":134000}'
    async with openai_stage(data_dir, {"Which?": chat_stream([said[:9], said[9:]])}) as stage:
        parsed = await stage.client.chat.completions.parse(
            model=SCRIPTED, messages=user("Which?"), response_format=City
        )
        assert parsed.choices[0].message.parsed == City(name="Bern", people=134000)
        wanted = stage.upstream.requests[0].json["response_format"]
        assert (wanted["type"], wanted["json_schema"]["strict"]) == ("json_schema", True)
        assert set(wanted["json_schema"]["schema"]["properties"]) == {"name", "people"}
        async with stage.client.chat.completions.stream(
            model=SCRIPTED, messages=user("Which?"), response_format=City
        ) as stream:
            final = await stream.get_final_completion()
        assert final.choices[0].message.parsed == City(name="Bern", people=134000)
        simulated = await stage.client.chat.completions.parse(
            model="simulated", messages=user("Any"), response_format=City
        )
        assert isinstance(simulated.choices[0].message.parsed, City)


async def test_logprobs_refusal_and_reasoning(data_dir: Path) -> None:
    tops: list[dict[str, Any]] = [
        {"token": each, "logprob": -0.1, "bytes": None, "top_logprobs": []} for each in ("Hel", "lo")
    ]
    with_logprobs = []
    for top in tops:
        choice = {"index": 0, "delta": {"content": top["token"]}, "logprobs": {"content": [top]}, "finish_reason": None}
        with_logprobs.append(Send(b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode()))
    scripts: dict[str, list[Step]] = {
        "Logprobs": [*with_logprobs, Send(chat_chunk(finish="stop")), Send(DONE)],
        "Refuse": [Send(chat_chunk(refusal="I can")), Send(chat_chunk(refusal="not.")), *chat_stream([])],
        "Think": [Send(chat_chunk(reasoning_content="Hm")), *chat_stream(["Yes"])],
    }
    async with openai_stage(data_dir, scripts) as stage:
        chunks = await stage.chunks("Logprobs", logprobs=True, top_logprobs=2)
        logprobs = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices and chunk.choices[0].logprobs]
        assert [each.content[0].token for each in logprobs] == ["Hel", "lo"]
        whole = await stage.whole("Logprobs", logprobs=True)
        assert [each.token for each in whole.choices[0].logprobs.content] == ["Hel", "lo"]
        assert [received.json["top_logprobs"] for received in stage.upstream.requests] == [2, 0]
        assert (await stage.whole("Refuse")).choices[0].message.refusal == "I cannot."
        assert (await stage.whole("Think")).choices[0].message.reasoning_content == "Hm"
        thoughts = [chunk.choices[0].delta for chunk in await stage.chunks("Think") if chunk.choices]
        assert "".join(getattr(delta, "reasoning_content", "") for delta in thoughts) == "Hm"


async def test_what_is_asked_reaches_the_model(data_dir: Path) -> None:
    async with openai_stage(data_dir) as stage:
        pixel = "data:image/png;base64,iVBORw0KGgo="
        content: Any = [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": pixel, "detail": "low"}},
        ]
        messages: Any = [
            {"role": "developer", "content": "Be brief."},
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": content, "name": "ann"},
        ]
        await stage.whole(
            "",
            messages=messages,
            temperature=0.5,
            top_p=0.9,
            max_completion_tokens=77,
            stop="END",
            seed=42,
            reasoning_effort="low",
            metadata={"team": "a"},
            user="ignored",
            store=True,
            n=1,
            service_tier="auto",
        )
        sent = stage.upstream.requests[0].json
        assert [message["role"] for message in sent["messages"]] == ["developer", "system", "user"]
        assert sent["messages"][2] == {"role": "user", "content": content, "name": "ann"}
        wanted = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 77, "stop": ["END"], "seed": 42}
        assert {name: sent[name] for name in wanted} == wanted
        assert sent["reasoning_effort"] == "low"
        assert not {"user", "store", "n", "service_tier", "metadata"} & sent.keys()
        runs = (await stage.client.get("/../api/v1/runs", cast_to=dict[str, Any]))["runs"]
        assert runs[0]["metadata"] == {"team": "a"}
