"""Whether a request may be worked on of which nothing has been heard yet."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from headwater.domain.event import Chunk
from headwater.domain.message import Usage
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.answer import Answer, interim_usage, is_unanswered
from headwater.providers.contract import Item
from tests.kit.upstream import EndWithoutTerminator, HalfClose, Raw, Reset, Send, Stall, Status, Step, error_answer
from tests.providers.calls import ASKED, HELLO, calling, open_stream, provider_of, read_all


async def two(answer: Answer) -> AsyncGenerator[list[Item], None]:
    yield []
    yield [Chunk("a", 0)]


class TestAlone:
    async def test_a_loop_gets_the_generator_itself(self) -> None:
        answer = Answer(two)
        assert isinstance(aiter(answer), AsyncGenerator)
        assert await read_all(answer) == [Chunk("a", 0)]

    async def test_it_can_be_read_and_closed_by_hand(self) -> None:
        answer = Answer(two)
        assert await anext(answer) == []
        await answer.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(answer)

    def test_an_answer_that_comes_before_all_was_sent_is_one(self) -> None:
        answer = Answer(two)
        assert not is_unanswered(answer)
        answer.was_sent()
        assert is_unanswered(answer)
        answer.was_answered()
        answer.was_sent()
        assert not is_unanswered(answer)

    def test_one_that_stands_for_another_says_what_that_one_did(self) -> None:
        inner, outer = Answer(two), Answer(two)
        outer.stands_for(inner)
        assert (is_unanswered(outer), interim_usage(outer)) == (False, None)
        inner.was_sent()
        inner.interim = lambda: Usage(1, 0, 2)
        outer.stands_for(inner)
        assert (is_unanswered(outer), interim_usage(outer)) == (True, Usage(1, 0, 2))

    def test_of_other_streams_nothing_is_known(self) -> None:
        assert not is_unanswered(None)
        assert interim_usage(None) is None
        assert interim_usage(two(Answer(two))) is None
        assert not is_unanswered(two(Answer(two)))


class TestOverHttp:
    @pytest.mark.parametrize(
        "script",
        [[Raw(b""), Reset()], [EndWithoutTerminator()], [HalfClose()], [Raw(b"HTTP/1.1 200 OK\r\nX-"), Reset()]],
        ids=["reset", "end", "half close", "half a head"],
    )
    async def test_a_request_without_an_answer_may_be_worked_on(self, script: list[Step]) -> None:
        async with calling(script) as (upstream, provider):
            stream = open_stream(provider)
            with pytest.raises(ProviderError):
                await read_all(stream)
            assert len(upstream.requests) == 1
            assert stream.is_unanswered

    async def test_a_cancel_while_nothing_is_heard(self) -> None:
        async with calling([Stall()]) as (upstream, provider):
            stream = open_stream(provider)
            reading = asyncio.create_task(read_all(stream))
            await upstream.request(1)
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
            assert stream.is_unanswered

    @pytest.mark.parametrize(
        "script", [[Status(), Send(HELLO), Reset()], error_answer(503, "Full."), [Status(302, {}, b"", "length")]]
    )
    async def test_a_head_is_an_answer(self, script: list[Step]) -> None:
        async with calling(script) as (_, provider):
            stream = open_stream(provider)
            with pytest.raises(ProviderError):
                await read_all(stream)
            assert not stream.is_unanswered

    async def test_where_nobody_listens_nothing_was_sent(self) -> None:
        async with calling([Stall()]) as (upstream, _):
            address = upstream.base_url
        provider = provider_of(address)
        stream = open_stream(provider)
        with pytest.raises(ProviderError) as caught:
            await read_all(stream)
        assert caught.value.code is ErrorCode.NETWORK
        assert not stream.is_unanswered
        await provider.close()

    async def test_a_part_of_a_request_is_nothing(self) -> None:
        """The server reads the head and no more of a body that fits no buffer."""
        large = ASKED.messages[0].__class__("user", "x" * 40_000_000)
        connections: list[asyncio.StreamWriter] = []

        async def head_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(writer)
            reader._transport.pause_reading()  # type: ignore[attr-defined]  # so that the kernel's buffers fill up
            held.set()

        held = asyncio.Event()
        server = await asyncio.start_server(head_only, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        provider = provider_of(f"http://{host}:{port}/v1")
        stream = provider.stream(ASKED.__class__("m", [large]), connect_s=10)
        reading = asyncio.create_task(read_all(stream))
        await held.wait()
        await asyncio.sleep(0.2)  # paces: the body fills the buffers
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        assert not is_unanswered(stream)
        for writer in connections:
            writer.close()
        server.close()
        await provider.close()
