"""The only provider I/O, against a server that sends exactly the bytes it is told to."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Any, cast

import pytest

from headwater.domain.event import Chunk, Reasoning, ToolCall, UsageReport
from headwater.domain.message import GenerationRequest, Message, Settings, Usage
from headwater.errors import BadRequestError, ConfigError, ErrorCode, Truncated
from headwater.providers.answer_reader import AnswerLimits
from headwater.providers.contract import Finish, Framing, Item
from headwater.providers.egress import Egress
from headwater.providers.http import Auth, HttpProvider
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.redact import Secret
from tests.kit.upstream import (
    DONE,
    EndCleanly,
    EndWithoutTerminator,
    HalfClose,
    HugeLine,
    Pause,
    Raw,
    Reset,
    Script,
    ScriptedUpstream,
    Send,
    Stall,
    Status,
    Step,
    chat_chunk,
    chat_stream,
    error_answer,
    play,
    usage_chunk,
)
from tests.providers.calls import (
    ASKED,
    CANARY,
    HELLO,
    STOP,
    batches,
    calling,
    failing,
    flat,
    let_things_happen,
    provider_of,
    text_of,
)

#: What a server answers that does not know `stream`.
COMPLETION = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Sunny, I think.",
                    "reasoning_content": "Hm.",
                    "tool_calls": [
                        {"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}}
                        for id, arguments in (("call_a", '{"city": "Ghent"}'), ("call_b", '{"city": "Bruges"}'))
                    ],
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 30,
            "total_tokens": 39,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 20},
        },
    }
).encode()


class TestWholeAnswers:
    async def test_headers_then_items_then_one_finish(self) -> None:
        async with calling(chat_stream(["Hel", "lo"])) as (upstream, provider):
            got = await batches(provider)
            assert got[0] == []
            assert text_of(flat(got)) == "Hello"
            assert [item for item in flat(got) if isinstance(item, Finish)] == [flat(got)[-1]]
            (usage,) = (item.usage for item in flat(got) if isinstance(item, UsageReport))
            assert usage.output_tokens == upstream.tokens_billed == 2

    async def test_what_is_sent(self) -> None:
        async with calling(chat_stream(["a"]), key=True) as (upstream, provider):
            await batches(provider)
            (received,) = upstream.requests
            assert (received.method, received.path) == ("POST", "/v1/chat/completions")
            assert received.headers["authorization"] == f"Bearer {CANARY}"
            assert received.headers["accept-encoding"] == "identity"
            assert received.headers["content-type"] == "application/json"
            assert received.headers["user-agent"].startswith("headwater/")
            assert "cookie" not in received.headers
            assert received.json["stream"] is True

    async def test_items_come_as_their_bytes_do(self) -> None:
        gates = [asyncio.Event() for _ in range(3)]
        script: list[Step] = [Status()]
        for word, gate in zip("abc", gates, strict=True):
            script += [Pause(gate), Send(chat_chunk(word))]
        async with calling([*script, Send(STOP + DONE)]) as (_, provider):
            seen: list[str] = []
            async for batch in provider.stream(ASKED, connect_s=10):
                seen.append(text_of(batch))
                if len(seen) <= 3:
                    gates[len(seen) - 1].set()
            assert seen == ["", "a", "b", "c", ""]

    @pytest.mark.parametrize("pieces", [1, 7, [30, 1, 1, 200]])
    @pytest.mark.parametrize("framing", ["chunked", "length"])
    async def test_the_cut_does_not_matter(self, pieces: int | Sequence[int], framing: Any) -> None:
        body = chat_chunk("Grüße, ") + chat_chunk("世界 🌍") + STOP + usage_chunk(1, 2) + DONE
        async with calling(play(body, pieces, framing=framing)) as (_, provider):
            got = flat(await batches(provider))
            assert text_of(got) == "Grüße, 世界 🌍"
            assert isinstance(got[-1], Finish)

    async def test_a_last_blank_line_may_be_missing(self) -> None:
        async with calling(play(HELLO + STOP.rstrip())) as (_, provider):
            assert isinstance(flat(await batches(provider))[-1], Finish)

    async def test_a_large_request_arrives_whole(self) -> None:
        text = "word " * 600_000
        async with calling(chat_stream(["a"])) as (upstream, provider):
            await batches(provider, GenerationRequest("m", [Message("user", text)]))
            assert upstream.requests[0].json["messages"][0]["content"] == text

    async def test_media_types_that_mean_nothing_are_let_through(self) -> None:
        for headers in ({}, {"Content-Type": "text/plain; charset=utf-8"}, {"Content-Type": "Text/Event-Stream"}):
            async with calling([Status(headers=headers), Send(HELLO + STOP + DONE)]) as (_, provider):
                assert text_of(flat(await batches(provider))) == "Hello"


class TestEnds:
    """When a stream is whole (PROTOCOL): `[DONE]`, or a finish reason and then a clean end of the body."""

    @pytest.mark.parametrize("framing", ["chunked", "length"])
    async def test_finish_and_a_clean_end_are_whole(self, framing: Any) -> None:
        async with calling(play(HELLO + STOP, framing=framing)) as (_, provider):
            assert isinstance(flat(await batches(provider))[-1], Finish)

    @pytest.mark.parametrize(("before", "whole"), [(HELLO, False), (HELLO + STOP, True)], ids=["text", "finish"])
    async def test_a_block_cut_off_before_a_clean_end_says_nothing(self, before: bytes, whole: bool) -> None:
        script: list[Step] = [Send(before + chat_chunk("late")[:40]), EndCleanly()]
        async with calling(script) as (_, provider):
            if whole:
                got = [item async for batch in provider.stream(ASKED, connect_s=10) for item in batch]
                assert (text_of(got), type(got[-1])) == ("Hello", Finish)
            else:
                got, error = await failing(provider)
                assert (text_of(got), type(error)) == ("Hello", Truncated)

    @pytest.mark.parametrize("script", [[Send(HELLO), EndCleanly()], [Status(), EndCleanly()]], ids=["text", "empty"])
    async def test_a_clean_end_without_a_finish_reason_is_truncated(self, script: list[Step]) -> None:
        async with calling(script) as (_, provider):
            _, error = await failing(provider)
            assert isinstance(error, Truncated)

    @pytest.mark.parametrize(
        "script",
        [
            pytest.param([Send(HELLO + STOP), EndWithoutTerminator()], id="finish, chunks cut"),
            pytest.param([Send(HELLO + STOP), HalfClose()], id="finish, half-closed"),
            pytest.param([Send(HELLO + STOP), Reset()], id="finish, reset"),
            pytest.param([Send(HELLO), Raw(b"ff\r\ndata: {"), EndWithoutTerminator()], id="cut inside a chunk"),
            pytest.param([Send(HELLO), Raw(b"ff"), EndWithoutTerminator()], id="cut inside a chunk's size"),
            pytest.param([Send(HELLO), Raw(b"zz\r\n")], id="a chunk's size that is none"),
            pytest.param(
                [Status(framing="length", length=10_000), Send(HELLO + STOP), EndWithoutTerminator()], id="too short"
            ),
            pytest.param([Status(framing="close"), Send(HELLO + STOP)], id="finish, end without framing"),
            pytest.param([Status(framing="close"), Send(HELLO + STOP.rstrip())], id="no framing, no blank line"),
        ],
    )
    async def test_anything_else_is_truncated_and_keeps_its_partial(self, script: list[Step]) -> None:
        async with calling(script) as (upstream, provider):
            got, error = await failing(provider)
            assert isinstance(error, Truncated)
            assert text_of(got) in {"Hello", ""}
            assert not any(isinstance(item, Finish) for item in got)
            await upstream.requests[0].closed.wait()

    @pytest.mark.parametrize("framing", ["chunked", "length", "close"])
    @pytest.mark.parametrize("ending", [EndWithoutTerminator(), Reset()], ids=["cut", "reset"])
    async def test_the_end_marker_is_enough_however_the_body_ends(self, framing: Any, ending: Step) -> None:
        body = HELLO + STOP + DONE
        read = asyncio.Event()
        script: list[Step] = [Status(framing=framing, length=10_000), Send(body), Pause(read), ending]
        async with calling(script) as (_, provider):
            got: list[Item] = []
            async for batch in provider.stream(ASKED, connect_s=10):
                got += batch
                if batch:
                    read.set()
            assert isinstance(got[-1], Finish)

    async def test_what_came_before_a_loss_is_kept_though_nobody_was_reading(self) -> None:
        gate = asyncio.Event()
        script: list[Step] = [Send(chat_chunk("a")), Pause(gate), Send(chat_chunk("b")), EndWithoutTerminator()]
        async with calling(script) as (upstream, provider):
            got: list[Item] = []
            with pytest.raises(Truncated):
                async for batch in provider.stream(ASKED, connect_s=10):
                    got += batch
                    if text_of(batch) == "a":
                        gate.set()
                        await upstream.requests[0].closed.wait()
                        await let_things_happen()
            assert text_of(got) == "ab"

    async def test_a_cut_at_each_byte_is_truncated(self) -> None:
        body = chat_chunk("a") + STOP
        scripts: list[Script] = [
            [Status(framing="length", length=len(body)), Send(body[:at]), EndWithoutTerminator()]
            for at in range(len(body))
        ]
        async with calling(*scripts) as (_, provider):
            for _ in scripts:
                got, error = await failing(provider)
                assert error.code is ErrorCode.TRUNCATED
                assert text_of(got) in {"", "a"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (400, ErrorCode.BAD_REQUEST),
            (401, ErrorCode.AUTH),
            (403, ErrorCode.AUTH),
            (429, ErrorCode.RATE_LIMIT),
            (500, ErrorCode.SERVER),
            (503, ErrorCode.OVERLOADED),
        ],
    )
    async def test_a_status_becomes_a_typed_error(self, status: int, code: ErrorCode) -> None:
        async with calling(error_answer(status, "no", Retry_After="7")) as (_, provider):
            got, error = await failing(provider)
            assert (got, error.code, error.status_code) == ([], code, status)
            assert error.retry_after_ms == 7000
            assert error.provider

    async def test_a_time_to_come_back_counts_from_the_answer_though_it_has_no_date(self) -> None:
        in_an_hour = formatdate(time.time() + 3600, usegmt=True)
        async with calling(error_answer(429, "no", Retry_After=in_an_hour)) as (_, provider):
            _, error = await failing(provider)
            assert error.retry_after_ms is not None
            assert 1_800_000 < error.retry_after_ms <= 3_600_000

    async def test_a_redirect_is_not_followed(self) -> None:
        async with ScriptedUpstream() as elsewhere:
            for status in (301, 302, 303, 307, 308):
                script: list[Step] = [Status(status, {"Location": f"{elsewhere.origin}/v1"}, b"", "length")]
                async with calling(script, key=True) as (_, provider):
                    _, error = await failing(provider)
                    assert error.status_code == status
                    assert not error.retryable
            assert elsewhere.accepted == 0

    async def test_a_huge_body_of_an_error_is_read_in_part(self) -> None:
        script: list[Step] = [Status(500), HugeLine(10**9)]
        async with calling(script) as (upstream, provider):
            _, error = await failing(provider)
            assert error.code is ErrorCode.SERVER
            await upstream.requests[0].closed.wait()
            assert upstream.bytes_sent < 10**8

    async def test_a_body_that_drips_is_not_waited_for(self) -> None:
        drip = [step for _ in range(10_000) for step in (Send(b" "), Pause(seconds=0.01))]
        body = Send(b'{"error": {"message": "no", "code": "invalid_api_key"}}')
        async with calling(
            [Status(401, framing="length", length=10**6), body, *drip], limits=AnswerLimits(error_body_s=0.05)
        ) as (upstream, provider):
            _, error = await failing(provider)
            assert error.code is ErrorCode.AUTH
            assert "no" in error.detail
            await upstream.requests[0].closed.wait()
            assert not upstream.requests[0].played.is_set()

    async def test_an_error_inside_a_200_is_that_error(self) -> None:
        body = json.dumps({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}).encode()
        async with calling([Status(200, {"Content-Type": "application/json"}, body, "length")]) as (_, provider):
            _, error = await failing(provider)
            assert error.code is ErrorCode.RATE_LIMIT

    @pytest.mark.parametrize(
        ("media_type", "body"),
        [
            ("application/json", b"{broken"),
            ("application/json", b'["an", "answer"]'),
            ("text/html; charset=utf-8", b"<html>Please log in</html>"),
            ("image/png", b"\x89PNG"),
        ],
    )
    async def test_what_is_no_stream_is_refused(self, media_type: str, body: bytes) -> None:
        async with calling([Status(200, {"Content-Type": media_type}, body)]) as (_, provider):
            got, error = await failing(provider)
            assert (got, error.code) == ([], ErrorCode.PARSE)

    async def test_a_whole_answer_in_place_of_a_stream_is_that_answer(self) -> None:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        answers: list[list[Step]] = [
            [Status(200, headers, COMPLETION, "length")],
            [Status(200, headers), Send(COMPLETION), EndCleanly()],
        ]
        for answer in answers:
            async with calling(answer) as (upstream, provider):
                first, last = await batches(provider)
                assert first == []
                assert last == [
                    Reasoning("Hm.", 0),
                    Chunk("Sunny, I think.", 0),
                    ToolCall("call_a", "weather", '{"city": "Ghent"}'),
                    ToolCall("call_a", "weather", "", True),
                    ToolCall("call_b", "weather", '{"city": "Bruges"}', False, 1),
                    ToolCall("call_b", "weather", "", True, 1),
                    UsageReport(Usage(9, 4, 30, 20)),
                    Finish("tool_calls", "tool_calls"),
                ]
                await upstream.requests[0].played.wait()

    @pytest.mark.parametrize("body", [b"", b"{}", b'{"choices": [{"message": {"content": "Hello"}}]}'])
    async def test_a_whole_answer_without_an_end_is_none(self, body: bytes) -> None:
        async with calling([Status(200, {"Content-Type": "application/json"}, body, "length")]) as (_, provider):
            got, error = await failing(provider)
            assert (flat([got]), error.code) == ([], ErrorCode.TRUNCATED)

    async def test_a_whole_answer_without_an_end_still_says_what_it_used(self) -> None:
        body = json.dumps({**json.loads(COMPLETION), "choices": [{"message": {"content": "Hello"}}]}).encode()
        async with calling([Status(200, {"Content-Type": "application/json"}, body, "length")]) as (_, provider):
            got, error = await failing(provider)
            assert (got, error.code) == ([UsageReport(Usage(9, 4, 30, 20))], ErrorCode.TRUNCATED)

    async def test_a_whole_answer_that_is_cut_off_is_none(self) -> None:
        head = Status(200, {"Content-Type": "application/json"}, framing="length", length=len(COMPLETION))
        async with calling([head, Send(COMPLETION[:-5]), Reset()]) as (_, provider):
            got, error = await failing(provider)
            assert (got, error.code) == ([], ErrorCode.TRUNCATED)

    async def test_a_whole_answer_has_a_limit(self) -> None:
        head = Status(200, {"Content-Type": "application/json"})
        small = AnswerLimits(event_bytes_max=4000)
        async with calling([head, Send(b" " * 5000), Stall()], limits=small) as (_, provider):
            _, error = await failing(provider)
            assert (error.code, error.detail) == (ErrorCode.PARSE, "the answer is larger than the limit")

    async def test_a_last_block_without_its_blank_line_is_kept_where_the_answer_is_not_whole(self) -> None:
        async with calling([Send(HELLO + HELLO.rstrip()), EndCleanly()]) as (_, provider):
            got, error = await failing(provider)
            assert (text_of(got), error.code) == ("HelloHello", ErrorCode.TRUNCATED)

    async def test_an_error_in_mid_stream_keeps_what_came_before(self) -> None:
        block = b'data: {"error": {"message": "overloaded", "type": "overloaded_error"}}\n\n'
        async with calling([Send(HELLO + block + HELLO)]) as (upstream, provider):
            got, error = await failing(provider)
            assert (text_of(got), error.code) == ("Hello", ErrorCode.OVERLOADED)
            await upstream.requests[0].closed.wait()

    async def test_malformed_json_is_a_typed_error_that_keeps_what_came_before(self) -> None:
        async with calling([Send(HELLO + b"data: {secret words\n\n" + HELLO)]) as (_, provider):
            got, error = await failing(provider)
            assert (text_of(got), error.code) == ("Hello", ErrorCode.PARSE)


class TestKeys:
    async def test_a_key_that_is_not_there_is_an_error_of_the_call(self) -> None:
        async with ScriptedUpstream() as upstream:
            provider = HttpProvider(
                "x", OpenAIChat(), base_url=upstream.base_url, auth=Auth(env="MY_KEY"), egress=Egress(True)
            )
            _, error = await failing(provider)
            assert error.code is ErrorCode.AUTH
            assert "MY_KEY" in error.message
            assert upstream.accepted == 0

    async def test_a_key_is_shown_as_the_server_wants_it(self) -> None:
        async with ScriptedUpstream(chat_stream(["a"])) as upstream:
            auth = Auth(Secret(CANARY), header="api-key", prefix="")
            provider = HttpProvider("x", OpenAIChat(), base_url=upstream.base_url, auth=auth, egress=Egress(True))
            await batches(provider)
            assert upstream.requests[0].headers["api-key"] == CANARY
            assert "authorization" not in upstream.requests[0].headers
            await provider.close()

    @pytest.mark.parametrize(
        "echo",
        [
            lambda key: error_answer(401, f"Incorrect API key provided: {key}"),
            lambda key: error_answer(401, "x" * 480 + key),
            lambda key: error_answer(401, key * 200),
            lambda key: error_answer(500, "no", X_Key=key, Retry_After=key),
            lambda key: [Status(302, {"Location": f"https://elsewhere.example/?key={key}"})],
            lambda key: [Status(400, {"Content-Type": "text/plain"}, f"bad key {key}".encode())],
            lambda key: [Status(200, {"Content-Type": f"text/{key}"}, b"")],
            lambda key: [Status(302, {"Location": "https://elsewhere.example/".ljust(190, "x") + key})],
            lambda key: [Status(200, {"Content-Encoding": key}, b"")],
            lambda key: [Status(200, {"Content-Encoding": "x" * 32 + key}, b"")],
            lambda key: [Status(200, {"Content-Type": "x" * 90 + key}, b"")],
            lambda key: [
                Status(200, {"Content-Type": "application/json"}, json.dumps({"error": {"message": key}}).encode())
            ],
            lambda key: [Send(b'data: {"error": {"message": "key %b"}}\n\n' % key.encode())],
            lambda key: [Send(b'data: {"error": {"message": "%b%b"}}\n\n' % (b"x" * 485, key.encode()))],
            lambda key: [Send(b'data: {"error": {"message": "%b"}}\n\n' % key.replace("/", "\\/").encode())],
            lambda key: [Send(b"data: {%b\n\n" % key.encode())],
            lambda key: [Send(b"event: error\ndata: %b\n\n" % key.encode())],
            lambda key: [Raw(f"HTTP/1.1 {key}\r\n\r\n".encode())],
            lambda key: [Raw(b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n" % key.encode())],
            lambda key: [Send(HELLO), Raw(key.encode() + b"\r\n")],
        ],
    )
    async def test_a_key_that_is_echoed_is_in_no_error(
        self, echo: Callable[[str], list[Step]], caplog: pytest.LogCaptureFixture
    ) -> None:
        async with calling(echo(CANARY), key=True) as (upstream, provider):
            _, error = await failing(provider)
            assert upstream.requests[0].headers["authorization"] == f"Bearer {CANARY}"
            shown = " ".join([str(error), repr(error), error.message, error.detail, repr(vars(error)), caplog.text])
            chain: BaseException | None = error
            while chain is not None:
                shown += repr(chain) + str(chain)
                chain = chain.__cause__
            for start in range(0, len(CANARY) - 6):
                assert CANARY[start : start + 7].lower() not in shown.lower()
            assert error.__suppress_context__

    async def test_a_provider_does_not_show_its_key(self) -> None:
        provider = provider_of("http://127.0.0.1:9/v1", key=True)
        assert CANARY not in repr(provider) + repr(vars(provider))

    async def test_a_callers_request_has_no_say_in_where_the_key_goes(self) -> None:
        extra = {"openai": {"base_url": "http://elsewhere.example", "extra_headers": {"Authorization": "no"}}}
        async with calling(chat_stream(["a"]), key=True) as (upstream, provider):
            hostile = GenerationRequest("http://elsewhere.example/v1", [Message("user", "Hi")], Settings(extra=extra))
            await batches(provider, hostile)
            assert upstream.requests[0].path == "/v1/chat/completions"
            assert upstream.requests[0].headers["authorization"] == f"Bearer {CANARY}"


class TestConfiguration:
    def test_a_base_url_is_checked_at_once(self) -> None:
        with pytest.raises(ConfigError):
            HttpProvider("x", OpenAIChat(), base_url="http://127.0.0.1/v1")

    def test_a_framing_that_is_not_spoken_is_refused_at_once(self) -> None:
        dialect = OpenAIChat()
        dialect.framing = cast(Framing, "netstrings")  # as a third party's dialect may, which nobody checked
        with pytest.raises(ConfigError):
            HttpProvider("x", dialect, base_url="https://api.example.com/v1")

    def test_what_the_server_can_not_do_is_refused_before_anything_is_sent(self) -> None:
        provider = HttpProvider("x", OpenAIChat(), base_url="https://api.example.com/v1")
        provider.check(ASKED)
        with pytest.raises(BadRequestError):
            provider.check(GenerationRequest("m", [], Settings(extra={"openai": {"model": "other"}})))
