"""What OpenAI's Python SDK makes of everything that goes wrong: its own exceptions, and never a false end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.openai_stage import Stage, openai_stage, user
from tests.acceptance.scene import SCRIPTED, figure, until
from tests.kit.client import call
from tests.kit.script import EndCleanly, Pause, Reset, Send, Stall, Status, Step, chat_chunk, chat_stream, error_answer
from tests.kit.upstream import Received

pytestmark = [pytest.mark.slow]

STREAMED = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


async def ask(stage: Stage, prompt: str, streamed: bool, **asked: Any) -> Any:
    return await (stage.chunks(prompt, **asked) if streamed else stage.whole(prompt, **asked))


REFUSED: list[tuple[dict[str, Any], type[openai.APIStatusError], str, str | None]] = [
    ({"model": "nobody"}, openai.NotFoundError, "model_not_found", "model"),
    ({"n": 2}, openai.BadRequestError, "unsupported_value", "n"),
    ({"modalities": ["text", "audio"]}, openai.BadRequestError, "unsupported_value", "modalities"),
    ({"functions": [{"name": "f"}]}, openai.BadRequestError, "unsupported_value", "functions"),
    ({"extra_body": {"foo": 1}}, openai.BadRequestError, "invalid_request", "foo"),
    ({"temperature": 3}, openai.BadRequestError, "invalid_request", "temperature"),
    ({"top_logprobs": 21, "logprobs": True}, openai.BadRequestError, "invalid_request", "top_logprobs"),
    ({"messages": []}, openai.BadRequestError, "invalid_request", "messages"),
    ({"messages": [{"role": "x", "content": ""}]}, openai.BadRequestError, "invalid_request", "messages[0].role"),
    (
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        openai.BadRequestError,
        "invalid_request",
        "messages[0].content[0].type",
    ),
    ({"messages": user("x" * 50_000)}, openai.APIStatusError, "too_large", None),
    ({"extra_headers": {"Headwater-On-Disconnect": "soon"}}, openai.BadRequestError, "invalid_request", None),
]


async def test_what_is_refused(data_dir: Path) -> None:
    async with openai_stage(data_dir, server={"body_bytes_max": 40_000}) as stage:
        for asked, exception, code, param in REFUSED:
            for streamed in (True, False):
                with pytest.raises(exception) as caught:
                    await ask(stage, "Hello", streamed, **asked)
                error = caught.value
                assert (error.code, error.response.headers["x-should-retry"]) == (code, "false"), asked
                assert param is None or error.param == param
        assert stage.upstream.requests == []
        assert (await call(stage.product.port, "GET", "/api/v1/runs")).json()["runs"] == []


@STREAMED
async def test_what_the_model_refuses_has_its_own_exception(data_dir: Path, streamed: bool) -> None:
    scripts = {
        "rate": error_answer(429, "slow down", retry_after="7"),
        "key": error_answer(401, "bad key"),
        "bad": error_answer(400, "bad field"),
        "down": error_answer(503, "busy"),
        "broken": error_answer(500, "oops"),
    }
    expected: dict[str, tuple[type[openai.APIStatusError], int]] = {
        "rate": (openai.RateLimitError, 429),
        "key": (openai.AuthenticationError, 401),
        "bad": (openai.BadRequestError, 400),
        "down": (openai.InternalServerError, 503),
        "broken": (openai.InternalServerError, 500),
    }
    async with openai_stage(data_dir, scripts) as stage:
        for prompt, (exception, status) in expected.items():
            with pytest.raises(exception) as caught:
                await ask(stage, prompt, streamed)
            assert caught.value.status_code == status, prompt
            run = caught.value.response.headers["x-run-id"]
            assert await stage.run_state(run) == "failed"
            if prompt == "rate":
                assert caught.value.response.headers["retry-after"] == "7"


@STREAMED
async def test_the_sdk_repeats_what_may_be_repeated(data_dir: Path, streamed: bool) -> None:
    times = {"rate": 0, "bad": 0}

    def fails_first(prompt: str, status: int) -> Any:
        def script(_: Received) -> list[Step]:
            times[prompt] += 1
            return error_answer(status, "no", retry_after="0") if times[prompt] < 3 else chat_stream(["At last"])

        return script

    async with openai_stage(data_dir, {"rate": fails_first("rate", 429), "bad": fails_first("bad", 400)}) as stage:
        stage.client = stage.client.with_options(max_retries=2)
        assert await ask(stage, "rate", streamed)
        assert times["rate"] == 3
        with pytest.raises(openai.BadRequestError):
            await ask(stage, "bad", streamed)
        assert times["bad"] == 1


CUTS: dict[str, list[Step]] = {
    "cut": [Send(chat_chunk("Hel")), Reset()],
    "ended": [Send(chat_chunk("Hel")), EndCleanly()],
    "error": [Send(chat_chunk("Hel")), Send(b'data: {"error": {"message": "oops", "code": 500}}\n\n')],
    "nonsense": [Send(chat_chunk("Hel")), Send(b"data: {nonsense\n\n")],
}


@pytest.mark.parametrize("how", CUTS)
async def test_an_answer_that_breaks_off_is_an_error(data_dir: Path, how: str) -> None:
    async with openai_stage(data_dir, CUTS) as stage:
        said: list[Any] = []
        with pytest.raises(openai.APIError) as caught:
            async with await stage.stream(how) as stream:
                async for chunk in stream:
                    said.append(chunk)
        assert "".join(chunk.choices[0].delta.content for chunk in said) == "Hel"
        assert all(chunk.choices[0].finish_reason is None for chunk in said)
        assert (caught.value.type, bool(caught.value.code)) == ("server_error", True)
        with pytest.raises(openai.InternalServerError):
            await stage.whole(how)


async def test_a_cancelled_run_is_no_end(data_dir: Path) -> None:
    async with openai_stage(data_dir, {"Long": [Send(chat_chunk("Hel")), Stall()]}) as stage:
        async with await stage.stream("Long") as stream:
            run = stream.response.headers["x-run-id"]
            said = [await anext(stream), await anext(stream)]
            assert await stage.scene.cancel(run) == 202
            with pytest.raises(openai.APIError) as caught:
                said += [chunk async for chunk in stream]
        assert caught.value.code == "cancelled"
        assert said[-1].choices[0].delta.content == "Hel"
        assert await stage.run_state(run) == "cancelled"


async def test_a_server_that_shuts_down_says_so(data_dir: Path) -> None:
    async with openai_stage(data_dir, {"Long": [Send(chat_chunk("Hel")), Stall()]}) as stage:
        waiting = asyncio.ensure_future(stage.whole("Long"))
        await stage.upstream.request(1)
        async with await stage.stream("Long") as stream:
            await anext(stream)
            await anext(stream)
            ending = asyncio.ensure_future(stage.product.terminate())
            with pytest.raises(openai.APIError) as caught:
                async for _ in stream:
                    pass
        assert caught.value.code == "draining"
        with pytest.raises(openai.InternalServerError) as refused:
            await waiting
        assert (refused.value.status_code, refused.value.code) == (503, "draining")
        assert await ending == 0


async def test_a_killed_server_is_no_end(data_dir: Path) -> None:
    async with openai_stage(data_dir, {"Long": [Send(chat_chunk("Hel")), Stall()]}) as stage:
        async with await stage.stream("Long") as stream:
            run = stream.response.headers["x-run-id"]
            await anext(stream)
            await anext(stream)
            await stage.product.kill()
            with pytest.raises(Exception, match=r"incomplete chunked read|peer closed|Connection error"):
                async for _ in stream:
                    pass
        await stage.product.start()
        # What was seen is there still, and has an honest end.
        row = await stage.scene.show(run)
        assert (row["snapshot"]["text"], row["snapshot"]["error"]["code"]) == ("Hel", "INTERRUPTED")


async def test_heartbeats_between_tokens_are_not_seen(data_dir: Path) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    words = ["one ", "two ", "three"]
    steps: list[Step] = []
    for gate, word in zip(gates, words, strict=True):
        steps += [Pause(gate), Send(chat_chunk(word))]
    script = {"Slow": [Status(), *steps, *chat_stream([])], "Paced": chat_stream(words, delay_s=0.2)}
    async with openai_stage(data_dir, script, server={"heartbeat_s": 0.05}) as stage:
        answer = await call_raw(stage)
        for gate, word in zip(gates, words, strict=True):
            await answer.until(b": heartbeat\n\n", 2)
            gate.set()
            await answer.until(b'"content":"%b"' % word.encode(), 1)
        await answer.until(b"data: [DONE]\n\n", 1)
        assert b"\nid:" not in answer.data
        assert b"\nretry:" not in answer.data
        answer.close()
        # With silences of several heartbeats, which the loop above has shown to be sent.
        chunks = await stage.chunks("Paced")
        assert [chunk.choices[0].delta.content for chunk in chunks] == ["", *words, None]


class Raw:
    """An answer as bytes, read as far as a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.data = b""

    async def until(self, wanted: bytes, times: int) -> None:
        """Reads until `wanted` has come so many times more."""
        goal = self.data.count(wanted) + times
        while self.data.count(wanted) < goal:
            more = await self._reader.read(65536)
            assert more, self.data
            self.data += more

    def close(self) -> None:
        self._writer.close()


async def call_raw(stage: Stage) -> Raw:
    body = b'{"model":"%b","stream":true,"messages":[{"role":"user","content":"Slow"}]}' % SCRIPTED.encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.product.port)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    writer.write(head + b"content-length: %d\r\n\r\n%b" % (len(body), body))
    return Raw(reader, writer)


async def test_a_timeout_of_the_sdk_stops_the_run(data_dir: Path) -> None:
    async with openai_stage(data_dir, {"Never": [Status(), Stall()]}) as stage:
        impatient = stage.client.with_options(timeout=2)
        with pytest.raises(openai.APITimeoutError):
            await impatient.chat.completions.create(
                model=SCRIPTED, messages=user("Never"), extra_headers={"Headwater-On-Disconnect": "cancel"}
            )
        await (await stage.upstream.request(1)).closed.wait()


LEAVING: dict[str, list[Step]] = {"Long": [Send(chat_chunk("Hel")), Stall()]}


async def leave(stage: Stage, **asked: Any) -> str:
    """Leaves a streamed answer after its first words; the run."""
    async with await stage.stream("Long", **asked) as stream:
        await anext(stream)
        assert (await anext(stream)).choices[0].delta.content == "Hel"
        return str(stream.response.headers["x-run-id"])


@pytest.mark.parametrize("header", ["cancel", "0.2", "0"])
async def test_who_leaves_stops_the_run(data_dir: Path, header: str) -> None:
    async with openai_stage(data_dir, LEAVING) as stage:
        run = await leave(stage, extra_headers={"Headwater-On-Disconnect": header})
        await stage.upstream.requests[0].closed.wait()
        final = await stage.scene.end(run)
        assert (final.type, final.data["by"], final.data["partial_bytes"]) == ("cancelled", "disconnect", 3)


async def test_who_leaves_stops_the_run_by_default(data_dir: Path) -> None:
    async with openai_stage(data_dir, LEAVING) as stage:
        run = await leave(stage)
        # The default is five seconds; that it stops at all is what is asserted, the kit's limits bound it.
        await stage.upstream.requests[0].closed.wait()
        assert (await stage.scene.end(run)).data["by"] == "disconnect"


async def test_who_asks_for_it_keeps_the_run(data_dir: Path) -> None:
    gate = asyncio.Event()
    script = {"Long": [Send(chat_chunk("Hel")), Pause(gate), *chat_stream(["lo"])]}
    async with openai_stage(data_dir, script) as stage:
        run = await leave(stage, extra_headers={"Headwater-On-Disconnect": "continue"})

        async def nobody_reads() -> bool:
            return await figure(stage.product.port, "headwater_readers") == 0

        await until(nobody_reads, "the reader's leaving")
        gate.set()
        final = await stage.scene.end(run)
        assert (final.type, final.data["final_response"]) == ("complete", "Hello")


async def test_the_run_can_be_read_on_under_its_id(data_dir: Path) -> None:
    gate = asyncio.Event()
    script = {"Long": [Send(chat_chunk("Hel")), Pause(gate), *chat_stream(["lo"])]}
    async with openai_stage(data_dir, script) as stage:
        run = await leave(stage, extra_headers={"Headwater-On-Disconnect": "3600"})
        reader = stage.scene.reader(run)
        reading = asyncio.create_task(reader.read_on(stage.product.port))
        gate.set()
        await reading
        row = await stage.scene.show(run)
        assert (row["state"], row["snapshot"]["text"]) == ("completed", "Hello")
        assert row["snapshot"]["seq"] == len(reader.payloads)


@STREAMED
async def test_a_raw_response_names_the_run(data_dir: Path, streamed: bool) -> None:
    async with openai_stage(data_dir) as stage:
        asked: dict[str, Any] = {"model": SCRIPTED, "messages": user("Hello"), "stream": streamed}
        raw = await stage.client.chat.completions.with_raw_response.create(**asked)
        run = raw.headers["x-run-id"]
        parsed: Any = raw.parse()
        if streamed:
            chunks = [chunk async for chunk in parsed]
            assert {chunk.id for chunk in chunks} == {"chatcmpl-" + run.removeprefix("run_")}
        else:
            assert parsed.id == "chatcmpl-" + run.removeprefix("run_")
        assert raw.headers["content-type"].partition(";")[0] == (
            "text/event-stream" if streamed else "application/json"
        )
        assert (await stage.scene.show(run))["snapshot"]["text"] == "Hello world"


async def test_one_key_is_one_run_in_whichever_form(data_dir: Path) -> None:
    async with openai_stage(data_dir) as stage:
        headers = {"Idempotency-Key": "once"}
        first = await stage.whole("Hello", extra_headers=headers)
        again = await stage.whole("Hello", extra_headers=headers)
        streamed = await stage.chunks("Hello", extra_headers=headers)
        assert again == first
        assert {chunk.id for chunk in streamed} == {first.id}
        assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == "Hello world"
        with pytest.raises(openai.ConflictError) as caught:
            await stage.whole("Other", extra_headers=headers)
        assert caught.value.response.headers["x-should-retry"] == "false"
        assert len(stage.upstream.requests) == 1
