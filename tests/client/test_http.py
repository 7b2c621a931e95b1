from __future__ import annotations

import ssl
from typing import Any

import pytest

from headwater.client.errors import PROBLEM_BYTES_MAX, NetworkError, ParseError, ServerError
from headwater.client.http import ANSWER_BYTES_MAX, Http, make_http
from tests.kit.run_log import json_answer, problem
from tests.kit.upstream import EndWithoutTerminator, Reset, ScriptedUpstream, Send, Stall, Status, Step


async def call(*script: Step) -> bytes:
    async with ScriptedUpstream(list(script)) as upstream:
        http = Http(make_http(upstream.origin, {"X-Org-Id": "o1"}, None))
        try:
            return await http.call("GET", "/x", query={"a": "1&2"})
        finally:
            received = upstream.requests[0]
            assert (received.path, received.headers["x-org-id"]) == ("/x?a=1%262", "o1")
            assert received.headers["accept-encoding"] == "identity"
            await http.close()


async def test_an_answers_body() -> None:
    assert await call(*json_answer(b'{"a":1}')) == b'{"a":1}'


async def test_a_change_says_that_it_is_json() -> None:
    async with ScriptedUpstream(json_answer(b"{}")) as upstream:
        http = Http(make_http(upstream.origin + "/", {}, None))
        await http.call("POST", "/x")
        await http.close()
        assert upstream.requests[0].headers["content-type"] == "application/json"


async def test_a_refusal_is_typed() -> None:
    with pytest.raises(ServerError) as caught:
        await call(*problem(429, "QUEUE_FULL", retryable=True, Retry_After="3"))
    error = caught.value
    assert (error.status, error.code, error.retryable, error.retry_after_s) == (429, "QUEUE_FULL", True, 3.0)


async def test_a_refusal_without_an_end_is_read_in_part() -> None:
    endless = [Send(b"x" * 65536)] * 64
    with pytest.raises(ServerError) as caught:
        await call(Status(500, {"Content-Type": "text/plain"}), *endless)
    assert caught.value.status == 500
    assert PROBLEM_BYTES_MAX < 64 * 65536


async def test_a_refusal_that_breaks_off_is_still_one() -> None:
    with pytest.raises(ServerError) as caught:
        await call(Status(503, {}), Send(b'{"code":'), EndWithoutTerminator())
    assert caught.value.status == 503


async def test_a_redirect_is_not_followed() -> None:
    with pytest.raises(ServerError) as caught:
        await call(Status(307, {"Location": "http://127.0.0.1:1/"}, b"", framing="length"))
    assert not caught.value.retryable


@pytest.mark.parametrize("end", [EndWithoutTerminator(), Reset()])
async def test_an_answer_that_breaks_off_is_a_network_error(end: Step) -> None:
    with pytest.raises(NetworkError) as caught:
        await call(Status(200, {}), Send(b'{"a":'), end)
    assert not caught.value.unreachable


async def test_too_large_an_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.client.http.ANSWER_BYTES_MAX", 1000)
    with pytest.raises(ParseError):
        await call(Status(200, {}), Send(b"x" * 1001))
    assert ANSWER_BYTES_MAX > 1000


async def test_nobody_there() -> None:
    async with ScriptedUpstream([Stall()]) as upstream:
        origin = upstream.origin
    http = Http(make_http(origin, {}, None))
    with pytest.raises(NetworkError) as caught:
        await http.call("GET", "/x")
    assert caught.value.unreachable
    assert origin in caught.value.message
    await http.close()


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://", "", "localhost", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        make_http(url, {}, None)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_no_proxy_stands_between_this_machine_and_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with ScriptedUpstream(json_answer(b"{}")) as upstream:
        http = Http(make_http(f"http://{name}:{upstream.port}", {}, None))
        assert await http.call("GET", "/x") == b"{}"
        await http.close()


async def test_the_environments_proxy_is_used_for_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedUpstream(json_answer(b"{}")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        http = Http(make_http("http://headwater.invalid", {}, None))
        assert await http.call("GET", "/x") == b"{}"
        assert proxy.requests[0].path == "http://headwater.invalid/x"
        await http.close()


@pytest.mark.parametrize(
    ("url", "reads"),
    [
        ("http://127.0.0.1:8000", False),
        ("http://localhost:8000", False),
        ("https://127.0.0.1:8000", True),
        # a proxy of the environment may be spoken to by TLS
        ("http://headwater.example", True),
    ],
)
async def test_whom_to_trust_is_read_in_only_where_there_may_be_tls(
    url: str, reads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    load = ssl.SSLContext.load_verify_locations
    load_default = ssl.SSLContext.load_default_certs

    def noted(self: ssl.SSLContext, *args: Any, **named: Any) -> None:
        read.append(self)
        load(self, *args, **named)

    def noted_default(self: ssl.SSLContext, *args: Any) -> None:
        read.append(self)
        load_default(self, *args)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", noted)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", noted_default)
    client = make_http(url, {}, None)
    assert bool(read) == reads
    await client.aclose()
