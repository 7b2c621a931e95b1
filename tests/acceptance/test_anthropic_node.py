"""Anthropic's own Node SDK against the real server, with only the base URL changed. One node process a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.anthropic_stage import asking
from tests.acceptance.openai_stage import Stage, openai_stage
from tests.acceptance.test_anthropic_python import CALLS, TOOLS
from tests.acceptance.test_openai_node import node
from tests.acceptance.test_openai_python import CALLING
from tests.kit.script import EndCleanly, Send, Stall, Step, chat_chunk, chat_stream, error_answer

pytestmark = [pytest.mark.slow]


def task(kind: str, prompt: str, *, options: Any = None, **asked: Any) -> dict[str, Any]:
    return {"kind": kind, "params": asking(prompt, **asked), "options": options or {}, "client": {}}


async def called(stage: Stage, *tasks: dict[str, Any]) -> list[Any]:
    return await node(stage, *tasks, script="anthropic_sdk.mjs", path="")


def text_of(events: list[Any]) -> str:
    return "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")


async def test_streamed_whole_and_accumulated(data_dir: Path) -> None:
    words = ["one ", "two ", "three"]
    scripts = {"Hello": chat_stream(words, delay_s=0.2)}
    async with openai_stage(data_dir, scripts, server={"heartbeat_s": 0.05}) as stage:
        streamed, whole, accumulated, thought = await called(
            stage,
            task("stream", "Hello"),
            task("whole", "Hello"),
            task("accumulate", "Hello"),
            task("accumulate", "Hello", model="simulated", thinking={"type": "adaptive"}),
        )
        # Pings between the tokens are not seen.
        assert [event["type"] for event in streamed["events"]] == [
            "message_start",
            "content_block_start",
            *["content_block_delta"] * 3,
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        assert text_of(streamed["events"]) == "one two three"
        assert (await stage.scene.show(streamed["run"]))["state"] == "completed"
        assert whole["request_id"] == whole["run"]
        for outcome in (whole, accumulated):
            (block,) = outcome["message"]["content"]
            assert (block["text"], outcome["message"]["stop_reason"]) == ("one two three", "end_turn")
        assert [block["type"] for block in thought["message"]["content"]] == ["thinking", "text"]


async def test_tools(data_dir: Path) -> None:
    async with openai_stage(data_dir, {"Call": CALLING}) as stage:
        for outcome in await called(stage, task("whole", "Call", tools=TOOLS), task("accumulate", "Call", tools=TOOLS)):
            message = outcome["message"]
            assert [(block["id"], block["name"], block["input"]) for block in message["content"]] == CALLS
            assert message["stop_reason"] == "tool_use"


async def test_errors_have_their_own_classes(data_dir: Path) -> None:
    scripts: dict[str, list[Step]] = {
        "rate": error_answer(429, "slow down", retry_after="1"),
        "key": error_answer(401, "bad key"),
        "down": error_answer(503, "busy"),
        "cut": [Send(chat_chunk("Hel")), EndCleanly()],
    }
    refused = [
        (task("whole", "x", model="nobody"), "NotFoundError", "not_found_error"),
        (task("stream", "x", top_k=2), "BadRequestError", "invalid_request_error"),
        (task("stream", "rate"), "RateLimitError", "rate_limit_error"),
        (task("whole", "key"), "AuthenticationError", "authentication_error"),
        (task("stream", "down"), "OverloadedError", "overloaded_error"),
        (task("whole", "cut"), "InternalServerError", "api_error"),
        (task("stream", "cut"), "APIError", "api_error"),
    ]
    async with openai_stage(data_dir, scripts) as stage:
        outcomes = await called(stage, *(each for each, _, _ in refused))
        for outcome, (asked, name, kind) in zip(outcomes, refused, strict=True):
            assert (outcome["error"]["class"], outcome["error"]["type"]) == (name, kind), asked
        assert text_of(outcomes[-1]["events"]) == "Hel"
        assert "message_stop" not in [event["type"] for event in outcomes[-1]["events"]]


async def test_an_abort_stops_the_run(data_dir: Path) -> None:
    async with openai_stage(data_dir, {"Long": [Send(chat_chunk("Hel")), Stall()]}) as stage:
        options = {"headers": {"Headwater-On-Disconnect": "0.1"}}
        (outcome,) = await called(stage, task("abort", "Long", options=options))
        await stage.upstream.requests[0].closed.wait()
        final = await stage.scene.end(outcome["run"])
        assert (final.type, final.data["by"], final.data["partial_bytes"]) == ("cancelled", "disconnect", 3)
