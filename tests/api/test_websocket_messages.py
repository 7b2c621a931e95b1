"""The messages of a socket as bytes, without one."""

import json
from typing import Any

import pytest
from websockets.frames import Frame
from websockets.protocol import Protocol, Side

from headwater.api.websocket_messages import (
    Cancel,
    Ping,
    Pong,
    Start,
    Subscribe,
    Subscribed,
    Unsubscribe,
    decode_message,
    done,
    id_of,
    refused,
)
from headwater.errors import BadRequestError, CursorAheadError, TooLargeError, UnavailableError


def content(frame: bytes) -> Any:
    protocol = Protocol(Side.CLIENT)
    protocol.receive_data(frame)
    (event,) = protocol.events_received()
    assert isinstance(event, Frame)
    return json.loads(bytes(event.data))


def test_what_can_be_asked() -> None:
    assert decode_message('{"id":1,"op":"ping"}') == Ping(id=1)
    assert decode_message('{"op":"cancel","id":"a","run":"r"}') == Cancel(id="a", run="r")
    assert decode_message('{"id":1,"op":"unsubscribe","run":"r"}') == Unsubscribe(id=1, run="r")
    subscribed = decode_message('{"id":1,"op":"subscribe","run":"r","from":"snapshot","types":["chunk"]}')
    assert subscribed == Subscribe(id=1, run="r", from_="snapshot", types=["chunk"])
    started = decode_message('{"id":1,"op":"start","request":{"model":"m"}}')
    assert isinstance(started, Start)
    assert (started.request.model, started.idempotency_key, started.subscribe, started.after) == ("m", None, True, 0)


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("", ""),
        ('{"id":1,"op":"ping"', ""),
        ('{"id":1,"op":"ping","x":1}', "/x"),
        ('{"op":"ping"}', "/id"),
        ('{"id":1.5,"op":"ping"}', "/id"),
        ('{"id":9007199254740992,"op":"ping"}', "/id"),
        ('{"id":"","op":"ping"}', "/id"),
        ('{"id":1,"op":"subscribe","run":"r","after":1000000000000000}', "/after"),
        ('{"id":1,"op":"subscribe","run":"r","after":0,"from":"snapshot"}', "/from"),
        ('{"id":1,"op":"subscribe","run":"r","types":["chunk","x"]}', "/types/1"),
    ],
)
def test_what_can_not(text: str, pointer: str) -> None:
    with pytest.raises(BadRequestError) as error:
        decode_message(text)
    assert error.value.extra["pointer"] == pointer


def test_a_message_is_no_deeper_than_a_body() -> None:
    with pytest.raises(TooLargeError):
        decode_message('{"id":1,"op":"start","request":' + "[" * 100)


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ('{"id":7,"op":"x"}', 7),
        ('{"op":"x","id":"seven"}', "seven"),
        ('{"id":-1}', None),
        ('{"id":[1]}', None),
        ('{"id":true}', None),
        ("{}", None),
        ("[]", None),
        ("{", None),
        ("[" * 100_000, None),
    ],
)
def test_the_id_of_what_is_no_message(text: str, id: int | str | None) -> None:
    assert id_of(text) == id


def test_the_answers() -> None:
    assert content(done(1, Subscribed("r", 3))) == {"id": 1, "ok": {"run": "r", "after": 3}}
    assert content(done("a", Pong())) == {"id": "a", "ok": {}}
    ahead = content(refused(2, CursorAheadError("ahead", tail=4)))
    assert (ahead["id"], ahead["error"]["code"], ahead["error"]["tail"]) == (2, "CURSOR_AHEAD", 4)
    assert "retry_after_s" not in ahead["error"]
    busy = content(refused(None, UnavailableError(retry_after_s=2)))
    assert (busy["id"], busy["error"]["retryable"], busy["error"]["retry_after_s"]) == (None, True, 2)
