"""OpenAI's own Node SDK against the real server, with only the base URL changed. One node process a test."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.openai_stage import Stage, openai_stage, user
from tests.acceptance.scene import SCRIPTED, received_for
from tests.acceptance.test_openai_python import CALLING, CALLS, TOOLS
from tests.kit.script import EndCleanly, Send, Stall, Status, Step, chat_chunk, chat_stream, error_answer
from tests.kit.upstream import Received
from tests.wire.oracles import NODE, ORACLES, installed_packages

pytestmark = [pytest.mark.slow]


def task(kind: str, prompt: str, *, options: Any = None, client: Any = None, **asked: Any) -> dict[str, Any]:
    params = {"model": SCRIPTED, "messages": user(prompt), **asked}
    return {"kind": kind, "params": params, "options": options or {}, "client": client or {}}


async def node(stage: Stage, *tasks: dict[str, Any], script: str = "openai_sdk.mjs", path: str = "/v1") -> list[Any]:
    """The outcome of each task, in order. `path` is where the SDK of the script expects its API to begin."""
    packages = await asyncio.to_thread(installed_packages)
    process = await asyncio.create_subprocess_exec(
        NODE,
        ORACLES / script,
        packages,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", "")},
    )
    asked = json.dumps({"baseURL": f"{stage.product.url}{path}", "tasks": tasks}).encode()
    try:
        out, errors = await process.communicate(asked)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    outcomes: list[Any] = json.loads(out)
    return outcomes


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])


async def test_streamed_whole_and_models(data_dir: Path) -> None:
    async with openai_stage(data_dir, server={"heartbeat_s": 0.05}) as stage:
        streamed, whole, accumulated, simulated, models = await node(
            stage,
            task("stream", "Hello", stream_options={"include_usage": True}),
            task("whole", "Hello"),
            task("accumulate", "Hello", stream_options={"include_usage": True}),
            task("stream", "Hello", model="simulated"),
            {"kind": "models", "name": "house/large:7b"},
        )
        *before, last = streamed["chunks"]
        assert text_of(streamed["chunks"]) == "Hello world"
        assert [chunk["usage"] for chunk in before] == [None] * len(before)
        assert (last["choices"], last["usage"]["total_tokens"]) == ([], 9)
        assert before[-1]["choices"][0]["finish_reason"] == "stop"
        assert (await stage.scene.show(streamed["run"]))["state"] == "completed"
        for outcome in (whole, accumulated):
            (choice,) = outcome["completion"]["choices"]
            assert (choice["message"]["content"], choice["finish_reason"]) == ("Hello world", "stop")
            assert outcome["completion"]["usage"]["total_tokens"] == 9
        assert text_of(simulated["chunks"]).startswith("This is a simulated answer.")
        assert models["listed"] == ["simulated", SCRIPTED, "house/large:7b"]
        assert models["model"]["id"] == "house/large:7b"


async def test_heartbeats_between_tokens_are_not_seen(data_dir: Path) -> None:
    words = ["one ", "two ", "three"]
    paced = {"Paced": chat_stream(words, delay_s=0.2)}
    async with openai_stage(data_dir, paced, server={"heartbeat_s": 0.05}) as stage:
        (outcome,) = await node(stage, task("stream", "Paced"))
        assert [chunk["choices"][0]["delta"].get("content") for chunk in outcome["chunks"]] == ["", *words, None]


async def test_tools_and_structured_output(data_dir: Path) -> None:
    said = '{"name":"Bern"}'
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": schema}}
    async with openai_stage(data_dir, {"Call": CALLING, "Which?": chat_stream([said])}) as stage:
        outcomes = await node(
            stage,
            task("whole", "Call", tools=TOOLS),
            task("accumulate", "Call", tools=TOOLS),
            task("parse", "Which?", response_format=wanted),
        )
        for outcome in outcomes[:2]:
            (choice,) = outcome["completion"]["choices"]
            calls = choice["message"]["tool_calls"]
            assert [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in calls] == CALLS
            assert choice["finish_reason"] == "tool_calls"
        assert outcomes[2]["completion"]["choices"][0]["message"]["content"] == said
        sent = stage.upstream.requests[-1].json["response_format"]["json_schema"]
        assert (sent["name"], sent["strict"], sent["schema"]["required"]) == ("city", True, ["name"])


async def test_errors_have_their_own_classes(data_dir: Path) -> None:
    scripts: dict[str, list[Step]] = {
        "rate": error_answer(429, "slow down", retry_after="1"),
        "key": error_answer(401, "bad key"),
        "down": error_answer(503, "busy"),
        "cut": [Send(chat_chunk("Hel")), EndCleanly()],
        "never": [Status(), Stall()],
    }
    refused = [
        (task("whole", "x", model="nobody"), "NotFoundError", "model_not_found"),
        (task("stream", "x", n=2), "BadRequestError", "unsupported_value"),
        (task("whole", "x", foo=1), "BadRequestError", "invalid_request"),
        (task("stream", "rate"), "RateLimitError", "rate_limit_exceeded"),
        (task("whole", "rate"), "RateLimitError", "rate_limit_exceeded"),
        (task("stream", "key"), "AuthenticationError", "invalid_api_key"),
        (task("stream", "down"), "InternalServerError", "overloaded"),
        (task("whole", "cut"), "InternalServerError", "truncated"),
        (task("stream", "cut"), "APIError", "truncated"),
    ]
    leaving = {"headers": {"Headwater-On-Disconnect": "cancel"}, "timeout": 2000}
    async with openai_stage(data_dir, scripts) as stage:
        *outcomes, late = await node(stage, *(each for each, _, _ in refused), task("whole", "never", options=leaving))
        for outcome, (asked, name, code) in zip(outcomes, refused, strict=True):
            assert (outcome["error"]["class"], outcome["error"]["code"]) == (name, code), asked
        cut = outcomes[-1]
        assert text_of(cut["chunks"]) == "Hel"
        assert all(chunk["choices"][0]["finish_reason"] is None for chunk in cut["chunks"])
        assert late["error"]["class"] == "APIConnectionTimeoutError"
        await (await received_for(stage.upstream, "never")).closed.wait()


async def test_the_sdk_repeats_what_may_be_repeated(data_dir: Path) -> None:
    times = 0

    def fails_first(_: Received) -> list[Step]:
        nonlocal times
        times += 1
        return error_answer(429, "no", retry_after="0") if times < 3 else chat_stream(["At last"])

    async with openai_stage(data_dir, {"rate": fails_first}) as stage:
        (outcome,) = await node(stage, task("stream", "rate", client={"maxRetries": 2}))
        assert text_of(outcome["chunks"]) == "At last"
        assert times == 3


async def test_an_abort_stops_the_run(data_dir: Path) -> None:
    async with openai_stage(data_dir, {"Long": [Send(chat_chunk("Hel")), Stall()]}) as stage:
        options = {"headers": {"Headwater-On-Disconnect": "0.1"}}
        (outcome,) = await node(stage, task("abort", "Long", options=options))
        await stage.upstream.requests[0].closed.wait()
        final = await stage.scene.end(outcome["run"])
        assert (final.type, final.data["by"], final.data["partial_bytes"]) == ("cancelled", "disconnect", 3)
