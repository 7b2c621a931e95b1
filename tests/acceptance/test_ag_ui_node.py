"""AG-UI's own client against the real server: what it verifies, what it puts together, what it throws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater.api.ag_ui import PATH
from tests.acceptance.corpora import CORPORA, Corpus
from tests.acceptance.node_client import ask_node
from tests.acceptance.scene import SCRIPTED, Scene, by_prompt
from tests.acceptance.test_ai_sdk_node import SCRIPTS, product_of
from tests.kit.product import Product
from tests.kit.script import play
from tests.kit.upstream import Script, ScriptedUpstream

pytestmark = [pytest.mark.slow]

ADD = {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {}}}


def user(text: str) -> dict[str, Any]:
    return {"id": f"user-{text}", "role": "user", "content": text}


def task(*messages: dict[str, Any], model: str = SCRIPTED, **input: Any) -> dict[str, Any]:
    forwarded = {"forwardedProps": {"model": model}, **input}
    return {"threadId": "thread-1", "messages": list(messages), "input": forwarded}


async def ag_ui(product: Product, *tasks: dict[str, Any]) -> list[Any]:
    """The outcome of each task, in order: see `tests/oracles/ag_ui.mjs`."""
    outcomes: list[Any] = await ask_node("ag_ui.mjs", {"url": product.url + PATH, "tasks": tasks})
    return outcomes


def types(outcome: Any) -> list[str]:
    """In the order in which they first came: tokens that came together are one event."""
    return [*dict.fromkeys(event["type"] for event in outcome["events"])]


async def test_answers_reasoning_tools_and_failures(data_dir: Path) -> None:
    async with ScriptedUpstream(by_prompt(SCRIPTS)) as upstream, product_of(data_dir, upstream) as product:
        hello, think, called, cut, key, nobody = await ag_ui(
            product, *(task(user(name)) for name in SCRIPTS), task(user("x"), model="nobody")
        )
        assert types(hello) == [
            *("RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED")
        ]
        started, finished = hello["events"][0], hello["events"][-1]
        assert (started["protocolVersion"], started["threadId"]) == ("1.0", "thread-1")
        assert started["runId"] == finished["runId"]
        assert finished["outcome"] == {"type": "success"}
        assert finished["usage"][0]["outputTokens"] == 2
        assert [(each["role"], each["content"]) for each in hello["messages"]] == [
            ("user", "Hello"),
            ("assistant", "Hello world"),
        ]
        assert [(each["role"], each["content"]) for each in think["messages"][1:]] == [
            ("reasoning", "Hm"),
            ("assistant", "Yes"),
        ]
        (call,) = called["messages"][1]["toolCalls"]
        assert (call["id"], call["function"]) == ("t1", {"name": "add", "arguments": '{"x":1}'})
        assert called["events"][-1]["outcome"] == {"type": "success", "pendingToolCallIds": ["t1"]}
        assert cut["messages"][-1]["content"] == "Hel"
        assert cut["events"][-1]["code"] == "TRUNCATED"
        assert key["events"][-1]["code"] == "AUTH"
        assert "nobody" in nobody["error"]["message"]


async def test_a_tool_s_outcome_is_sent_back(data_dir: Path) -> None:
    async with (
        ScriptedUpstream(SCRIPTS["Call"], SCRIPTS["Hello"]) as upstream,
        product_of(data_dir, upstream) as product,
    ):
        (called,) = await ag_ui(product, task(user("Call"), tools=[ADD]))
        outcome = {"id": "r1", "role": "tool", "toolCallId": "t1", "content": "2"}
        context = [{"description": "Where the user is", "value": "Bern"}]
        (went_on,) = await ag_ui(product, task(*called["messages"], outcome, tools=[ADD], context=context))
        assert went_on["messages"][-1]["content"] == "Hello world"
        first, second = (await upstream.request(1)).json, (await upstream.request(2)).json
        assert first["tools"][0]["function"]["name"] == "add"
        assert [(each["role"], each.get("content")) for each in second["messages"]] == [
            ("system", "Where the user is:\nBern"),
            ("user", "Call"),
            ("assistant", None),
            ("tool", "2"),
        ]


@pytest.mark.heavy
@pytest.mark.parametrize("corpus", CORPORA, ids=lambda corpus: corpus.provider)
async def test_every_recording_is_a_valid_run(data_dir: Path, corpus: Corpus) -> None:
    recordings = {name: each for name, each in corpus.recordings.items() if name.endswith(".sse")}
    if not recordings:
        pytest.skip("no recordings on this machine; continuous integration must have them")
    scripts: dict[str, Script] = {name: play(each.read(), 1000) for name, each in recordings.items()}
    upstream = ScriptedUpstream(by_prompt(scripts, corpus.prompt))
    async with upstream, product_of(data_dir, upstream, corpus.provider) as product:
        scene = Scene(product)
        outcomes = await ag_ui(product, *(task(user(name)) for name in recordings))
        for name, outcome in zip(recordings, outcomes, strict=True):
            first, *_, last = outcome["events"]
            assert first["type"] == "RUN_STARTED", (name, outcome)
            snapshot = (await scene.show(first["metadata"]["run"]))["snapshot"]
            assert last["type"] == ("RUN_FINISHED" if snapshot["error"] is None else "RUN_ERROR"), (name, outcome)
            check_messages(name, outcome["messages"][1:], snapshot)


def check_messages(name: str, said: list[Any], snapshot: Any) -> None:
    """What the client put together is what the log says."""
    texts = [each["content"] for each in said if each["role"] == "assistant" and each.get("content")]
    thoughts = [each["content"] for each in said if each["role"] == "reasoning"]
    calls = [call["id"] for each in said for call in each.get("toolCalls", [])]
    assert "".join(texts) == snapshot["text"] + snapshot["refusal"], name
    assert "".join(thoughts) == snapshot["reasoning"], name
    assert calls == [call["id"] for call in snapshot["tool_calls"]], name
