"""Every framing has its row, and a decoder that keeps to the limits it is given."""

import pytest

from headwater.errors import WireError
from headwater.wire.framing import FRAMINGS, Framing, frame_decoder
from headwater.wire.sse import Frame

#: a body of two frames, and the two
BODIES: dict[Framing, tuple[bytes, list[bytes]]] = {
    Framing.SSE: (b'data: {"a":1}\n\n{"error":{}}\n\n', [b'{"a":1}', b'{"error":{}}\n']),
    Framing.JSON_ARRAY: (b'[{"a":1}\n,\n{"b":2}]', [b'{"a":1}', b'{"b":2}']),
    Framing.NDJSON: (b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}']),
}


@pytest.mark.parametrize("framing", Framing)
def test_row(framing: Framing) -> None:
    assert "" in FRAMINGS[framing].media_types
    body, values = BODIES[framing]
    decoder = frame_decoder(framing)
    assert decoder.feed(body) == [Frame(value) for value in values]
    assert decoder.closed
    assert decoder.fault is None
    assert decoder.end(flush=True) == []


@pytest.mark.parametrize("framing", Framing)
def test_limits(framing: Framing) -> None:
    decoder = frame_decoder(framing, line_bytes_max=1_000, event_bytes_max=10)
    body, _ = BODIES[framing]
    with pytest.raises(WireError):
        decoder.feed(body.replace(b'{"a":1}', b'{"a":"%s"}' % (b"1" * 2_000)))


def test_one_json_value_is_a_stream_to_the_array_alone() -> None:
    assert [framing for framing in Framing if "application/json" in FRAMINGS[framing].media_types] == [
        Framing.JSON_ARRAY
    ]
