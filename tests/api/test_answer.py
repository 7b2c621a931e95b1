"""Every answer carries the house headers; a body is sent only where HTTP has one."""

from typing import Any

import pytest

from headwater.api.answer import GUARD_HEADERS, Answer, json_answer, no_content


async def sent(answer: Answer, **scope: Any) -> tuple[int, dict[bytes, bytes], bytes]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        raise AssertionError("an answer asks for nothing")

    await answer({"type": "http", "method": "GET", **scope}, receive, send)
    start, body = messages
    names = [name for name, _ in start["headers"]]
    assert len(names) == len(set(names)), "no header twice"
    return start["status"], dict(start["headers"]), body["body"]


@pytest.mark.parametrize("answer", [json_answer({"a": 1}), json_answer(b"[]", 201), no_content(), Answer(200, b"x")])
async def test_the_house_headers_are_on_every_answer(answer: Answer) -> None:
    _, headers, _ = await sent(answer)
    assert headers[b"headwater-protocol"] == b"1"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"referrer-policy"] == b"no-referrer"
    assert b"default-src 'none'" in headers[b"content-security-policy"]
    assert headers[b"cache-control"] == b"no-store"


async def test_json() -> None:
    status, headers, body = await sent(json_answer({"a": "é"}, 202, [(b"x-more", b"1")]))
    assert (status, body) == (202, '{"a":"é"}'.encode())
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"content-length"] == b"10"
    assert headers[b"x-more"] == b"1"


async def test_head_has_the_length_but_not_the_body() -> None:
    _, headers, body = await sent(json_answer({"a": 1}), method="HEAD")
    assert (headers[b"content-length"], body) == (b"7", b"")


async def test_204_has_neither() -> None:
    status, headers, body = await sent(no_content())
    assert (status, body) == (204, b"")
    assert b"content-length" not in headers


async def test_an_answer_may_say_how_long_it_keeps() -> None:
    _, headers, _ = await sent(Answer(200, b"", [(b"cache-control", b"max-age=60")]))
    assert headers[b"cache-control"] == b"max-age=60"


async def test_what_the_guard_left_is_added() -> None:
    _, headers, _ = await sent(no_content(), **{GUARD_HEADERS: [(b"vary", b"Origin")]})
    assert headers[b"vary"] == b"Origin"
