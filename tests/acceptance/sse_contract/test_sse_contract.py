"""The contract's suite, asked of each of our adapters: parsing, line ends, BOM, comments, HTTP, reconnection, sizes."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.acceptance.sse_contract.harness import Adapter, Connection, Listener
from tests.kit.client import call
from tests.recordings import PROJECT_ROOT
from tests.web.node import CLIENT
from tools.pages import NODE

pytestmark = pytest.mark.slow

#: The adapters there are, each by the command that starts it.
ADAPTERS: Final[dict[str, list[str | Path]]] = {
    "python": [sys.executable, "-m", "tests.acceptance.sse_contract.python_service"],
    "typescript": [NODE, CLIENT / "test" / "contract-service.ts"],
}
#: Optional features of the contract. `event-type-listeners` is for clients that get unnamed events only, unless they
#: ask: none of ours is one.
FEATURES: Final = {
    "bom",
    "comments",
    "headers",
    "last-event-id",
    "payload-size-stress-testable",
    "post",
    "read-timeout",
    "report",
    "restart",
}
_FRAMES: Final = json.loads((PROJECT_ROOT / "spec" / "cases" / "frames.json").read_text(encoding="utf-8"))["cases"]
#: Bodies that end with a whole event or comment, and pass no limit.
PARSING: Final = [case for case in _FRAMES if not case.get("fault") and "line_max" not in case]
BODY: Final = '{"hello": "world"}'
AT_ONCE: Final = {"initialDelayMs": 0}


@pytest_asyncio.fixture(params=ADAPTERS)
async def adapter(request: pytest.FixtureRequest) -> AsyncIterator[Adapter]:
    async with Adapter(ADAPTERS[request.param]) as adapter:
        yield adapter


@pytest_asyncio.fixture
async def listener() -> AsyncIterator[Listener]:
    async with Listener() as listener:
        yield listener


class Client:
    """The client under test on a stream of its own."""

    def __init__(self, adapter: Adapter, listener: Listener, path: str) -> None:
        self._adapter = adapter
        self._listener = listener
        self._path = path

    async def restart(self) -> None:
        await self._adapter.ask("POST", self._path, {"command": "restart"})

    async def close(self) -> None:
        await self._adapter.ask("DELETE", self._path)

    async def of_kind(self, kind: str) -> dict[str, Any]:
        message = await self._listener.message()
        assert message["kind"] == kind, message
        return message

    async def event(self) -> dict[str, str]:
        event: dict[str, str] = (await self.of_kind("event"))["event"]
        return event

    async def comment(self) -> str:
        return str((await self.of_kind("comment"))["comment"])


async def open_client(adapter: Adapter, listener: Listener, **asked: Any) -> tuple[Client, Connection]:
    urls = {"streamUrl": f"{listener.url}/stream?x=1", "callbackUrl": f"{listener.url}/callback"}
    made = await adapter.ask("POST", "/", {**urls, "tag": "test", **asked})
    return Client(adapter, listener, made.headers["location"]), await listener.connection()


def event(data: str, type_: str = "message", id_: str = "") -> dict[str, str]:
    return {"type": type_, "data": data, "id": id_}


async def test_every_feature_is_there(adapter: Adapter) -> None:
    assert set(await adapter.capabilities()) == FEATURES


async def test_what_is_asked_wrongly_is_refused(adapter: Adapter, listener: Listener) -> None:
    assert (await call(adapter.port, "POST", "/", {"tag": "no url"})).status == 400
    assert (await call(adapter.port, "DELETE", "/streams/77")).status == 404
    client, _ = await open_client(adapter, listener)
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
            await stream.send(body + b"\n\nevent: end\ndata: of the case\n\n", pieces)
            while not seen or seen[-1]["type"] != "end":
                message = await listener.message()
                if message["kind"] == "event":
                    seen.append(message["event"])
            await client.close()
        meant = [event(frame["data"], frame["event"] or "message", frame["id"] or "") for frame in case["frames"]]
        # What the body leaves unfinished is an event here, by the blank line that follows.
        assert seen[: len(meant)] == meant, case["name"]


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
    around = [size + off for size in (512, 1024, 4096, 8192, 65_536, 262_144) for off in (-6, -1, 0, 1)]
    for size in (1, 128, *around, 1_048_576):
        data = shape(size)
        await stream.send(b"data: " + data.encode() + b"\n\n")
        assert (await client.event())["data"] == data
