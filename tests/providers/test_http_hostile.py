"""Bodies that mean harm, or are merely broken: typed errors, bounded memory, and no connection left behind."""

import gzip
import tracemalloc

import pytest

from headwater.errors import ErrorCode, ProviderError
from headwater.providers.answer_reader import AnswerLimits
from tests.kit.upstream import (
    DONE,
    HugeLine,
    Raw,
    Send,
    Stall,
    Status,
)
from tests.providers.calls import ASKED, HELLO, STOP, calling, failing, open_pool, text_of


class TestHostileBodies:
    async def test_a_line_without_end_costs_bounded_memory(self) -> None:
        """Fault 19: 200 MB on one line."""
        async with calling([Send(HELLO), HugeLine(200_000_000)]) as (upstream, provider):
            await open_pool(provider)
            tracemalloc.start()
            try:
                got, error = await failing(provider)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert (text_of(got), error.code) == ("Hello", ErrorCode.PARSE)
            assert peak < 12_000_000
            await upstream.requests[0].closed.wait()
            assert upstream.bytes_sent < 50_000_000

    async def test_an_answer_larger_than_the_limit_is_cut(self) -> None:
        async with calling([Send(HELLO * 2000)], limits=AnswerLimits(answer_bytes_max=20_000)) as (_, provider):
            got, error = await failing(provider)
            assert error.code is ErrorCode.PARSE
            assert len(text_of(got)) * len(HELLO) <= 20_000 * 5

    @pytest.mark.parametrize(
        "headers",
        [
            {"Content-Encoding": "gzip"},
            {"Content-Encoding": "identity, GZIP"},
            {"Content-Encoding": "br"},
            {"Content-Encoding": "unheard-of"},
        ],
        ids=str,
    )
    async def test_a_compressed_body_is_refused_unopened(self, headers: dict[str, str]) -> None:
        body = gzip.compress(HELLO + STOP + DONE)
        async with calling([Status(headers={"Content-Type": "text/event-stream", **headers}), Send(body)]) as (
            _,
            provider,
        ):
            stream = provider.stream(ASKED, connect_s=10)
            assert await anext(stream) == [], "it is an answer, and paid for"
            with pytest.raises(ProviderError) as caught:
                await anext(stream)
            assert caught.value.code is ErrorCode.PARSE

    async def test_a_compressed_refusal_still_has_its_status(self) -> None:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        async with calling([Status(429, headers, gzip.compress(b"{}"))]) as (_, provider):
            _, error = await failing(provider)
            assert error.code is ErrorCode.RATE_LIMIT

    async def test_a_transfer_that_is_more_than_chunked_is_refused(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
        async with calling([Raw(head + b"5\r\nhello\r\n0\r\n\r\n")]) as (_, provider):
            _, error = await failing(provider)
            assert error.code is ErrorCode.PARSE

    @pytest.mark.parametrize(
        "raw",
        [
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"HTTP/1.1 two hundred\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 10_000 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        ],
        ids=["ssh", "status", "long header", "many headers", "two lengths"],
    )
    async def test_what_is_not_http_is_a_typed_error(self, raw: bytes) -> None:
        async with calling([Raw(raw), Stall()]) as (upstream, provider):
            got, error = await failing(provider)
            assert got == []
            assert error.code in {ErrorCode.PARSE, ErrorCode.NETWORK}
            await upstream.requests[0].closed.wait()

    @pytest.mark.parametrize(
        "body",
        [HELLO + b"\r\n", b"5\r\n" + HELLO, b"0\r\nHello\x00\r\n\r\n"],
        ids=["no size of a chunk", "a chunk that is longer than it says", "no trailer"],
    )
    async def test_what_is_said_of_it_quotes_no_answer(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        async with calling([Raw(head + body), Stall()]) as (_, provider):
            _, error = await failing(provider)
            assert error.detail.startswith("not HTTP: ")
            assert "Hello" not in error.detail
