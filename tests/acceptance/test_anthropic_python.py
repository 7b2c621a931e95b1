"""Anthropic's own Python SDK against the real server, with only the base URL changed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import anthropic
import pydantic
import pytest

from tests.acceptance.anthropic_stage import anthropic_stage
from tests.acceptance.openai_stage import user
from tests.acceptance.scene import SCRIPTED
from tests.acceptance.test_openai_python import CALLING
from tests.kit.script import DONE, Send, Step, chat_chunk, chat_stream

pytestmark = [pytest.mark.slow]

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: Any = [{"name": name, "description": f"The {name}", "input_schema": SCHEMA} for name in ("weather", "time")]
CALLS = [("call_a", "weather", {"city": "Bern"}), ("call_b", "time", {"city": "Rom"})]


def calls_of(message: Any) -> list[tuple[str, str, Any]]:
    return [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"]


async def test_streamed_whole_and_accumulated(data_dir: Path) -> None:
    async with anthropic_stage(data_dir) as face:
        events = await face.events("Hello")
        assert [event.type for event in events] == [
            "message_start",
            "content_block_start",
            *["content_block_delta"] * (len(events) - 5),
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        said = [event.delta.text for event in events if event.type == "content_block_delta"]
        assert "".join(said) == "Hello world"
        for message in (await face.whole("Hello"), await face.accumulated("Hello")):
            (block,) = message.content
            assert (block.text, message.stop_reason, message.model) == ("Hello world", "end_turn", SCRIPTED)
            assert (message.usage.input_tokens, message.usage.output_tokens) == (7, 2)
        simulated = await face.whole("Hello", model="simulated", max_tokens=3)
        assert simulated.stop_reason == "max_tokens"


def test_the_blocking_client(data_dir: Path) -> None:
    """Called in a thread, as its users do; the server is a process of its own."""

    def ask(url: str) -> list[str]:
        with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0) as client:
            asked: dict[str, Any] = {"model": SCRIPTED, "max_tokens": 9, "messages": user("Hello")}
            with client.messages.stream(**asked) as stream:
                streamed = stream.get_final_text()
            whole: Any = client.messages.create(**asked)
            beta: Any = client.beta.messages.create(**asked)
            return [streamed, whole.content[0].text, beta.content[0].text]

    async def main() -> None:
        async with anthropic_stage(data_dir) as face:
            assert await asyncio.to_thread(ask, face.stage.product.url) == ["Hello world"] * 3

    asyncio.run(main())


async def test_tools(data_dir: Path) -> None:
    async with anthropic_stage(data_dir, {"Call": CALLING, "Error: no clock": chat_stream(["It rains"])}) as face:
        asked: dict[str, Any] = {"tools": TOOLS, "tool_choice": {"type": "any", "disable_parallel_tool_use": True}}
        whole, streamed = await face.whole("Call", **asked), await face.accumulated("Call", **asked)
        for message in (whole, streamed):
            assert calls_of(message) == CALLS
            assert message.stop_reason == "tool_use"
        sent = face.stage.upstream.requests[0].json
        assert [tool["function"]["parameters"] for tool in sent["tools"]] == [SCHEMA, SCHEMA]
        assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", False)
        # The next turn: the answer goes back as the SDK has it, with the tools' results.
        results = [
            {"type": "tool_result", "tool_use_id": "call_a", "content": "rain"},
            {"type": "tool_result", "tool_use_id": "call_b", "content": "no clock", "is_error": True},
        ]
        messages = [*user("Call"), whole.to_param(), {"role": "user", "content": results}]
        answer: Any = await face.whole("", messages=messages, tools=TOOLS)
        assert answer.content[0].text == "It rains"
        sent = face.stage.upstream.requests[-1].json
        assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool", "tool"]
        assert [json.loads(call["function"]["arguments"]) for call in sent["messages"][1]["tool_calls"]] == [
            {"city": "Bern"},
            {"city": "Rom"},
        ]
        assert [message["content"] for message in sent["messages"][2:]] == ["rain", "Error: no clock"]


class City(pydantic.BaseModel):
    name: str
    people: int


async def test_structured_output(data_dir: Path) -> None:
    said = '{"name":"Bern","people":134000}'
    async with anthropic_stage(data_dir, {"Which?": chat_stream([said[:9], said[9:]])}) as face:
        parsed = await face.client.messages.parse(
            model=SCRIPTED, max_tokens=99, messages=user("Which?"), output_format=City
        )
        assert parsed.parsed_output == City(name="Bern", people=134000)
        wanted = face.stage.upstream.requests[0].json["response_format"]
        assert set(wanted["json_schema"]["schema"]["properties"]) == {"name", "people"}


async def test_what_is_asked_reaches_the_model(data_dir: Path) -> None:
    async with anthropic_stage(data_dir) as face:
        source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
        content = [{"type": "text", "text": "What is it?"}, {"type": "image", "source": source}]
        await face.whole(
            "",
            messages=[{"role": "user", "content": content}],
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            max_tokens=77,
            stop_sequences=["END"],
            thinking={"type": "enabled", "budget_tokens": 2000},
            metadata={"user_id": "ignored"},
            service_tier="auto",
            extra_body={"temperature": 0.5, "top_p": 0.9},
        )
        sent = face.stage.upstream.requests[0].json
        assert [message["role"] for message in sent["messages"]] == ["system", "user"]
        assert sent["messages"][1]["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="
        wanted = {"max_tokens": 77, "stop": ["END"], "temperature": 0.5, "top_p": 0.9, "reasoning_effort": "low"}
        assert {name: sent[name] for name in wanted} == wanted
        assert not {"metadata", "service_tier", "user"} & sent.keys()


async def test_thinking_and_refusals_of_another_provider(data_dir: Path) -> None:
    scripts: dict[str, list[Step]] = {
        "Think": [Send(chat_chunk(reasoning_content="Hm")), *chat_stream(["Yes"])],
        "Refuse": [Send(chat_chunk(refusal="I can")), Send(chat_chunk(refusal="not.")), *chat_stream([])],
        "More": [Send(chat_chunk("Yes")), Send(chat_chunk(finish="stop")), Send(DONE)],
    }
    async with anthropic_stage(data_dir, scripts) as face:
        for message in (await face.whole("Think"), await face.accumulated("Think")):
            thought, text = message.content
            assert (thought.type, thought.thinking, thought.signature, text.text) == ("thinking", "Hm", "", "Yes")
        for message in (await face.whole("Refuse"), await face.accumulated("Refuse")):
            assert (message.stop_reason, message.stop_details.explanation) == ("refusal", "I cannot.")
        # Thinking without a signature is nobody's: it is not sent along.
        thought = (await face.whole("Think")).to_param()
        await face.whole("", messages=[*user("Think"), thought, *user("More")])
        assert "Hm" not in face.stage.upstream.requests[-1].body.decode()


def messages_stream(*events: dict[str, Any]) -> list[Step]:
    """What Anthropic's own API sends."""
    return [Send(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()) for event in events]


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


BEGUN = {
    "type": "message_start",
    "message": {
        "id": "msg_theirs",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "cache_read_input_tokens": 4, "output_tokens": 1},
    },
}


def stopped(reason: str) -> list[dict[str, Any]]:
    usage = {"output_tokens": 8}
    ended = {"stop_reason": reason, "stop_sequence": None}
    return [{"type": "message_delta", "delta": ended, "usage": usage}, {"type": "message_stop"}]


async def test_signatures_come_from_anthropic_and_go_back_to_it(data_dir: Path) -> None:
    thinking = block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Let me "},
        {"type": "thinking_delta", "thinking": "look."},
        {"type": "signature_delta", "signature": "c2lnbmVk"},
    )
    hidden = block(1, {"type": "redacted_thinking", "data": "aGlkZGVu"})
    call = block(
        2,
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"city":"Bern"}'},
    )
    said = block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "It rains"})
    turns = [
        messages_stream(BEGUN, *thinking, *hidden, *call, *stopped("tool_use")),
        messages_stream(BEGUN, *said, *stopped("end_turn")),
    ]
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}
    scripts = {"Look": turns[0], str([result]): turns[1]}
    async with anthropic_stage(data_dir, scripts, provider="anthropic") as face:
        for answer in (await face.whole("Look", tools=TOOLS), await face.accumulated("Look", tools=TOOLS)):
            signed, sealed, _ = answer.content
            assert (signed.thinking, signed.signature) == ("Let me look.", "c2lnbmVk")
            assert (sealed.type, sealed.data) == ("redacted_thinking", "aGlkZGVu")
            assert calls_of(answer) == [("toolu_1", "weather", {"city": "Bern"})]
            assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == (9, 4)
        sent_on = [*user("Look"), answer.to_param(), {"role": "user", "content": [result]}]
        final: Any = await face.whole("", messages=sent_on, tools=TOOLS)
        assert final.content[0].text == "It rains"
        assert face.stage.upstream.requests[-1].json["messages"][1]["content"] == [
            {"type": "thinking", "thinking": "Let me look.", "signature": "c2lnbmVk"},
            {"type": "redacted_thinking", "data": "aGlkZGVu"},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}},
        ]
