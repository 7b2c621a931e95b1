"""What a client of streams asks for is read strictly, and what can not be meant is refused before anything is done."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.api.durable_streams_request import append_of, config_of, own_name, payload_of
from headwater.api.route import Call
from headwater.domain.stream import Append, ForkPoint, Producer, StreamConfig
from headwater.errors import BadRequestError, NotFoundError, TooLargeError


def a_call(**headers: str) -> Call:
    """A request with these headers, `_` for `-`."""
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    services: Any = None  # what is read here needs none
    return Call({"headers": named}, services, {}, None)


def test_what_a_new_stream_is_to_be() -> None:
    assert config_of(a_call()) == StreamConfig()
    asked = a_call(content_type="Text/X; a=b", stream_ttl="60", stream_closed="TRUE")
    assert config_of(asked) == StreamConfig("Text/X; a=b", 60, None, True)
    assert config_of(a_call(stream_expires_at="1970-01-01T00:00:01+00:00")).expires_at_ms == 1000
    fork = a_call(
        stream_forked_from="/v1/stream/a/b", stream_fork_offset=f"{0:016d}_{5:016d}", stream_fork_sub_offset="2"
    )
    assert config_of(fork).fork == ForkPoint("a/b", 5, 2)
    assert config_of(a_call(stream_forked_from="/v1/stream/a%2Fr%C3%BCm")).fork == ForkPoint("a/rüm")


@pytest.mark.parametrize(
    "headers",
    [
        *({"stream_ttl": ttl} for ttl in ("", "-1", "+1", "01", "1.0", "1e3", "x", "9" * 17, "٣")),
        *({"stream_expires_at": time} for time in ("", "tomorrow", "2026-01-01", "1000")),
        {"stream_ttl": "1", "stream_expires_at": "2030-01-01T00:00:00Z"},
        *({"content_type": kind} for kind in ("text", "text/", "a/b\x01", "a/b, c/d", "x" * 300 + "/y")),
        {"stream_fork_sub_offset": "0"},
        {"stream_fork_offset": "-1"},
        {"stream_forked_from": "elsewhere"},
        *({"stream_forked_from": "/v1/stream/a", "stream_fork_sub_offset": sub} for sub in ("-1", "05", "1.5", "+1")),
        *({"stream_forked_from": "/v1/stream/a", "stream_fork_offset": at} for at in ("now", "5", "")),
    ],
    ids=str,
)
def test_what_can_not_be_meant_of_a_new_stream(headers: dict[str, str]) -> None:
    if any("٣" in value for value in headers.values()):
        headers = {name: "\xb2" for name in headers}  # what Latin-1 has of digits that are none
    with pytest.raises(BadRequestError):
        config_of(a_call(**headers))


@pytest.mark.parametrize("name", ["", "runs/x", "__ds/x", "a\nb", "x" * 513, "\x7f", "a\ufffd"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(NotFoundError):
        own_name(a_call(), name)


def test_what_is_a_name() -> None:
    for name in ("a", "a/b/../c", "runs", "ü ?&", "x" * 512):
        assert own_name(a_call(), name).name == name


PRODUCER = {"producer_id": "p", "producer_epoch": "0", "producer_seq": "9007199254740991"}


def test_what_is_appended() -> None:
    assert append_of(a_call(content_type="text/plain"), b"x") == Append(b"x", "text/plain")
    whole = a_call(content_type="text/plain", stream_seq="7", stream_closed="true", **PRODUCER)
    assert append_of(whole, b"x") == Append(b"x", "text/plain", Producer("p", 0, 2**53 - 1), "7", True)
    # To close needs no type, and one that is given is of no account.
    assert append_of(a_call(stream_closed="true", content_type="no type"), b"") == Append(None, close=True)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"x"),
        ({"content_type": "text/plain"}, b""),
        ({"content_type": "text/plain", "stream_closed": "yes"}, b""),
        ({"content_type": "application/json"}, b"[]"),
        ({"content_type": "application/json"}, b" [ ] "),
        *(({"content_type": "text/plain", **PRODUCER, name: value}, b"x") for name, value in (
            ("producer_id", ""), ("producer_seq", "1a"), ("producer_seq", "-1"), ("producer_epoch", "1.0"),
            ("producer_epoch", "9007199254740992"), ("producer_id", "x" * 256),
        )),
        *(({"content_type": "text/plain", name: value}, b"x") for name, value in PRODUCER.items()),
        ({"content_type": "text/plain", "stream_seq": "x" * 256}, b"x"),
    ],
    ids=str,
)  # fmt: skip
def test_what_can_not_be_appended(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(BadRequestError):
        append_of(a_call(**headers), body)


@pytest.mark.parametrize(
    ("body", "record"),
    [
        (b' {"a": 1} \n', b'{"a": 1}'),
        (b'[1, [2,3] ,\n"x,]"]', b'1,[2,3],"x,]"'),
        (b"[[[1]]]", b"[[1]]"),
        (b"null", b"null"),
        (b"[]", b""),
        (b"", b""),
    ],
)
def test_json_is_kept_value_by_value(body: bytes, record: bytes) -> None:
    assert payload_of("Application/JSON; charset=utf-8", body) == record
    assert payload_of("text/plain", body) == body
    assert payload_of(None, body) == body


@pytest.mark.parametrize("body", [b"{", b"[1,]", b"1 2", b'"\xff"', b"[NaN]", b"\xef\xbb\xbf1", b'["\n"]', b"[1]]"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequestError):
        payload_of("application/json", body)


def test_json_is_bounded() -> None:
    for body in (b"[" * 100 + b"]" * 100, b"[" + b"1," * 300_000 + b"1]"):
        with pytest.raises(TooLargeError):
            payload_of("application/json", body)
