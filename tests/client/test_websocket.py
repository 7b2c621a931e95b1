"""Runs over a WebSocket: what is asked for, and what becomes of what comes. The real server is in tests/cuts."""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from headwater.client import (
    ClientError,
    HeadwaterClient,
    Message,
    NetworkError,
    NotFound,
    ParseError,
    RetryPolicy,
    RunRequest,
    ServerError,
    TimedOut,
    Timing,
)
from headwater.client.websocket import EXTRA, WebSocketStreams
from tests.kit.run_log import RUN

REQUEST = RunRequest(model="m", messages=[Message("user", "Hi")])
TAIL = 4

Says = Callable[["Talk"], Awaitable[None]]


def record(seq: int) -> dict[str, Any]:
    if seq == TAIL:
        return {"seq": seq, "t": seq, "type": "complete", "data": {"finish_reason": "stop", "usage": {}}}
    return {"seq": seq, "t": seq, "type": "chunk", "data": {"content": str(seq), "index": 0}}


class Talk:
    """One socket of the scripted server: what it was asked first, and words for what it may say."""

    def __init__(self, socket: ServerConnection, asked: dict[str, Any]) -> None:
        self.socket = socket
        self.asked = asked

    async def say(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            await self.socket.send(json.dumps(message))

    async def grant(self, first: int, last: int = TAIL) -> None:
        """Does what was asked, and sends records."""
        await self.say({"id": self.asked["id"], "ok": {"run": RUN, "created": self.asked["op"] == "start"}})
        await self.say(*({"run": RUN, "record": record(seq)} for seq in range(first, last + 1)))

    async def end(self) -> None:
        await self.say({"run": RUN, "end": {"reason": "closed", "tail": TAIL}})

    async def refuse(self, **problem: Any) -> None:
        await self.say({"id": self.asked["id"], "error": problem})


class Scripted:
    """A server whose n-th socket does what the n-th script says; what was asked, and the handshakes' headers."""

    def __init__(self, *scripts: Says) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[Any] = []
        self._scripts = scripts

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.headers.append(socket.request.headers)
        asked = json.loads(await socket.recv())
        self.asked.append(asked)
        await self._scripts[len(self.asked) - 1](Talk(socket, asked))
        await socket.wait_closed()


@asynccontextmanager
async def scripted(*scripts: Says, **options: Any) -> AsyncIterator[tuple[Scripted, str]]:
    server = Scripted(*scripts)
    async with serve(server.serve, "127.0.0.1", 0, **options) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        yield server, f"http://127.0.0.1:{port}"


def client_of(url: str, **options: Any) -> HeadwaterClient:
    async def nap(_: float) -> None:
        """No wait: there is nothing that it could be for."""

    return HeadwaterClient(url, timing=Timing(sleep=nap), **options)


async def seqs(client: HeadwaterClient, after: int = 0) -> list[int]:
    return [each.seq async for each in client.follow(RUN, after, via="websocket")]


async def whole(talk: Talk) -> None:
    await talk.grant(talk.asked.get("after", 0) + 1)
    await talk.end()


async def test_a_run_is_read_behind_the_cursor() -> None:
    async with scripted(whole) as (server, url), client_of(url, headers={"X-Org": "o"}) as client:
        assert await seqs(client, 1) == [2, 3, 4]
    assert server.asked == [{"id": 1, "op": "subscribe", "run": RUN, "after": 1}]
    assert server.headers[0]["X-Org"] == "o"
    assert "Sec-WebSocket-Extensions" not in server.headers[0]


async def test_a_run_is_started_and_read_over_one_socket() -> None:
    async with scripted(whole) as (server, url), client_of(url) as client:
        subscription = client.start_and_follow(REQUEST, idempotency_key="k", via="websocket")
        assert [each.seq async for each in subscription] == [1, 2, 3, 4]
        assert subscription.run == RUN
    (asked,) = server.asked
    assert (asked["op"], asked["idempotency_key"], asked["request"]["model"]) == ("start", "k", "m")


async def test_a_socket_that_breaks_is_followed_by_another() -> None:
    async def breaks(talk: Talk) -> None:
        await talk.grant(1, 2)
        await talk.say({"heartbeat": {}}, {"farewell": {"retry_ms": 70}})
        await talk.socket.close(1012)

    async with scripted(breaks, whole) as (server, url), client_of(url) as client:
        statuses: list[Any] = []
        subscription = client.follow(RUN, 0, statuses.append, via="websocket")
        assert [each.seq async for each in subscription] == [1, 2, 3, 4]
    assert [asked["after"] for asked in server.asked] == [0, 2]
    (wait,) = [status.delay_s for status in statuses if status.state == "waiting"]
    # what the server said, and not a second
    assert wait <= 0.07


async def test_a_refusal_is_the_one_that_http_would_answer_with() -> None:
    async def refuses(talk: Talk) -> None:
        await talk.refuse(status=404, code="NOT_FOUND", detail="Said.", retryable=False)

    async with scripted(refuses) as (_, url), client_of(url) as client:
        with pytest.raises(NotFound, match=r"Said\.") as raised:
            await seqs(client)
    assert raised.value.status == 404


async def test_a_wait_that_the_server_asks_for_is_known() -> None:
    async def refuses(talk: Talk) -> None:
        await talk.refuse(status=503, code="DRAINING", retryable=True, retry_after_s=3600)

    async with scripted(refuses) as (_, url), client_of(url) as client:
        with pytest.raises(ServerError) as raised:
            await seqs(client)
    assert raised.value.retry_after_s == 3600


async def test_a_handshake_that_is_refused_says_why() -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(403, '{"code": "FORBIDDEN", "detail": "Not from there.", "retryable": false}')
        response.headers["Retry-After"] = "7"
        return response

    async with scripted(process_request=refuse) as (_, url), client_of(url) as client:
        with pytest.raises(ServerError, match=r"Not from there\.") as raised:
            await seqs(client)
    assert (raised.value.status, raised.value.retry_after_s) == (403, 7)


async def test_a_redirect_is_not_followed() -> None:
    def redirect(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(302, "")
        response.headers["Location"] = "ws://127.0.0.1:9/elsewhere"
        return response

    async with scripted(process_request=redirect) as (_, url), client_of(url) as client:
        with pytest.raises(ServerError) as raised:
            await seqs(client)
    assert raised.value.status == 302


@pytest.mark.parametrize("reason", ["deleted", "error"])
async def test_a_run_of_which_there_is_no_more_is_asked_for_again(reason: str) -> None:
    async def ends(talk: Talk) -> None:
        await talk.grant(1, 2)
        await talk.say({"run": RUN, "end": {"reason": reason}})

    async def refuses(talk: Talk) -> None:
        await talk.refuse(status=404, code="NOT_FOUND", retryable=False)

    async with scripted(ends, refuses) as (server, url), client_of(url) as client:
        with pytest.raises(NotFound):
            await seqs(client)
    assert server.asked[1]["after"] == 2


@pytest.mark.parametrize("said", ["not JSON", '{"record": 3}', "[]"])
async def test_what_is_no_message_is_an_error_without_its_words(said: str) -> None:
    async def babbles(talk: Talk) -> None:
        await talk.grant(1, 1)
        await talk.socket.send(said)

    async with scripted(babbles) as (_, url):
        client = client_of(url, follow_retry=RetryPolicy(tries_max=0), fallback=False)
        async with client:
            with pytest.raises(ParseError) as raised:
                await seqs(client)
    assert said not in str(raised.value)


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with scripted() as (_, url):
        pass
    async with client_of(url, follow_retry=RetryPolicy(tries_max=0), fallback=False) as client:
        with pytest.raises(NetworkError) as raised:
            await seqs(client)
    assert raised.value.unreachable


async def test_a_server_that_does_not_answer_is_left() -> None:
    async def silent(talk: Talk) -> None:
        """Nothing is said."""

    async with scripted(silent) as (_, url):
        with pytest.raises(TimedOut):
            await WebSocketStreams(url, {}).open({"op": "subscribe", "run": RUN, "after": 0}, 0.05)


async def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("websockets"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **more)

    for name in [name for name in sys.modules if name.startswith("websockets")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=EXTRA.replace("[", r"\[")) as raised:
        await WebSocketStreams("http://127.0.0.1:9", {}).open({"op": "ping"}, 1.0)
    assert not isinstance(raised.value, ClientError)
