"""OpenAI's own Python SDK calls `/v1/responses` of the real server, with only the base URL changed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest

from tests.acceptance.openai_stage import openai_stage
from tests.acceptance.scene import SCRIPTED
from tests.acceptance.test_openai_python import CALLING, CALLS
from tests.kit.script import DONE, Pause, Send, Step, chat_chunk, chat_stream

pytestmark = [pytest.mark.slow]

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: Any = [{"type": "function", "name": name, "strict": True, "parameters": CITY} for name in ("weather", "time")]


def text_of(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


async def test_streamed_and_whole(data_dir: Path) -> None:
    async with openai_stage(data_dir) as stage:
        whole = await stage.respond("Hello", instructions="Be brief.", metadata={"team": "a"})
        assert (whole.status, whole.output_text, whole.model) == ("completed", "Hello world", SCRIPTED)
        assert (whole.usage.input_tokens, whole.usage.output_tokens) == (7, 2)
        assert (whole.instructions, whole.metadata) == ("Be brief.", {"team": "a"})
        sent = stage.upstream.requests[0].json["messages"]
        assert [(each["role"], each["content"]) for each in sent] == [("developer", "Be brief."), ("user", "Hello")]
        events = await stage.events("Hello")
        assert text_of(events) == events[-1].response.output_text == "Hello world"
        assert [event.sequence_number for event in events] == list(range(len(events)))
        # The SDK's own accumulator, which raises where events do not fit together.
        async with stage.client.responses.stream(model=SCRIPTED, input="Hello") as stream:
            assert (await stream.get_final_response()).output_text == "Hello world"
        simulated = await stage.respond("Hello", model="simulated", max_output_tokens=3)
        assert (simulated.status, simulated.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_the_blocking_client(data_dir: Path) -> None:
    """Called in a thread, as its users do; the server is a process of its own."""

    def ask(url: str) -> tuple[str, str]:
        with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
            with client.responses.create(model=SCRIPTED, input="Hello", stream=True) as stream:
                streamed = text_of(list(stream))
            return streamed, client.responses.create(model=SCRIPTED, input="Hello").output_text

    async def main() -> None:
        async with openai_stage(data_dir) as stage:
            assert await asyncio.to_thread(ask, stage.product.url) == ("Hello world", "Hello world")

    asyncio.run(main())


def calls_of(response: Any) -> list[tuple[str, str, str]]:
    return [(item.call_id, item.name, item.arguments) for item in response.output if item.type == "function_call"]


async def test_tools(data_dir: Path) -> None:
    async with openai_stage(data_dir, {"Call": CALLING, "done": chat_stream(["It rains"])}) as stage:
        asked: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required"}
        first = await stage.respond("Call", **asked)
        assert calls_of(first) == CALLS
        assert first.tool_choice == "required"
        async with stage.client.responses.stream(model=SCRIPTED, input="Call", **asked) as stream:
            final = await stream.get_final_response()
        assert calls_of(final) == CALLS
        results: list[Any] = [
            {"type": "function_call_output", "call_id": "call_a", "output": "rain"},
            {"type": "function_call_output", "call_id": "call_b", "output": "done"},
        ]
        # The next turn: with the answer's items as the SDK has them, and again with no more than its id.
        again = await stage.respond(
            "", input=[{"role": "user", "content": "Call"}, *first.output, *results], tools=TOOLS
        )
        by_id = await stage.respond("", input=results, previous_response_id=first.id, tools=TOOLS)
        assert again.output_text == by_id.output_text == "It rains"
        with_items, with_id = (received.json["messages"] for received in stage.upstream.requests[-2:])
        assert with_items == with_id
        assert [message["role"] for message in with_id] == ["user", "assistant", "tool", "tool"]
        assert [call["id"] for call in with_id[1]["tool_calls"]] == ["call_a", "call_b"]


class City(pydantic.BaseModel):
    name: str
    people: int


async def test_structured_output(data_dir: Path) -> None:
    said = '{"name":"Bern","people":134000}'
    async with openai_stage(data_dir, {"Which?": chat_stream([said[:9], said[9:]])}) as stage:
        parsed = await stage.client.responses.parse(model=SCRIPTED, input="Which?", text_format=City)
        assert parsed.output_parsed == City(name="Bern", people=134000)
        wanted = stage.upstream.requests[0].json["response_format"]
        assert (wanted["type"], wanted["json_schema"]["strict"]) == ("json_schema", True)
        async with stage.client.responses.stream(model=SCRIPTED, input="Which?", text_format=City) as stream:
            final = await stream.get_final_response()
        assert final.output_parsed == City(name="Bern", people=134000)
        simulated = await stage.client.responses.parse(model="simulated", input="Any", text_format=City)
        assert isinstance(simulated.output_parsed, City)


async def test_images_reasoning_refusals_and_logprobs(data_dir: Path) -> None:
    top: dict[str, Any] = {"token": "Hi", "logprob": -0.1, "bytes": None, "top_logprobs": []}
    choice = {"index": 0, "delta": {"content": "Hi"}, "logprobs": {"content": [top]}, "finish_reason": None}
    scripts: dict[str, list[Step]] = {
        "Logprobs": [
            Send(b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode()),
            Send(chat_chunk(finish="stop")),
            Send(DONE),
        ],
        "Refuse": [Send(chat_chunk(refusal="I can")), Send(chat_chunk(refusal="not.")), *chat_stream([])],
        "Think": [Send(chat_chunk(reasoning_content="Hm")), *chat_stream(["Yes"])],
    }
    async with openai_stage(data_dir, scripts) as stage:
        answer = await stage.respond("Logprobs", include=["message.output_text.logprobs"], top_logprobs=2)
        (token,) = answer.output[0].content[0].logprobs
        assert (token.token, token.bytes) == ("Hi", [72, 105])
        assert stage.upstream.requests[0].json["top_logprobs"] == 2
        refused = await stage.respond("Refuse")
        assert (refused.status, refused.output[0].content[0].refusal) == ("completed", "I cannot.")
        reasoning, message = (await stage.respond("Think")).output
        assert (reasoning.summary[0].text, message.content[0].text) == ("Hm", "Yes")
        thought = [event async for event in await stage.respond("Think", stream=True)]
        assert "".join(each.delta for each in thought if each.type == "response.reasoning_summary_text.delta") == "Hm"


async def test_images_reach_the_model(data_dir: Path) -> None:
    pixel = "data:image/png;base64,iVBORw0KGgo="
    content: Any = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": pixel, "detail": "low"},
    ]
    async with openai_stage(data_dir) as stage:
        await stage.respond("", input=[{"role": "user", "content": content}])
        (sent,) = stage.upstream.requests[0].json["messages"]
        assert sent["content"] == [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": pixel, "detail": "low"}},
        ]


async def test_in_the_background(data_dir: Path) -> None:
    gate = asyncio.Event()
    script = {"Long": [Send(chat_chunk("Hel")), Pause(gate), *chat_stream(["lo"])]}
    async with openai_stage(data_dir, script) as stage:
        started = await stage.respond("Long", background=True)
        assert started.status in ("queued", "in_progress")
        async with await stage.client.responses.retrieve(started.id, stream=True) as stream:
            seen: list[Any] = []
            async for event in stream:
                seen.append(event)
                if event.type == "response.output_text.delta":
                    break
        gate.set()
        async with await stage.client.responses.retrieve(
            started.id, stream=True, starting_after=seen[-1].sequence_number
        ) as stream:
            seen += [event async for event in stream]
        assert [event.sequence_number for event in seen] == list(range(len(seen)))
        assert text_of(seen) == seen[-1].response.output_text == "Hello"
        assert (await stage.client.responses.retrieve(started.id)).output_text == "Hello"
        # The SDK's own way to come back, which puts the response together from what it is told.
        async with stage.client.responses.stream(response_id=started.id, starting_after=3) as again:
            assert (await again.get_final_response()).output_text == "Hello"
        items: list[Any] = [item async for item in stage.client.responses.input_items.list(started.id)]
        assert [item.content[0].text for item in items] == ["Long"]
        await stage.client.responses.delete(started.id)
        with pytest.raises(openai.NotFoundError):
            await stage.client.responses.retrieve(started.id)
