"""Frames and segments come back as they were, and no damage goes unnoticed."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import LogCorrupt
from headwater.storage.batches import KEY_MAX, SEQ_MAX, decode_frame, decode_segment, encode_frame, encode_segment

PAYLOADS = st.lists(st.binary(max_size=40), min_size=1, max_size=5)
APPENDS = st.lists(
    st.tuples(st.integers(0, KEY_MAX), st.integers(0, SEQ_MAX), PAYLOADS, st.booleans()), min_size=1, max_size=8
)


class Owner(NamedTuple):
    key: int


def frame_of(journal_id: int, appends: Sequence[tuple[int, int, list[bytes], bool]]) -> bytes:
    return encode_frame(journal_id, [(Owner(key), after, batch, final) for key, after, batch, final in appends])


@given(st.integers(0, 2**40), APPENDS)
def test_a_frame_comes_back(journal_id: int, appends: list[tuple[int, int, list[bytes], bool]]) -> None:
    entries = decode_frame(journal_id, frame_of(journal_id, appends))
    assert [(e.key, e.after, e.payloads, e.final) for e in entries] == appends
    assert [e.last - e.after for e in entries] == [len(payloads) for _, _, payloads, _ in appends]


@given(APPENDS, st.data())
def test_no_changed_byte_of_a_frame_is_served(
    appends: list[tuple[int, int, list[bytes], bool]], data: st.DataObject
) -> None:
    frame = bytearray(frame_of(7, appends))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] ^= data.draw(st.integers(1, 255))
    if 1 <= at <= 3:
        return  # padding: nothing is read from it
    try:
        entries = decode_frame(7, bytes(frame))
    except LogCorrupt:
        return
    # The columns are sound, so it is known whose records are lost.
    assert [(e.key, e.after, e.payloads, e.final) for e in entries] == [(k, a, None, f) for k, a, _, f in appends]


@given(APPENDS, st.data())
def test_a_frame_that_was_cut_is_refused_or_without_payloads(
    appends: list[tuple[int, int, list[bytes], bool]], data: st.DataObject
) -> None:
    frame = frame_of(7, appends)
    short = frame[: data.draw(st.integers(0, len(frame) - 1))]
    try:
        entries = decode_frame(7, short)
    except LogCorrupt:
        return
    assert all(entry.payloads is None for entry in entries)


def test_a_frame_in_another_row_is_refused() -> None:
    with pytest.raises(LogCorrupt):
        decode_frame(8, frame_of(7, [(1, 0, [b"x"], False)]))


@given(st.integers(0, KEY_MAX), st.integers(1, SEQ_MAX), st.lists(st.binary(max_size=50), max_size=10))
def test_a_segment_comes_back(key: int, first: int, payloads: list[bytes]) -> None:
    assert decode_segment(key, first, encode_segment(key, first, payloads)) == payloads


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=10), st.data())
def test_no_changed_byte_of_a_segment_is_served(payloads: list[bytes], data: st.DataObject) -> None:
    segment = bytearray(encode_segment(3, 5, payloads))
    at = data.draw(st.integers(0, len(segment) - 1))
    segment[at] ^= data.draw(st.integers(1, 255))
    try:
        found = decode_segment(3, 5, bytes(segment))
    except LogCorrupt:
        return
    assert 1 <= at <= 3
    assert found == payloads


@pytest.mark.parametrize(("key", "first"), [(4, 5), (3, 6)])
def test_a_segment_in_another_place_is_refused(key: int, first: int) -> None:
    with pytest.raises(LogCorrupt):
        decode_segment(key, first, encode_segment(3, 5, [b"x"]))


def test_an_empty_blob_stands_for_what_is_lost() -> None:
    with pytest.raises(LogCorrupt):
        decode_segment(3, 5, b"")
