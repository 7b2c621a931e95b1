"""What OpenAI's Python SDK makes of everything that goes wrong with a response: its own exceptions, no false end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.openai_stage import Stage, openai_stage
from tests.acceptance.scene import SCRIPTED
from tests.acceptance.test_openai_faults import CUTS, LEAVING
from tests.kit.product import Product, compatible_model
from tests.kit.responses import BackgroundAnswers
from tests.kit.script import Send, Stall, Status, Step, chat_chunk, chat_stream, error_answer
from tests.kit.upstream import Received, ScriptedUpstream

pytestmark = [pytest.mark.slow]

STREAMED = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


async def ask(stage: Stage, prompt: str, streamed: bool, **asked: Any) -> Any:
    return await (stage.events(prompt, **asked) if streamed else stage.respond(prompt, **asked))


@STREAMED
async def test_refusals_are_the_sdks_own_exceptions(data_dir: Path, streamed: bool) -> None:
    cases: list[tuple[dict[str, Any], type[openai.APIStatusError], str, str | None]] = [
        ({"model": "nobody"}, openai.NotFoundError, "model_not_found", "model"),
        ({"truncation": "auto"}, openai.BadRequestError, "unsupported_value", "truncation"),
        ({"temperature": 9}, openai.BadRequestError, "invalid_request", "temperature"),
        ({"extra_body": {"foo": 1}}, openai.BadRequestError, "invalid_request", "foo"),
        (
            {"previous_response_id": "resp_x"},
            openai.BadRequestError,
            "previous_response_not_found",
            "previous_response_id",
        ),
    ]
    async with openai_stage(data_dir, {}) as stage:
        for asked, exception, code, param in cases:
            with pytest.raises(exception) as caught:
                await ask(stage, "x", streamed, **asked)
            assert (caught.value.code, caught.value.param) == (code, param)
        assert stage.upstream.requests == []


FAILING: list[tuple[int, type[openai.APIStatusError], str]] = [
    (401, openai.AuthenticationError, "invalid_api_key"),
    (429, openai.RateLimitError, "rate_limit_exceeded"),
    (503, openai.InternalServerError, "overloaded"),
]


@STREAMED
async def test_what_the_provider_refuses_has_a_status(data_dir: Path, streamed: bool) -> None:
    scripts = {str(status): error_answer(status, "no", retry_after="1") for status, _, _ in FAILING}
    async with openai_stage(data_dir, scripts) as stage:
        for status, exception, code in FAILING:
            with pytest.raises(exception) as caught:
                await ask(stage, str(status), streamed)
            assert caught.value.code == code
            run = caught.value.response.headers["x-run-id"]
            # Whoever asks for it later is told the same, as a response that failed.
            failed = await stage.client.responses.retrieve(run.replace("run_", "resp_"))
            assert (failed.status, failed.error.type if failed.error else "") == ("failed", code)


@STREAMED
async def test_the_sdk_repeats_what_may_be_repeated(data_dir: Path, streamed: bool) -> None:
    times = 0

    def fails_first(_: Received) -> list[Step]:
        nonlocal times
        times += 1
        return error_answer(429, "no", retry_after="0") if times < 3 else chat_stream(["At last"])

    async with openai_stage(data_dir, {"rate": fails_first}) as stage:
        stage.client = stage.client.with_options(max_retries=2)
        assert await ask(stage, "rate", streamed)
        assert times == 3


@pytest.mark.parametrize("how", CUTS)
async def test_an_answer_that_breaks_off_has_failed(data_dir: Path, how: str) -> None:
    async with openai_stage(data_dir, CUTS) as stage:
        events = await stage.events(how)
        last = events[-1]
        assert (last.type, last.response.status, last.response.output_text) == ("response.failed", "failed", "Hel")
        assert last.response.output[0].status == "incomplete"
        assert last.response.error.code == "server_error"
        with pytest.raises(openai.InternalServerError):
            await stage.respond(how)
        with pytest.raises(RuntimeError, match=r"response\.completed"):
            async with stage.client.responses.stream(model=SCRIPTED, input=how) as stream:
                await stream.get_final_response()


async def test_a_cancel_is_no_end(data_dir: Path) -> None:
    async with openai_stage(data_dir, LEAVING) as stage:
        started = await stage.respond("Long", background=True)
        async with await stage.client.responses.retrieve(started.id, stream=True) as stream:
            events: list[Any] = []
            cancelled: list[Any] = []
            async for event in stream:
                events.append(event)
                if event.type == "response.output_text.delta":
                    cancelled.append(await stage.client.responses.cancel(started.id))
        assert [(each.status, each.output_text) for each in cancelled] == [("cancelled", "Hel")]
        last = events[-1]
        assert (last.type, last.response.status) == ("response.incomplete", "cancelled")
        await stage.upstream.requests[0].closed.wait()


async def test_a_server_that_shuts_down_says_so(data_dir: Path) -> None:
    async with openai_stage(data_dir, LEAVING) as stage:
        async with await stage.respond("Long", stream=True) as stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    break
            ending = asyncio.ensure_future(stage.product.terminate())
            seen: list[Any] = []
            with pytest.raises(openai.APIError) as caught:
                seen += [event async for event in stream]
                # The run may be given its end first, which is no better.
                assert seen[-1].type == "response.failed"
                raise openai.APIError("failed", stream.response.request, body={"code": seen[-1].response.error.type})
        assert caught.value.code == "draining"
        assert await ending == 0


async def test_heartbeats_between_tokens_are_not_seen(data_dir: Path) -> None:
    words = ["one ", "two ", "three"]
    async with openai_stage(
        data_dir, {"Paced": chat_stream(words, delay_s=0.2)}, server={"heartbeat_s": 0.05}
    ) as stage:
        events = await stage.events("Paced")
        assert [event.delta for event in events if event.type == "response.output_text.delta"] == words


async def leave(stage: Stage, **asked: Any) -> str:
    """Leaves a streamed response after its first words; the run."""
    async with await stage.respond("Long", stream=True, **asked) as stream:
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
        return str(stream.response.headers["x-run-id"])


@pytest.mark.parametrize("headers", [{}, {"Headwater-On-Disconnect": "cancel"}], ids=["default", "cancel"])
async def test_who_leaves_stops_the_run(data_dir: Path, headers: dict[str, str]) -> None:
    async with openai_stage(data_dir, LEAVING) as stage:
        run = await leave(stage, extra_headers=headers)
        await stage.upstream.requests[0].closed.wait()
        final = await stage.scene.end(run)
        assert (final.type, final.data["by"], final.data["partial_bytes"]) == ("cancelled", "disconnect", 3)
        response = await stage.client.responses.retrieve(run.replace("run_", "resp_"))
        assert (response.status, response.output_text) == ("cancelled", "Hel")


async def started_and_read(stage: Stage, **asked: Any) -> tuple[str, list[Any]]:
    """A response in the background, read until its first words; its id and the events."""
    started = await stage.respond("Long", background=True, **asked)
    seen = []
    async with await stage.client.responses.retrieve(started.id, stream=True) as stream:
        async for event in stream:
            seen.append(event)
            if event.type == "response.output_text.delta":
                break
    return started.id, seen


async def rest_of(client: openai.AsyncOpenAI, response: str, seen: list[Any]) -> list[Any]:
    """All events, with those after the ones that were seen, whose numbers follow."""
    stream = await client.responses.retrieve(response, stream=True, starting_after=seen[-1].sequence_number)
    events = [*seen, *[event async for event in stream]]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    again = [event async for event in await client.responses.retrieve(response, stream=True)]
    assert again == events
    return events


async def test_a_killed_server_tells_the_partial(data_dir: Path) -> None:
    async with openai_stage(data_dir, LEAVING) as stage:
        response, seen = await started_and_read(stage)
        await stage.product.kill()
        await stage.product.start()
        events = await rest_of(stage.client, response, seen)
        last = events[-1].response
        assert (events[-1].type, last.error.type, last.output_text) == ("response.failed", "interrupted", "Hel")
        assert len(stage.upstream.requests) == 1


async def test_a_killed_server_makes_it_anew_where_it_was_told_to(data_dir: Path) -> None:
    times = 0

    def script(_: Received) -> list[Step]:
        nonlocal times
        times += 1
        return [Send(chat_chunk("Hel")), Stall()] if times == 1 else chat_stream(["Hello", " again"])

    async with openai_stage(data_dir, {"Long": script}) as stage:
        response, seen = await started_and_read(stage, extra_headers={"Headwater-On-Crash": "rerun"})
        await stage.product.kill()
        await stage.product.start()
        events = await rest_of(stage.client, response, seen)
        assert (events[-1].type, events[-1].response.output_text) == ("response.completed", "Hello again")
        done = [event.item.status for event in events if event.type == "response.output_item.done"]
        assert done == ["incomplete", "completed"]


async def test_a_killed_server_finds_the_answer_again_at_its_provider(data_dir: Path) -> None:
    words = ["The ", "snow ", "melts."]
    answers = BackgroundAnswers([words], holds_at=1)
    async with ScriptedUpstream(answers.script) as upstream:
        model = compatible_model(SCRIPTED, upstream.base_url) | {"provider": "openai_responses"}
        async with Product(data_dir, config={"models": [model]}) as product:
            client = openai.AsyncOpenAI(base_url=f"{product.url}/v1", api_key="any", max_retries=0)
            async with asyncio.timeout(100), client:
                stage = Stage(product, upstream, client)
                response, seen = await started_and_read(
                    stage, extra_headers={"Headwater-On-Crash": "reattach"}, reasoning={"summary": "auto"}
                )
                await product.kill()
                await product.start()
                events = await rest_of(client, response, seen)
        assert (events[-1].type, events[-1].response.output_text) == ("response.completed", "".join(words))
        assert text_of(events) == "".join(words)
        assert len(answers.made) == 1
        assert answers.made[0]["reasoning"] == {"summary": "auto"}


def text_of(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


async def test_a_silent_model_is_given_up_by_the_sdk(data_dir: Path) -> None:
    async with openai_stage(data_dir, {"Never": [Status(), Stall()]}) as stage:
        with pytest.raises(openai.APITimeoutError):
            await stage.client.with_options(timeout=2).responses.create(
                model=SCRIPTED, input="Never", extra_headers={"Headwater-On-Disconnect": "cancel"}
            )
        await (await stage.upstream.request(1)).closed.wait()


@STREAMED
async def test_one_key_is_one_run(data_dir: Path, streamed: bool) -> None:
    async with openai_stage(data_dir) as stage:
        headers = {"Idempotency-Key": "once"}
        first = await stage.respond("Hello", extra_headers=headers)
        again = await ask(stage, "Hello", streamed, extra_headers=headers)
        assert (again[-1].response if streamed else again) == first
        with pytest.raises(openai.ConflictError):
            await stage.respond("Other", extra_headers=headers)
        assert len(stage.upstream.requests) == 1
