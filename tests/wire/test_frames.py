"""What every decoder of a JSON framing keeps: its bound, its fault, its end, and the byte order mark."""

from collections.abc import Callable

import pytest

from headwater.errors import EventTooLarge
from headwater.wire.frames import ValueDecoder
from headwater.wire.json_array import JSONArrayDecoder
from headwater.wire.ndjson import NDJSONDecoder
from headwater.wire.sse import Frame

BOM = b"\xef\xbb\xbf"

#: a decoder, what begins its body, what stands between two values, and what ends it
KINDS: dict[str, tuple[Callable[..., ValueDecoder], bytes, bytes, bytes]] = {
    "array": (JSONArrayDecoder, b"[", b",", b"]"),
    "lines": (NDJSONDecoder, b"", b"\n", b"\n"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[Callable[..., ValueDecoder], bytes, bytes, bytes]:
    return KINDS[request.param]


def body_of(kind: tuple[Callable[..., ValueDecoder], bytes, bytes, bytes], *values: bytes) -> bytes:
    _, begin, between, end = kind
    return begin + between.join(values) + end


def read(decoder: ValueDecoder, body: bytes, step: int) -> list[Frame]:
    return [frame for at in range(0, len(body), step) for frame in decoder.feed(body[at : at + step])]


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
@pytest.mark.parametrize("begin", [b"", BOM])
def test_values(kind: tuple[Callable[..., ValueDecoder], bytes, bytes, bytes], begin: bytes, step: int) -> None:
    decoder = kind[0]()
    assert read(decoder, begin + body_of(kind, b'{"a":1}', b'{"b":"}"}'), step) == [
        Frame(b'{"a":1}'),
        Frame(b'{"b":"}"}'),
    ]
    assert decoder.closed
    assert decoder.fault is None
    assert decoder.end(flush=True) == []


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_value_over_the_limit_is_a_fault_after_those_before_it(
    kind: tuple[Callable[..., ValueDecoder], bytes, bytes, bytes], step: int
) -> None:
    decoder = kind[0](value_bytes_max=20)
    body = body_of(kind, b'{"a":1}', b'{"b":"%s"}' % (b"x" * 50), b'{"c":1}')
    frames: list[Frame] = []
    with pytest.raises(EventTooLarge) as caught:
        for at in range(0, len(body), step):
            frames += decoder.feed(body[at : at + step])
        decoder.end()
    assert frames == [Frame(b'{"a":1}')]
    assert decoder.fault is caught.value
    with pytest.raises(EventTooLarge):
        decoder.feed(b"x")
    with pytest.raises(EventTooLarge):
        decoder.end()


def test_a_value_at_the_limit_is_none(kind: tuple[Callable[..., ValueDecoder], bytes, bytes, bytes]) -> None:
    value = b'{"a":"%s"}' % (b"x" * 12)
    for step in (1, 1000):
        decoder = kind[0](value_bytes_max=len(value))
        assert read(decoder, body_of(kind, value, value), step) == [Frame(value)] * 2


def test_what_is_unfinished_at_the_end_is_dropped(
    kind: tuple[Callable[..., ValueDecoder], bytes, bytes, bytes],
) -> None:
    decoder = kind[0]()
    assert read(decoder, body_of(kind, b'{"a":1}')[:-1] + kind[2] + b'{"b"', 1) == [Frame(b'{"a":1}')]
    assert decoder.end() == []
    assert decoder.end(flush=True) == []
    with pytest.raises(RuntimeError):
        decoder.feed(b"{}")


def test_bytes_that_are_not_utf8_are_replaced(
    kind: tuple[Callable[..., ValueDecoder], bytes, bytes, bytes],
) -> None:
    value = b'{"a":"\xff\xe2\x82"}'
    assert read(kind[0](), body_of(kind, value), 1) == [Frame('{"a":"��"}'.encode())]
    fine = '{"a":"€"}'.encode()
    assert read(kind[0](), body_of(kind, fine), 1) == [Frame(fine)]


def test_a_limit_must_be_one() -> None:
    with pytest.raises(ValueError, match="positive"):
        NDJSONDecoder(value_bytes_max=0)
