"""What Anthropic's Python SDK makes of everything that goes wrong: its own exceptions, and never a false end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.acceptance.anthropic_stage import AnthropicStage, anthropic_stage
from tests.acceptance.test_openai_faults import CUTS, LEAVING, STREAMED
from tests.kit.script import Send, Stall, Step, chat_chunk, chat_stream, error_answer

pytestmark = [pytest.mark.slow]


async def ask(face: AnthropicStage, prompt: str, streamed: bool, **asked: Any) -> Any:
    return await (face.events(prompt, **asked) if streamed else face.whole(prompt, **asked))


def told(error: anthropic.APIStatusError) -> dict[str, Any]:
    """What a program can look at."""
    body: Any = error.body
    found: dict[str, Any] = body["error"]
    return found


REFUSED: list[tuple[dict[str, Any], type[anthropic.APIStatusError], str, str]] = [
    ({"model": "nobody"}, anthropic.NotFoundError, "not_found_error", "model: "),
    ({"extra_body": {"top_k": 5}}, anthropic.BadRequestError, "invalid_request_error", "top_k: "),
    ({"extra_body": {"foo": 1}}, anthropic.BadRequestError, "invalid_request_error", "foo: "),
    ({"extra_body": {"temperature": 3}}, anthropic.BadRequestError, "invalid_request_error", "temperature: "),
    ({"max_tokens": 0}, anthropic.BadRequestError, "invalid_request_error", "max_tokens: "),
    ({"system": "x", "messages": []}, anthropic.BadRequestError, "invalid_request_error", "messages: "),
    (
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        anthropic.BadRequestError,
        "invalid_request_error",
        "tools.0",
    ),
    ({"system": "x" * 50_000}, anthropic.RequestTooLargeError, "invalid_request_error", ""),
]


async def test_what_is_refused(data_dir: Path) -> None:
    async with anthropic_stage(data_dir, server={"body_bytes_max": 40_000}) as face:
        for asked, exception, kind, begins in REFUSED:
            for streamed in (True, False):
                with pytest.raises(exception) as caught:
                    await ask(face, "Hello", streamed, **asked)
                error = told(caught.value)
                assert (error["type"], error["message"][: len(begins)]) == (kind, begins), asked
                assert caught.value.response.headers["x-should-retry"] == "false"
        assert face.stage.upstream.requests == []


@STREAMED
async def test_what_the_model_refuses_has_its_own_exception(data_dir: Path, streamed: bool) -> None:
    scripts = {
        "rate": error_answer(429, "slow down", retry_after="7"),
        "key": error_answer(401, "bad key"),
        "bad": error_answer(400, "bad field"),
        "down": error_answer(503, "busy"),
        "broken": error_answer(500, "oops"),
    }
    expected: dict[str, tuple[type[anthropic.APIStatusError], str]] = {
        "rate": (anthropic.RateLimitError, "rate_limit_error"),
        "key": (anthropic.AuthenticationError, "authentication_error"),
        "bad": (anthropic.BadRequestError, "invalid_request_error"),
        "down": (anthropic.OverloadedError, "overloaded_error"),
        "broken": (anthropic.InternalServerError, "api_error"),
    }
    async with anthropic_stage(data_dir, scripts) as face:
        for prompt, (exception, kind) in expected.items():
            with pytest.raises(exception) as caught:
                await ask(face, prompt, streamed)
            assert told(caught.value)["type"] == kind, prompt
            run = caught.value.response.headers["x-run-id"]
            assert caught.value.request_id == run
            assert await face.stage.run_state(run) == "failed"
            if prompt == "rate":
                assert caught.value.response.headers["retry-after"] == "7"


async def test_the_sdk_repeats_what_may_be_repeated(data_dir: Path) -> None:
    times = 0

    def fails_first(_: object) -> list[Step]:
        nonlocal times
        times += 1
        return error_answer(429, "no", retry_after="0") if times < 3 else chat_stream(["At last"])

    async with anthropic_stage(data_dir, {"rate": fails_first}) as face:
        face.client = face.client.with_options(max_retries=2)
        assert await face.events("rate")
        assert times == 3


@pytest.mark.parametrize("how", CUTS)
async def test_an_answer_that_breaks_off_is_an_error(data_dir: Path, how: str) -> None:
    async with anthropic_stage(data_dir, CUTS) as face:
        said: list[Any] = []
        with pytest.raises(anthropic.APIStatusError) as caught:
            async with await face.stream(how) as stream:
                async for event in stream:
                    said.append(event)
        assert [event.type for event in said] == ["message_start", "content_block_start", "content_block_delta"]
        assert said[-1].delta.text == "Hel"
        assert told(caught.value)["type"] == "api_error"
        with pytest.raises(anthropic.InternalServerError):
            await face.whole(how)


async def test_a_server_that_shuts_down_says_so(data_dir: Path) -> None:
    async with anthropic_stage(data_dir, {"Long": [Send(chat_chunk("Hel")), Stall()]}) as face:
        async with await face.stream("Long") as stream:
            await anext(stream)
            ending = asyncio.ensure_future(face.stage.product.terminate())
            with pytest.raises(anthropic.APIStatusError) as caught:
                async for _ in stream:
                    pass
        assert told(caught.value)["code"] == "draining"
        assert await ending == 0


async def test_pings_between_tokens_are_not_seen(data_dir: Path) -> None:
    words = ["one ", "two ", "three"]
    paced = {"Paced": chat_stream(words, delay_s=0.2)}
    async with anthropic_stage(data_dir, paced, server={"heartbeat_s": 0.05}) as face:
        events = await face.events("Paced")
        assert [event.delta.text for event in events if event.type == "content_block_delta"] == words
        async with face.client.messages.with_streaming_response.create(
            model="scripted", max_tokens=9, stream=True, messages=[{"role": "user", "content": "Paced"}]
        ) as response:
            lines = [line async for line in response.iter_lines()]
        assert lines.count("event: ping") > 2
        assert not [line for line in lines if line.startswith(("id:", "retry:", ":"))]


@pytest.mark.parametrize("header", ["cancel", None])
async def test_who_leaves_stops_the_run(data_dir: Path, header: str | None) -> None:
    headers = {} if header is None else {"Headwater-On-Disconnect": header}
    async with anthropic_stage(data_dir, LEAVING) as face:
        async with await face.stream("Long", extra_headers=headers) as stream:
            async for event in stream:
                if event.type == "content_block_delta":
                    break
            run = stream.response.headers["x-run-id"]
        # By default after five seconds; that it stops at all is what is asserted, the kit's limits bound it.
        await face.stage.upstream.requests[0].closed.wait()
        final = await face.stage.scene.end(run)
        assert (final.type, final.data["by"], final.data["partial_bytes"]) == ("cancelled", "disconnect", 3)


async def test_one_key_is_one_run_in_whichever_form(data_dir: Path) -> None:
    async with anthropic_stage(data_dir) as face:
        headers = {"Idempotency-Key": "once"}
        first = await face.whole("Hello", extra_headers=headers)
        assert await face.whole("Hello", extra_headers=headers) == first
        start, *_ = await face.events("Hello", extra_headers=headers)
        assert start.message.id == first.id
        with pytest.raises(anthropic.ConflictError) as caught:
            await face.whole("Other", extra_headers=headers)
        assert caught.value.response.headers["x-should-retry"] == "false"
        assert len(face.stage.upstream.requests) == 1
