"""The encoder: what it writes is read as it was meant, and no field can become another."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import EncodeError, WireError
from headwater.wire.sse import (
    CONTENT_TYPE,
    MEDIA_TYPE,
    RETRY_MS_MAX,
    Frame,
    encode_comment,
    encode_event,
    record_frame,
)
from tests.wire.feeding import assert_reads
from tests.wire.reference import read_stream

# Texts that try to leave their field.
NASTY = [
    "",
    " ",
    "  two spaces, and a tail ",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\r\r",
    "\n\r",
    "\r\r\n",
    "a\n",
    "\na",
    "a\n\ndata: injected\n\n",
    "a\r\rdata: injected\r\r",
    "a\r\n\r\nevent: injected\r\ndata: injected\r\n\r\n",
    "a\nid: 666\n",
    "a\rretry: 0\r",
    "a\n: comment\n",
    "id: 666",
    "event: x",
    ":",
    ": ",
    "data",
    "data: data: x",
    "\0",
    "a\0b",
    "\ufeff",
    "\ufeffdata: x",
    "\n\ufeffdata: x\n\n",
    "\u2028data: x\u2029\u2029",
    "\x85\x0b\x0c\x1c\x1d\x1e\x1f",
    "é漢字🙂",
    "[DONE]",
    "\\n\\ndata: x",
    "�",
]

FIELD_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"))
ANY_TEXT = st.text(st.one_of(st.sampled_from("\r\n\0 :"), st.characters(exclude_categories=["Cs"])))


def as_lines(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\r", "\n").encode()


def test_the_bytes_themselves() -> None:
    assert encode_event("a\r\nb", id="7", event="add", retry_ms=1500) == (
        b"id: 7\nevent: add\nretry: 1500\ndata: a\ndata: b\n\n"
    )
    assert encode_event(b'{"a":1}') == b'data: {"a":1}\n\n'
    assert encode_event("") == b"data: \n\n"
    assert encode_event(None, id="41") == b"id: 41\n\n"
    assert encode_event(None, retry_ms=0) == b"retry: 0\n\n"
    assert encode_event("x", id="", event="") == b"id: \ndata: x\n\n"
    assert encode_comment() == b": \n\n"
    assert encode_comment("a\rb") == b": a\n: b\n\n"
    assert record_frame(7, b'{"seq":7}') == b'id: 7\ndata: {"seq":7}\n\n'
    assert (MEDIA_TYPE, CONTENT_TYPE) == ("text/event-stream", "text/event-stream; charset=utf-8")


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("kind", [str, bytes])
def test_data_stays_data(text: str, kind: type) -> None:
    body = encode_event(text if kind is str else text.encode())
    reading = read_stream(body)
    assert reading.frames == [Frame(as_lines(text))]
    assert b"\r" not in body
    assert_reads(body, reading)


@pytest.mark.parametrize("text", NASTY)
def test_a_comment_stays_a_comment(text: str) -> None:
    body = encode_comment(text)
    reading = read_stream(body)
    assert reading.frames == []
    assert reading.last_event_id == ""
    assert reading.retry_ms is None
    assert reading.comments == as_lines(text).count(b"\n") + 1
    assert_reads(body, reading)


@given(
    data=st.one_of(st.none(), ANY_TEXT),
    id=st.one_of(st.none(), FIELD_TEXT),
    event=st.one_of(st.none(), FIELD_TEXT),
    retry_ms=st.one_of(st.none(), st.integers(0, RETRY_MS_MAX)),
)
def test_every_event_reads_as_it_was_meant(data: str | None, id: str | None, event: str | None, retry_ms: int) -> None:
    body = encode_event(data, id=id, event=event, retry_ms=retry_ms)
    reading = read_stream(body)
    assert reading.frames == ([] if data is None else [Frame(as_lines(data), event or "", id)])
    assert reading.last_event_id == (id or "")
    assert reading.retry_ms == retry_ms
    assert_reads(body, reading)


@pytest.mark.parametrize("field", ["id", "event"])
@pytest.mark.parametrize("text", ["\n", "a\rb", "a\r\n", "\0", "7\n\ndata: injected", "\ud800"])
def test_a_field_of_one_line_refuses_what_would_end_it(field: str, text: str) -> None:
    fields: dict[str, Any] = {field: text}
    with pytest.raises(EncodeError, match=field):
        encode_event("x", **fields)


@pytest.mark.parametrize("data", ["\ud800", b"\xff", b"\xed\xa0\x80"])
def test_data_must_be_utf8_and_the_error_does_not_show_it(data: str | bytes) -> None:
    with pytest.raises(EncodeError, match="UTF-8") as caught:
        encode_event(data)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert isinstance(caught.value, WireError)


def test_a_comment_must_be_unicode() -> None:
    with pytest.raises(EncodeError, match="comment"):
        encode_comment("\udfff")


@pytest.mark.parametrize("retry_ms", [-1, RETRY_MS_MAX + 1])
def test_a_reconnection_time_has_bounds(retry_ms: int) -> None:
    with pytest.raises(EncodeError, match="reconnection"):
        encode_event(None, retry_ms=retry_ms)


@given(seq=st.integers(1, 2**53), payload=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")))
def test_a_record_is_the_event_that_the_checked_way_makes(seq: int, payload: str) -> None:
    assert record_frame(seq, payload.encode()) == encode_event(payload, id=str(seq))


@pytest.mark.parametrize("payload", [b"{\n}", b"{\r}"])
def test_a_record_of_two_lines_is_a_bug(payload: bytes) -> None:
    with pytest.raises(AssertionError, match="one line"):
        record_frame(1, payload)
