"""The AI SDK's own client against the real server: what it validates, what it puts together, what it throws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater.api.ai_sdk_request import CHAT
from tests.acceptance.ai_sdk_client import ai_sdk, send, text_of, user
from tests.acceptance.corpora import CORPORA, Corpus
from tests.acceptance.scene import CALLED_ONCE, SCRIPTED, Scene, by_prompt, side_by_side
from tests.kit.answer import Record
from tests.kit.product import Product, compatible_model
from tests.kit.script import EndCleanly, Send, chat_chunk, chat_stream, error_answer, play
from tests.kit.upstream import Script, ScriptedUpstream

pytestmark = [pytest.mark.slow]

SCRIPTS: dict[str, Script] = {
    "Hello": chat_stream(["Hello", " world"]),
    "Think": [
        Send(chat_chunk(reasoning_content="Hm")),
        Send(chat_chunk("Yes")),
        Send(chat_chunk(finish="stop")),
        EndCleanly(),
    ],
    "Call": [
        Send(chat_chunk(tool_calls=[{"index": 0, "id": "t1", "function": {"name": "add", "arguments": '{"x":'}}])),
        Send(chat_chunk(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}])),
        Send(chat_chunk(finish="tool_calls")),
        EndCleanly(),
    ],
    "cut": [Send(chat_chunk("Hel")), EndCleanly()],
    "key": error_answer(401, "bad key"),
}


def product_of(data: Path, upstream: ScriptedUpstream, provider: str = "openai_chat") -> Product:
    row = compatible_model(SCRIPTED, upstream.base_url, provider=provider)
    return Product(data, config={"resilience": CALLED_ONCE, "models": [row]})


async def test_answers_reasoning_tools_and_failures(data_dir: Path) -> None:
    async with ScriptedUpstream(by_prompt(SCRIPTS)) as upstream, product_of(data_dir, upstream) as product:
        hello, think, called, cut, key, nobody, nothing = await ai_sdk(
            product,
            *(send(f"chat {name}", user(name)) for name in SCRIPTS),
            send("x", user("x"), model="nobody"),
            {"kind": "resume", "id": "chat Hello"},
        )
        # Tokens that came together are one delta.
        order = [*dict.fromkeys(hello["types"])]
        assert order == ["start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"]
        message = hello["message"]
        assert (message["role"], text_of(message)) == ("assistant", "Hello world")
        assert message["metadata"]["usage"]["output_tokens"] == 2
        shown = await Scene(product).show(message["metadata"]["run"])
        assert shown["snapshot"]["text"] == "Hello world"
        assert [(part["type"], part.get("text")) for part in think["message"]["parts"]] == [
            ("step-start", None),
            ("reasoning", "Hm"),
            ("text", "Yes"),
        ]
        assert called["message"]["parts"][1] == {
            "type": "tool-add",
            "toolCallId": "t1",
            "state": "input-available",
            "input": {"x": 1},
        }
        assert text_of(cut["message"]) == "Hel"
        assert cut["error"]["message"]
        assert cut["types"][-1] == "error"
        assert (key["error"]["status"], key["message"]) == (401, None)
        assert "nobody" in nobody["error"]["message"]
        assert nothing == {"nothing": True}


async def test_a_tool_s_outcome_is_sent_back_in_a_turn_of_its_own(data_dir: Path) -> None:
    async with (
        ScriptedUpstream(SCRIPTS["Call"], SCRIPTS["Hello"]) as upstream,
        product_of(data_dir, upstream) as product,
    ):
        (called,) = await ai_sdk(product, send("c", user("Call")))
        answer = called["message"]
        answer["parts"][1] |= {"state": "output-available", "output": {"y": 2}}
        (went_on,) = await ai_sdk(product, send("c", user("Call"), answer))
        assert went_on["message"]["id"] == answer["id"]
        assert [(each["role"], each.get("content")) for each in (await upstream.request(2)).json["messages"]] == [
            ("user", "Call"),
            ("assistant", None),
            ("tool", '{"y":2}'),
        ]


def text_in(records: list[Record], type: str) -> str:
    return "".join(record.data["content"] for record in records if record.type == type)


@pytest.mark.heavy
@pytest.mark.parametrize("corpus", CORPORA, ids=lambda corpus: corpus.provider)
async def test_every_recording_is_a_valid_message(data_dir: Path, corpus: Corpus) -> None:
    recordings = {name: each for name, each in corpus.recordings.items() if name.endswith(".sse")}
    if not recordings:
        pytest.skip("no recordings on this machine; continuous integration must have them")
    scripts: dict[str, Script] = {name: play(each.read(), 1000) for name, each in recordings.items()}
    upstream = ScriptedUpstream(by_prompt(scripts, corpus.prompt))
    async with upstream, product_of(data_dir, upstream, corpus.provider) as product:
        scene = Scene(product)
        logs: dict[str, list[Record]] = {}
        tasks: list[dict[str, Any]] = []

        async def one(name: str) -> None:
            run = await scene.start(name, model=SCRIPTED, metadata={CHAT: name})
            logs[name] = await scene.records(run)
            tasks.append({"kind": "replay", "id": name, "run": run})

        await side_by_side(map(one, recordings), 8)
        for task, outcome in zip(tasks, await ai_sdk(product, *tasks), strict=True):
            name = task["id"]
            records = logs[name]
            if outcome["message"] is None:
                assert records[-1].type == "error", (name, outcome)
                continue
            if records[-1].type == "error":
                assert outcome["error"]["message"] == records[-1].data["message"], name
            else:
                assert "error" not in outcome, (name, outcome)
                assert outcome["types"][-1] == "finish", name
            check_parts(name, outcome["message"]["parts"], records)


def check_parts(name: str, parts: list[Any], records: list[Record]) -> None:
    """What the client put together is what the log says."""
    said = {kind: "".join(part["text"] for part in parts if part["type"] == kind) for kind in ("text", "reasoning")}
    texts = [record.data["content"] for record in records if record.type in ("chunk", "refusal")]
    assert said == {"text": "".join(texts), "reasoning": text_in(records, "reasoning")}, name
    tools: dict[str, str] = {}
    for record in records:
        if record.type == "tool_call":
            tools[record.data["id"]] = record.data["name"]
    found = {part["toolCallId"]: part["type"] for part in parts if part["type"].startswith("tool-")}
    assert found == {id: f"tool-{tool}" for id, tool in tools.items()}, name
