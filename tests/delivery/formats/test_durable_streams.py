"""Offsets, cursors, bodies and events, read back by an independent parser where there is one."""

from __future__ import annotations

import base64
import json
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.delivery.formats.durable_streams import (
    Place,
    body_of,
    control_event,
    cursor_of,
    data_event,
    etag_of,
    is_base64,
    offset_of,
    parse_offset,
)
from tests.wire.oracles import httpx_sse_frames

#: A moment in the interval 1000 of cursors.
NOW_MS = 1_728_432_000_000 + 1000 * 20_000 + 7


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_offsets_are_in_the_order_of_what_they_stand_for(one: int, two: int) -> None:
    assert parse_offset(offset_of(one)) == one
    assert (offset_of(one) < offset_of(two)) == (one < two)


def test_the_beginning_is_an_offset_too() -> None:
    assert parse_offset("-1") == parse_offset("0000000000000000_0000000000000000") == 0


@pytest.mark.parametrize(
    "text", ["", "0", "now", "0_1", "9" * 16 + "_" + "9" * 16, "0" * 16 + "_" + "٣" * 16, "0,1", "a"]
)
def test_what_is_no_offset_of_ours_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="offset"):
        parse_offset(text)


@pytest.mark.parametrize("theirs", [None, "", "x", "999", "-5", "9" * 16, "1000", "1001", "5000"])
def test_a_cursor_never_goes_back_or_stays(theirs: str | None) -> None:
    cursor = int(cursor_of(NOW_MS, theirs, random.Random(1)))
    if theirs in ("1000", "1001", "5000"):
        assert int(theirs) < cursor <= int(theirs) + 180
    else:
        assert cursor == 1000


def test_an_answer_s_name_tells_its_place_and_whether_it_is_the_end() -> None:
    names = {
        etag_of(stream, after, Place(seq, up_to_date, closed))
        for stream in ("1", "2")
        for after in (0, 1)
        for seq in (1, 2)
        for up_to_date, closed in ((False, False), (True, False), (True, True))
    }
    assert len(names) == 24
    assert all(name.startswith(b'"') and name.endswith(b'"') for name in names)


def test_records_of_json_are_an_array_and_others_are_put_together() -> None:
    assert body_of("application/json", [b"1,[2]", b'{"a":3}']) == b'[1,[2],{"a":3}]'
    assert body_of("Application/JSON; x=y", []) == b"[]"
    assert body_of("text/plain", [b"a", b"\xff"]) == b"a\xff"


@given(st.text(), st.booleans())
def test_an_event_of_text_is_one_event_with_its_lines(text: str, up_to_date: bool) -> None:
    block = data_event("text/plain", [text.encode()]) + control_event(Place(3, up_to_date, False), "7")
    data, control = httpx_sse_frames(block)
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    assert (data.event, data.data.decode()) == ("data", lines)
    told = json.loads(control.data)
    assert (control.event, told["streamNextOffset"], told["streamCursor"]) == ("control", offset_of(3), "7")
    assert told.get("upToDate", False) is up_to_date


@given(st.text("\r\n x"))
def test_an_event_of_little_but_lines_too(text: str) -> None:
    (data,) = httpx_sse_frames(data_event("text/plain", [text.encode()]))
    assert data.data.decode() == text.replace("\r\n", "\n").replace("\r", "\n")


def test_many_lines_take_what_they_are_long() -> None:
    text = b"\n" * 500_000
    tracemalloc.start()
    try:
        block = data_event("text/plain", [text])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert block == b"event: data\n" + b"data:\n" * (len(text) + 1) + b"\n"
    assert peak < 5 * len(block), "each line was an object of its own"


@given(st.lists(st.binary(), min_size=1))
def test_an_event_of_bytes_is_base64(payloads: list[bytes]) -> None:
    (data,) = httpx_sse_frames(data_event("image/png", payloads))
    assert base64.b64decode(data.data) == b"".join(payloads)


def test_text_that_is_no_utf8_is_told_all_the_same() -> None:
    (data,) = httpx_sse_frames(data_event("text/plain", [b"a\xffb"]))
    assert data.data.decode() == "a\ufffdb"


@pytest.mark.parametrize(("kind", "coded"), [("text/html", False), ("application/json", False), ("a/b; c=text/", True)])
def test_what_is_neither_text_nor_json_is_coded(kind: str, coded: bool) -> None:
    assert is_base64(kind) is coded


def test_the_end_has_no_cursor() -> None:
    (control,) = httpx_sse_frames(control_event(Place(3, True, True), "7"))
    assert json.loads(control.data) == {"streamNextOffset": offset_of(3), "streamClosed": True, "upToDate": True}
    (partial,) = httpx_sse_frames(control_event(Place(3, False, True), "7"))
    assert json.loads(partial.data) == {"streamNextOffset": offset_of(3), "streamCursor": "7"}
