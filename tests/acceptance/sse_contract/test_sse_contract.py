"""The contract's suite, asked of each of our adapters: parsing, line ends, BOM, comments, HTTP, reconnection, sizes."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.acceptance.sse_contract.harness import Adapter, Connection, Listener
from tests.kit.client import call
from tests.recordings import PROJECT_ROOT
from tools.pages import NODE

pytestmark = pytest.mark.slow

#: The adapters there are, each by the command that starts it.
ADAPTERS: Final[dict[str, list[str | Path]]] = {
    "python": [sys.executable, "-m", "tests.acceptance.sse_contract.python_service"],
    "typescript": [NODE, Path(__file__).with_name("typescript_service.ts")],
}
#: Every optional feature of the contract, by any name that a version of its harness has for it.
FEATURES: Final = {
    "204",
    "bom",
    "comments",
    "empty-or-missing-location",
    "event-type-listeners",
    "headers",
    "last-event-id",
    "payload-size-stress-testable",
    "post",
    "read-timeout",
    "report",
    "restart",
    "retry",
    "server-directed-shutdown-request",
}
_FRAMES: Final = json.loads((PROJECT_ROOT / "spec" / "cases" / "frames.json").read_text(encoding="utf-8"))["cases"]
#: Bodies that end with a whole event or comment, and pass no limit.
PARSING: Final = [case for case in _FRAMES if not case.get("fault") and "line_max" not in case]
BODY: Final = '{"hello": "world"}'
AT_ONCE: Final = {"initialDelayMs": 0}


@pytest.fixture(params=ADAPTERS, scope="module")
def service(request: pytest.FixtureRequest) -> Iterator[Adapter]:
    with Adapter(ADAPTERS[request.param]) as service:
        yield service


@pytest_asyncio.fixture
async def adapter(service: Adapter) -> AsyncIterator[Adapter]:
    yield service
    await service.close_clients()


@pytest_asyncio.fixture
async def listener() -> AsyncIterator[Listener]:
    async with Listener() as listener:
        yield listener


class Client:
    """The client under test on a stream of its own."""

    def __init__(self, adapter: Adapter, listener: Listener, path: str) -> None:
        self._adapter = adapter
        self._listener = listener
        self.path = path

    async def listen(self, *types: str) -> None:
        for type_ in types:
            await self._adapter.ask("POST", self.path, {"command": "listen", "listen": {"type": type_}})

    async def restart(self) -> None:
        await self._adapter.ask("POST", self.path, {"command": "restart"})

    async def close(self) -> None:
        await self._adapter.ask("DELETE", self.path)

    async def of_kind(self, kind: str, size: int = 0) -> dict[str, Any]:
        message = await self._listener.message(size)
        assert message["kind"] == kind, message
        return message

    async def event(self, size: int = 0) -> dict[str, str]:
        event: dict[str, str] = (await self.of_kind("event", size))["event"]
        return event

    async def comment(self) -> str:
        return str((await self.of_kind("comment"))["comment"])


async def make_client(adapter: Adapter, listener: Listener, path: str = "/stream?x=1", **asked: Any) -> Client:
    urls = {"streamUrl": f"{listener.url}{path}", "callbackUrl": f"{listener.url}/callback"}
    return Client(adapter, listener, await adapter.make_client({**urls, "tag": "test", **asked}))


async def open_client(adapter: Adapter, listener: Listener, **asked: Any) -> tuple[Client, Connection]:
    client = await make_client(adapter, listener, **asked)
    return client, await listener.connection()


def event(data: str, type_: str = "message", id_: str = "") -> dict[str, str]:
    return {"type": type_, "data": data, "id": id_}


async def test_every_feature_is_there(adapter: Adapter) -> None:
    assert set(await adapter.capabilities()) == FEATURES


async def test_what_is_asked_wrongly_is_refused(adapter: Adapter, listener: Listener) -> None:
    assert (await call(adapter.port, "POST", "/", {"tag": "no url"})).status == 400
    assert (await call(adapter.port, "DELETE", "/streams/77")).status == 404
    client, _ = await open_client(adapter, listener)
    for command in ({"command": "sing"}, {"command": "listen"}, {"command": "listen", "listen": {}}):
        assert (await call(adapter.port, "POST", client.path, command)).status == 400
    await client.close()
    with pytest.raises(AssertionError, match="404"):
        await client.restart()


@pytest.mark.parametrize("pieces", [None, 1, 2])
async def test_streams_are_parsed(adapter: Adapter, pieces: int | None) -> None:
    """Each body of spec/cases/frames.json, with an event behind it that says where it ends."""
    for case in PARSING:
        body = base64.b64decode(case["body_base64"]) if "body_base64" in case else case["body"].encode()
        seen: list[dict[str, str]] = []
        async with Listener() as listener:
            client, stream = await open_client(adapter, listener)
            await client.listen("end", *{frame["event"] for frame in case["frames"] if frame["event"]})
            await stream.send(body + b"\n\nevent: end\ndata: of the case\n\n", pieces)
            while not seen or seen[-1]["type"] != "end":
                message = await listener.message()
                if message["kind"] == "event":
                    seen.append(message["event"])
            await client.close()
        meant = [event(frame["data"], frame["event"] or "message", frame["id"] or "") for frame in case["frames"]]
        # What the body leaves unfinished is an event here, by the blank line that follows.
        assert seen[: len(meant)] == meant, case["name"]


async def test_only_types_that_are_listened_for_are_told(adapter: Adapter, listener: Listener) -> None:
    client, stream = await open_client(adapter, listener)
    await client.listen("greeting", " greeting")
    await stream.send(b"event: other\ndata: 1\n\nevent: greeting\ndata: 2\n\ndata: 3\n\nevent: message\ndata: 4\n\n")
    assert [await client.event() for _ in range(3)] == [event("2", "greeting"), event("3"), event("4")]
    await client.listen("other")
    await stream.send(b"event:  greeting\ndata: 5\n\nevent: other\ndata: 6\n\n")
    assert [await client.event() for _ in range(2)] == [event("5", " greeting"), event("6", "other")]


async def test_comments_are_told_in_their_place(adapter: Adapter, listener: Listener) -> None:
    client, stream = await open_client(adapter, listener)
    await stream.send(b":Hello\n")
    assert await client.comment() == "Hello"
    await stream.send(b":World\ndata: a\n\n:again\n")
    assert await client.comment() == "World"
    assert await client.event() == event("a")
    assert await client.comment() == "again"


async def test_the_request_is_that_of_a_reader_of_events(adapter: Adapter, listener: Listener) -> None:
    _, stream = await open_client(adapter, listener)
    assert (stream.asked.method, stream.asked.path, stream.asked.body) == ("GET", "/stream?x=1", b"")
    assert stream.asked.headers["accept"] == "text/event-stream"
    assert stream.asked.headers["cache-control"] == "no-cache"
    assert "last-event-id" not in stream.asked.headers


async def test_the_caller_may_set_headers_and_the_first_id(adapter: Adapter, listener: Listener) -> None:
    headers = {"header-name-1": "value-1", "header-name-2": "value-2"}
    _, stream = await open_client(adapter, listener, headers=headers, lastEventId="abc")
    assert headers.items() <= stream.asked.headers.items()
    assert stream.asked.headers["last-event-id"] == "abc"


@pytest.mark.parametrize("method", ["POST", "REPORT"])
async def test_a_body_is_sent_and_sent_again(adapter: Adapter, listener: Listener, method: str) -> None:
    content = {"content-type": "application/json; charset=utf-8"}
    _, stream = await open_client(adapter, listener, method=method, body=BODY, headers=content, **AT_ONCE)
    stream.cut()
    for asked in (stream.asked, (await listener.connection()).asked):
        assert (asked.method, asked.body.decode()) == (method, BODY)
        assert content.items() <= asked.headers.items()


@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_is_followed(adapter: Adapter, status: int) -> None:
    redirect = f"HTTP/1.1 {status} Elsewhere\r\nLocation: /stream\r\nContent-Length: 0\r\n\r\n".encode()
    async with Listener({"/old": redirect}) as listener:
        client = await make_client(adapter, listener, "/old")
        stream = await listener.connection()
        assert stream.asked.path == "/stream"
        await stream.send(b"data: Hello\n\n")
        assert await client.event() == event("Hello")


@pytest.mark.parametrize("location", ["Location:\r\n", ""])
@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_to_nowhere_is_an_error(adapter: Adapter, status: int, location: str) -> None:
    redirect = f"HTTP/1.1 {status} Elsewhere\r\n{location}Content-Length: 0\r\n\r\n".encode()
    async with Listener({"/old": redirect}) as listener:
        client = await make_client(adapter, listener, "/old")
        await client.of_kind("error")
        assert 1 <= len(listener.answered) <= 25


async def test_a_server_that_has_nothing_more_is_left_alone(adapter: Adapter) -> None:
    async with Listener({"/over": b"HTTP/1.1 204 No Content\r\n\r\n"}) as listener:
        await make_client(adapter, listener, "/over", **AT_ONCE)
        await asyncio.sleep(1)  # paces: the time that the contract gives a client to ask again
        assert (len(listener.answered), listener.messages.qsize()) == (1, 0)


async def test_half_an_event_goes_with_its_connection(adapter: Adapter, listener: Listener) -> None:
    client, stream = await open_client(adapter, listener, **AT_ONCE)
    await stream.send(b"id: abc\ndata: Hello\n\nid: def\ndata: Goodbye")
    assert await client.event() == event("Hello", id_="abc")
    stream.cut()
    again = await listener.connection()
    await client.of_kind("error")
    await again.send(b"data: We meet again\n\nid: ghi\ndata: World\n\n")
    assert await client.event() == event("We meet again", id_="abc")
    assert await client.event() == event("World", id_="ghi")


@pytest.mark.parametrize("later", [b"", b"data: World\n\n", b"id: xyz\ndata: never fini"])
async def test_a_new_connection_tells_the_last_id(adapter: Adapter, listener: Listener, later: bytes) -> None:
    client, stream = await open_client(adapter, listener, **AT_ONCE)
    await stream.send(b"id: abc\ndata: Hello\n\n" + later)
    assert await client.event() == event("Hello", id_="abc")
    if later.endswith(b"\n"):
        assert await client.event() == event("World", id_="abc")
    stream.cut()
    assert (await listener.connection()).asked.headers["last-event-id"] == "abc"


async def test_an_empty_id_is_forgotten_by_the_next_connection_too(adapter: Adapter, listener: Listener) -> None:
    client, stream = await open_client(adapter, listener, lastEventId="abc", **AT_ONCE)
    await stream.send(b"id\ndata: Hello\n\n")
    assert await client.event() == event("Hello")
    stream.cut()
    assert "last-event-id" not in (await listener.connection()).asked.headers


async def test_the_caller_may_ask_for_a_new_connection(adapter: Adapter, listener: Listener) -> None:
    client, stream = await open_client(adapter, listener, **AT_ONCE)
    await stream.send(b"data: Hello\n\n")
    assert await client.event() == event("Hello")
    await client.restart()
    again = await listener.connection()
    await stream.closed()
    await again.send(b"data: Thanks\n\n")
    assert await client.event() == event("Thanks")


async def test_the_server_says_how_long_to_wait(adapter: Adapter, listener: Listener) -> None:
    client, stream = await open_client(adapter, listener, initialDelayMs=3_600_000)
    await stream.send(b"retry: 0\ndata: Hello\n\n")
    assert await client.event() == event("Hello")
    stream.cut()
    await listener.connection()


async def test_a_silent_connection_is_left(adapter: Adapter, listener: Listener) -> None:
    client, stream = await open_client(adapter, listener, readTimeoutMs=500, **AT_ONCE)
    await stream.send(b"data: Hello\n\n")
    assert await client.event() == event("Hello")
    await client.of_kind("error")
    await listener.connection()


async def test_a_closed_client_is_gone(adapter: Adapter, listener: Listener) -> None:
    client, stream = await open_client(adapter, listener)
    await client.close()
    await stream.closed()


@pytest.mark.parametrize("shape", [lambda size: "x" * size, lambda size: "€" * (size // 3)])
async def test_events_of_any_size_arrive(adapter: Adapter, listener: Listener, shape: Callable[[int], str]) -> None:
    client, stream = await open_client(adapter, listener)
    # About the sizes that buffers have: of the event's data, and of what is sent for it.
    around = {2**power + off for power in range(21) for off in (-9, -8, -7, -1, 0, 1)}
    for size in sorted(size for size in around if size > 0):
        data = shape(size)
        await stream.send(b"data: " + data.encode() + b"\n\n")
        assert (await client.event())["data"] == data


@pytest.mark.parametrize("mib", [7, 14, 128])
async def test_a_large_event_arrives(adapter: Adapter, listener: Listener, mib: int, seeded: random.Random) -> None:
    """Mandatory up to 14 MiB in the contract, and up to 128 for who says `payload-size-stress-testable`."""
    data = base64.b64encode(seeded.randbytes(768 * 1024)) * mib + b"x"
    client, stream = await open_client(adapter, listener)
    await stream.send(b"data: " + data + b"\n\n", len(data) // 2)
    assert (await client.event(len(data)))["data"].encode() == data
