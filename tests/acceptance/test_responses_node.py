"""OpenAI's own Node SDK calls `/v1/responses` of the real server, with only the base URL changed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.openai_stage import openai_stage
from tests.acceptance.scene import SCRIPTED, until
from tests.acceptance.test_openai_node import node
from tests.acceptance.test_openai_python import CALLING, CALLS
from tests.acceptance.test_responses_python import CITY, TOOLS
from tests.kit.client import call
from tests.kit.script import EndCleanly, Send, Stall, Step, chat_chunk, chat_stream, error_answer

pytestmark = [pytest.mark.slow]


def task(kind: str, prompt: str, *, options: Any = None, client: Any = None, **asked: Any) -> dict[str, Any]:
    params = {"model": SCRIPTED, "input": prompt, **asked}
    return {"kind": kind, "params": params, "options": options or {}, "client": client or {}}


def text_of(events: list[Any]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


async def test_streamed_whole_and_read_on(data_dir: Path) -> None:
    paced = {"Hello": chat_stream(["one ", "two ", "three"], delay_s=0.1)}
    async with openai_stage(data_dir, paced, server={"heartbeat_s": 0.05}) as stage:
        streamed, whole, accumulated, resumed = await node(
            stage,
            task("events", "Hello"),
            task("respond", "Hello"),
            task("accumulateResponse", "Hello"),
            task("resume", "Hello"),
        )
        assert text_of(streamed["events"]) == whole["text"] == "one two three"
        assert streamed["events"][-1]["response"]["status"] == "completed"
        assert (await stage.scene.show(whole["run"]))["state"] == "completed"
        assert accumulated["response"]["output_text"] == "one two three"
        events = resumed["events"]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert (text_of(events), resumed["status"]) == ("one two three", "completed")
        assert [item["content"][0]["text"] for item in resumed["items"]] == ["Hello"]


async def test_tools_and_structured_output(data_dir: Path) -> None:
    wanted = {"format": {"type": "json_schema", "name": "city", "strict": True, "schema": CITY}}
    async with openai_stage(data_dir, {"Call": CALLING, "Which?": chat_stream(['{"city":"Bern"}'])}) as stage:
        *called, parsed = await node(
            stage,
            task("respond", "Call", tools=TOOLS),
            task("accumulateResponse", "Call", tools=TOOLS),
            task("parseResponse", "Which?", text=wanted),
        )
        for outcome in called:
            output = outcome["response"]["output"]
            assert [(item["call_id"], item["name"], item["arguments"]) for item in output] == CALLS
        assert parsed["response"]["output_text"] == '{"city":"Bern"}'
        sent = stage.upstream.requests[-1].json["response_format"]["json_schema"]
        assert (sent["name"], sent["strict"]) == ("city", True)


async def test_images_reach_the_model(data_dir: Path) -> None:
    pixel = "data:image/png;base64,iVBORw0KGgo="
    words = {"type": "input_text", "text": "What is it?"}
    content = [words, {"type": "input_image", "image_url": pixel, "detail": "low"}]
    async with openai_stage(data_dir) as stage:
        await node(stage, task("respond", "", input=[{"role": "user", "content": content}]))
        (sent,) = stage.upstream.requests[0].json["messages"]
        assert sent["content"][1] == {"type": "image_url", "image_url": {"url": pixel, "detail": "low"}}


@pytest.mark.parametrize(("policy", "end"), [("interrupt", "response.failed"), ("rerun", "response.completed")])
async def test_a_background_response_is_read_on_over_a_kill(data_dir: Path, policy: str, end: str) -> None:
    answers: list[list[Step]] = [[Send(chat_chunk("Hel")), Stall()], chat_stream(["Hello"])]
    async with openai_stage(data_dir, {"Long": lambda _: answers.pop(0)}) as stage:
        options = {"headers": {"Headwater-On-Crash": policy}}
        reading = asyncio.create_task(node(stage, task("readOn", "Long", options=options)))

        async def begun() -> bool:
            runs = (await call(stage.product.port, "GET", "/api/v1/runs")).json()["runs"]
            return [(await stage.scene.show(run["id"]))["snapshot"]["text"] for run in runs] == ["Hel"]

        await until(begun, "the first words")
        await stage.product.kill()
        await stage.product.start()
        (outcome,) = await reading
        events, found = outcome["events"], outcome["found"]
        assert outcome["cuts"] > 0
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert events[-1]["type"] == end
        assert found["output_text"] == ("Hel" if policy == "interrupt" else "Hello")
        assert (found["error"] or {}).get("type") == ("interrupted" if policy == "interrupt" else None)


async def test_errors_have_their_own_classes(data_dir: Path) -> None:
    scripts: dict[str, list[Step]] = {
        "rate": error_answer(429, "slow down", retry_after="1"),
        "key": error_answer(401, "bad key"),
        "cut": [Send(chat_chunk("Hel")), EndCleanly()],
    }
    refused = [
        (task("respond", "x", model="nobody"), "NotFoundError", "model_not_found"),
        (task("events", "x", truncation="auto"), "BadRequestError", "unsupported_value"),
        (task("respond", "x", foo=1), "BadRequestError", "invalid_request"),
        (task("events", "rate"), "RateLimitError", "rate_limit_exceeded"),
        (task("respond", "key"), "AuthenticationError", "invalid_api_key"),
        (task("respond", "cut"), "InternalServerError", "truncated"),
    ]
    async with openai_stage(data_dir, scripts) as stage:
        *outcomes, cut = await node(stage, *(each for each, _, _ in refused), task("events", "cut"))
        for outcome, (asked, name, code) in zip(outcomes, refused, strict=True):
            assert (outcome["error"]["class"], outcome["error"]["code"]) == (name, code), asked
        last = cut["events"][-1]
        assert (text_of(cut["events"]), last["type"], last["response"]["error"]["type"]) == (
            "Hel",
            "response.failed",
            "truncated",
        )


async def test_an_abort_stops_the_run(data_dir: Path) -> None:
    async with openai_stage(data_dir, {"Long": [Send(chat_chunk("Hel")), Stall()]}) as stage:
        (outcome,) = await node(stage, task("abortResponse", "Long"))
        await stage.upstream.requests[0].closed.wait()
        final = await stage.scene.end(outcome["run"])
        assert (final.type, final.data["by"], final.data["partial_bytes"]) == ("cancelled", "disconnect", 3)
