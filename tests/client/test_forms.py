"""Which form a stream's first data settles. What each form makes of a whole stream is in spec/cases/forms.json."""

from __future__ import annotations

import pytest

from headwater.client.errors import ParseError
from headwater.client.forms import Envelope, settle
from headwater.domain import event as ev
from headwater.wire.sse import Frame

RECORD = ev.Record(7, 1234, ev.Chunk("Hello", 0))


def test_the_standard_envelope_is_recognised_and_read() -> None:
    frame = Frame(ev.encode_record(*RECORD), "", "7")
    form = settle(frame)
    assert form.name == "envelope"
    assert form.read(frame) == [RECORD]
    assert form.end() == []


@pytest.mark.parametrize("data", [b"[DONE]", b"Hello", b"", b"12", b"[1]", b'"text"', b"{", b'{"a":1} more', b"\xff"])
def test_what_is_no_json_object_is_raw_text(data: bytes) -> None:
    assert settle(Frame(data)).name == "raw text"


@pytest.mark.parametrize("data", [b"{}", b'{"hologram":3}', b'{"type":7}', b'{"type":"hologram"}', b'{"choices":{}}'])
def test_an_object_of_no_known_form_is_refused(data: bytes) -> None:
    with pytest.raises(ParseError):
        settle(Frame(data))


@pytest.mark.parametrize(
    "data",
    [
        b"secret-value",
        b'{"seq":"secret-value","t":1,"type":"chunk","data":{}}',
        b'{"seq":1,"t":1,"type":"error","data":{"code":7,"message":"secret-value"}}',
        b'{"seq":1,"t":1,"type":"log","data":{"level":["secret-value"],"message":"x"}}',
    ],
)
def test_what_can_not_be_read_is_named_without_what_it_held(data: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        Envelope().read(Frame(data))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
