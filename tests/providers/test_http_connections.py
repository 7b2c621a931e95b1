"""Whose socket is open when: pooled after whole answers, closed on every cancel, and what happens without one."""

import asyncio
import gc
import socket
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from headwater.domain.message import GenerationRequest, Message
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Finish, HttpRequest, Item
from headwater.providers.egress import Egress
from headwater.providers.http import HttpProvider
from headwater.providers.openai_chat import OpenAIChat
from tests.kit.upstream import (
    DONE,
    EndWithoutTerminator,
    HugeLine,
    Pause,
    Raw,
    Reset,
    ScriptedUpstream,
    Send,
    Stall,
    Status,
    Step,
    chat_stream,
)
from tests.providers.calls import (
    ASKED,
    HELLO,
    STOP,
    batches,
    calling,
    failing,
    flat,
    let_things_happen,
    open_sockets,
    open_stream,
    provider_of,
    read_all,
    text_of,
)


class TestConnections:
    async def test_one_is_used_again_after_a_whole_answer(self) -> None:
        async with calling(chat_stream(["a"])) as (upstream, provider):
            for _ in range(3):
                await batches(provider)
                # The body's end follows the end marker, which is where the call was over.
                await upstream.requests[-1].played.wait()
                await let_things_happen()
            assert (len(upstream.requests), upstream.accepted) == (3, 1)

    async def test_one_that_was_closed_meanwhile_is_not_used(self) -> None:
        async with calling(chat_stream(["a"])) as (upstream, provider):
            for _ in range(3):
                assert text_of(flat(await batches(provider))) == "a"
                await upstream.requests[-1].played.wait()
                await upstream.hang_up()
                await let_things_happen()
            assert (len(upstream.requests), upstream.accepted) == (3, 3)

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    async def test_a_request_whose_answer_does_not_come_is_not_sent_twice(self, method: str) -> None:
        """aiohttp would make a call again by itself that has a method for that; it may have been paid for."""

        class Another(OpenAIChat):
            def request(self, request: GenerationRequest) -> HttpRequest:
                return super().request(request)._replace(method=method)

        async with calling([Raw(b""), Reset()], chat_stream(["a"]), dialect=Another()) as (upstream, provider):
            _, error = await failing(provider)
            assert error.code is ErrorCode.NETWORK
            await let_things_happen()
            assert [received.method for received in upstream.requests] == [method]

    async def test_a_request_on_one_that_is_just_being_closed_is_not_sent_twice(self) -> None:
        """The server may have read it: whether it is made again is for the policy of retries, which tells of it."""
        async with calling(chat_stream(["a"]), [Raw(b""), Reset()]) as (upstream, provider):
            await batches(provider)
            await upstream.requests[-1].played.wait()
            await let_things_happen()
            stream = open_stream(provider)
            with pytest.raises(ProviderError) as caught:
                await read_all(stream)
            assert caught.value.code is ErrorCode.NETWORK
            assert caught.value.retryable
            assert stream.is_unanswered
            assert (len(upstream.requests), upstream.accepted) == (2, 1)

    async def test_after_the_end_marker_nothing_is_waited_for(self) -> None:
        """Not even when the server keeps the body open; the socket is closed soon after."""
        async with calling([Send(HELLO + STOP + DONE), Stall()], chat_stream(["b"])) as (upstream, provider):
            got: list[Item] = []
            async for batch in provider.stream(ASKED, connect_s=10):
                got += batch
            assert text_of(got) == "Hello"
            assert isinstance(got[-1], Finish)
            await upstream.requests[0].closed.wait()
            assert text_of(flat(await batches(provider))) == "b"
            assert upstream.accepted == 2

    async def test_what_follows_the_end_marker_is_not_read(self) -> None:
        async with calling([Send(HELLO + STOP + DONE + HELLO + b"data: {broken\n\n")]) as (_, provider):
            got = flat(await batches(provider))
            assert text_of(got) == "Hello"
            assert isinstance(got[-1], Finish)

    async def test_proxies_of_the_environment_are_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with ScriptedUpstream() as proxy, calling(chat_stream(["a"])) as (_, provider):
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.origin)
            monkeypatch.delenv("no_proxy", raising=False)
            await batches(provider)
            assert proxy.accepted == 0

    async def test_cookies_are_not_kept(self) -> None:
        headers = {"Content-Type": "text/event-stream", "Set-Cookie": "session=1; Path=/"}
        async with calling([Status(headers=headers), Send(HELLO + STOP + DONE)]) as (upstream, provider):
            await batches(provider)
            await batches(provider)
            assert "cookie" not in upstream.requests[1].headers

    async def test_a_closed_provider_calls_nobody(self) -> None:
        async with calling(chat_stream(["a"])) as (upstream, provider):
            await provider.close()
            _, error = await failing(provider)
            assert error.code is ErrorCode.DRAINING
            assert upstream.accepted == 0

    async def test_many_at_once(self) -> None:
        async with calling(chat_stream(["a", "b"])) as (upstream, provider):
            answers = await asyncio.gather(*(batches(provider) for _ in range(50)))
            assert [text_of(flat(each)) for each in answers] == ["ab"] * 50
            assert len(upstream.requests) == 50


class TestCancel:
    """A cancel closes the upstream's socket; what is asserted is the order of events, not how long they take."""

    @pytest.mark.parametrize(
        "script",
        [
            pytest.param([Stall()], id="before the head"),
            pytest.param([Status(), Stall()], id="after the head"),
            pytest.param([Send(HELLO), Stall()], id="in the answer"),
            pytest.param([Raw(b"HTTP/1.1 100 Continue\r\n\r\n"), Stall()], id="after an interim answer"),
            pytest.param([Status(500), Stall()], id="in a refusal"),
        ],
    )
    async def test_a_cancelled_task_closes_the_socket(self, script: list[Step]) -> None:
        async with calling(script) as (upstream, provider):
            reading = asyncio.create_task(batches(provider))
            received = await upstream.request(1)
            await let_things_happen()
            assert not received.closed.is_set()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await received.closed.wait()
            assert upstream.open_connections == 0

    async def test_a_closed_iterator_closes_the_socket_before_it_returns(self) -> None:
        async with calling([Send(HELLO), Stall()]) as (_, provider):
            before = open_sockets()
            async with aclosing(open_stream(provider)) as stream:
                while not await anext(stream):
                    pass
                assert open_sockets() > before
            # Our own end is gone; the upstream's is still there until it reads our FIN.
            assert open_sockets() <= before + 1

    async def test_a_flood_that_nobody_reads_is_closed_too(self) -> None:
        async with calling([Send(HELLO), HugeLine(10**9)]) as (upstream, provider):
            async with aclosing(open_stream(provider)) as stream:
                while not await anext(stream):
                    pass
            await upstream.requests[0].closed.wait()

    async def test_a_request_that_is_not_read_does_not_hold_the_socket(self) -> None:
        """The peer takes no byte of a large body: closing must not wait for it to be sent."""
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            provider = provider_of(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1")
            before = open_sockets()
            request = GenerationRequest("m", [Message("user", "x" * 30_000_000)])
            reading = asyncio.create_task(batches(provider, request))
            while open_sockets() == before:
                await let_things_happen()
            await let_things_happen()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert open_sockets() == before
            await provider.close()

    async def test_a_cancel_while_connecting_leaves_nothing(self) -> None:
        never = asyncio.Event()

        async def resolve(host: str, port: int) -> Sequence[str]:
            await never.wait()
            return []

        provider = HttpProvider("x", OpenAIChat(), base_url="http://models.test/v1", egress=Egress(True, resolve))
        reading = asyncio.create_task(batches(provider))
        await let_things_happen()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await provider.close()


class TestUnreachable:
    async def test_nobody_listens(self) -> None:
        async with ScriptedUpstream() as upstream:
            base_url = upstream.base_url
        provider = provider_of(base_url)
        _, error = await failing(provider)
        assert error.code is ErrorCode.NETWORK
        assert error.retryable
        await provider.close()

    @pytest.mark.parametrize("script", [[EndWithoutTerminator()], [Reset()]], ids=["closed", "reset"])
    async def test_the_peer_leaves_without_an_answer(self, script: list[Step]) -> None:
        unheard: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
        async with calling(script) as (upstream, provider):
            _, error = await failing(provider)
            assert error.code is ErrorCode.NETWORK
            assert len(upstream.requests) == 1, "it is not sent again: it may have been begun"
        del error
        gc.collect()
        assert unheard == [], "it would be a line of the log that is not ours"

    async def test_a_name_that_leads_nowhere(self) -> None:
        async def resolve(host: str, port: int) -> Sequence[str]:
            raise OSError("no such name")

        provider = HttpProvider("x", OpenAIChat(), base_url="https://models.test/v1", egress=Egress(False, resolve))
        _, error = await failing(provider)
        assert error.code is ErrorCode.NETWORK
        await provider.close()

    async def test_resolving_is_part_of_connecting(self) -> None:
        never = asyncio.Event()

        async def resolve(host: str, port: int) -> Sequence[str]:
            await never.wait()
            return []

        provider = HttpProvider("x", OpenAIChat(), base_url="https://models.test/v1", egress=Egress(False, resolve))
        with pytest.raises(ProviderError) as caught:
            await anext(provider.stream(ASKED, connect_s=0.01))
        assert (caught.value.code, caught.value.phase) == (ErrorCode.TIMEOUT, "connect")
        await provider.close()

    async def test_the_time_to_connect_is_not_the_time_to_answer(self) -> None:
        gate = asyncio.Event()
        async with calling([Pause(gate), Send(HELLO + STOP + DONE)]) as (upstream, provider):
            stream = provider.stream(ASKED, connect_s=0.2)
            reading = asyncio.create_task(read_all(stream))
            await upstream.request(1)
            await asyncio.sleep(0.3)  # paces: longer than connecting may take
            gate.set()
            assert text_of(await reading) == "Hello"

    async def test_a_private_address_is_refused_for_good(self) -> None:
        async def resolve(host: str, port: int) -> Sequence[str]:
            return ["10.0.0.7"]

        provider = HttpProvider("x", OpenAIChat(), base_url="https://models.test/v1", egress=Egress(False, resolve))
        _, error = await failing(provider)
        assert error.code is ErrorCode.NETWORK
        assert not error.retryable
        assert "10.0.0.7" in error.detail
        assert "10.0.0.7" not in error.message, "what the network looks like inside is not a caller's business"
        await provider.close()

    async def test_tls_to_a_server_that_has_none(self) -> None:
        async with ScriptedUpstream() as upstream:
            provider = provider_of(upstream.base_url.replace("http:", "https:"))
            # The server never answers what it takes for a request without end; the limit to connect covers that.
            with pytest.raises(ProviderError) as caught:
                await anext(provider.stream(ASKED, connect_s=0.2))
            assert caught.value.code in {ErrorCode.NETWORK, ErrorCode.TIMEOUT}
            await provider.close()
