"""The proxy spoils exactly what it was asked to, and nothing else: tests of cuts prove nothing where it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.kit.proxy import Fault, FaultProxy

TEXT = bytes(range(256)) * 40


class Speaker:
    """A server that says `TEXT` to everybody, then waits for the peer's FIN; it notes what it heard and who left."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.left = asyncio.Semaphore(0)
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Speaker:
        self._server = await asyncio.start_server(self._speak, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(TEXT)
            await writer.drain()
            while data := await reader.read(1000):
                self.heard.append(data)
                if data.endswith(b"bye"):
                    break
        except OSError:
            pass  # reset: it has left as well
        finally:
            self.left.release()
            writer.close()


@pytest_asyncio.fixture
async def speaker() -> AsyncIterator[Speaker]:
    async with Speaker() as speaker:
        yield speaker


Plan = Callable[[int], Fault]


async def talk(proxy: FaultProxy, *, say: bytes = b"") -> tuple[bytes, str]:
    """All that came over a connection, and how it was over: "eof" or "reset"."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(say)
    got = b""
    try:
        while data := await reader.read(1 << 16):
            got += data
        return got, "eof"
    except ConnectionResetError:
        return got, "reset"
    finally:
        writer.transport.abort()


async def test_without_a_fault_all_passes_both_ways(speaker: Speaker) -> None:
    async with FaultProxy(speaker.port) as proxy:
        assert await talk(proxy, say=b"hello, bye") == (TEXT, "eof")
        assert proxy.bytes_to_clients == len(TEXT)
    assert b"".join(speaker.heard) == b"hello, bye"


@pytest.mark.parametrize("place", [0, 1, 777, len(TEXT) - 1, len(TEXT)])
async def test_a_cut_lets_exactly_so_many_bytes_through(speaker: Speaker, place: int) -> None:
    async with FaultProxy(speaker.port, lambda _: Fault(cut_at=place)) as proxy:
        assert await talk(proxy) == (TEXT[:place], "eof")
        await speaker.left.acquire()
        assert proxy.cuts == 1


async def test_a_reset_is_one(speaker: Speaker) -> None:
    async with FaultProxy(speaker.port, lambda _: Fault(cut_at=500, by="reset")) as proxy:
        got, how = await talk(proxy)
    assert how == "reset"
    assert TEXT[:500].startswith(got)  # a reset takes along what was not read yet
    await speaker.left.acquire()


async def test_a_half_closed_client_can_go_on_sending(speaker: Speaker) -> None:
    async with FaultProxy(speaker.port, lambda _: Fault(cut_at=500, by="half-close")) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.read(-1) == TEXT[:500]
        writer.write(b"still here, bye")
        await speaker.left.acquire()
        assert b"".join(speaker.heard) == b"still here, bye"
        writer.transport.abort()


async def test_an_overtaken_connection_is_answered_after_the_next_one(speaker: Speaker) -> None:
    async with FaultProxy(speaker.port, lambda number: Fault(overtaken=number == 1)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        first = asyncio.create_task(reader.read(-1))
        assert await talk(proxy, say=b"bye") == (TEXT, "eof")
        writer.write(b"bye")
        assert await first == TEXT
        assert (proxy.connections, proxy.cuts) == (2, 1)
        writer.transport.abort()


async def test_a_stall_says_nothing(speaker: Speaker) -> None:
    async with FaultProxy(speaker.port, lambda _: Fault(cut_at=500, by="stall")) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.readexactly(500) == TEXT[:500]
        more = asyncio.create_task(reader.read(1))
        writer.write(b"are you there? bye")
        await speaker.left.acquire()  # the server has heard it, and gone: whoever is stalled is not told
        assert not more.done()
        writer.transport.abort()
        more.cancel()
        await asyncio.wait([more])


async def test_pieces_are_no_larger_than_asked_for(speaker: Speaker) -> None:
    async with FaultProxy(speaker.port, lambda _: Fault(pieces=100, delay_s=0.001)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        got = [await reader.read(1 << 16)]
        while sum(map(len, got)) < len(TEXT):
            got.append(await reader.read(1 << 16))
        writer.transport.abort()
    assert b"".join(got) == TEXT
    assert len(got) > 1


async def test_a_refused_connection_never_reaches_the_server(speaker: Speaker) -> None:
    async with FaultProxy(speaker.port, lambda number: Fault(refuse=number == 1)) as proxy:
        assert (await talk(proxy))[0] == b""
        assert speaker.heard == []
        assert await talk(proxy, say=b"bye") == (TEXT, "eof")
        assert proxy.connections == 2


async def test_each_connection_has_its_own_fault(speaker: Speaker) -> None:
    async with FaultProxy(speaker.port, lambda number: Fault(cut_at=10 * number)) as proxy:
        assert [len((await talk(proxy))[0]) for _ in range(3)] == [10, 20, 30]


async def test_nothing_is_left_open(speaker: Speaker) -> None:
    async with FaultProxy(speaker.port, lambda _: Fault(cut_at=5, by="stall")) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await reader.readexactly(5)
        assert proxy.open == 1
    assert proxy.open == 0
    await speaker.left.acquire()
    writer.transport.abort()


async def test_dropped_connections_end_and_new_ones_are_taken(speaker: Speaker) -> None:
    async with FaultProxy(speaker.port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.readexactly(len(TEXT)) == TEXT
        proxy.drop()
        assert await reader.read() == b""
        await speaker.left.acquire()
        writer.transport.abort()
        assert await talk(proxy, say=b"bye") == (TEXT, "eof")
