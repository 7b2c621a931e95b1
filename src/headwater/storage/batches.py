"""The two binary forms of records on disk, each with checksums. Pure.

A *frame* is one commit: records of many runs, as columns (run keys, seqs, counts, lengths) before the
payloads. It has two checksums, so that where only payloads are damaged it is still known whose they are.
A *segment* is a piece of one run's log. Its checksum covers its place too, so that a segment which
turns up in another place is not taken for that one's.

    frame    version u8 · 0 u8[3] · appends u32 · records u32 · crc(columns) u32 · crc(payloads) u32
             keys u32[appends] · afters u32[appends] · counts u32[appends], high bit: final
             lengths u32[records] · payloads
    segment  version u8 · 0 u8[3] · records u32 · crc u32 · lengths u32[records] · payloads

All numbers are little-endian; checksums are CRC-32 (zlib), seeded in a frame with its id.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol
from zlib import crc32

from headwater.errors import LogCorrupt

VERSION = 1
#: Run keys and seqs are kept in 32 and 31 bits.
KEY_MAX = 2**32 - 1
SEQ_MAX = 2**31 - 1

_FINAL = 1 << 31
_FRAME = struct.Struct("<B3xIIII")
_SEGMENT = struct.Struct("<B3xII")
_PLACE = struct.Struct("<III")
_U32 = "I"
assert array(_U32).itemsize == 4


class FrameEntry(NamedTuple):
    """One append of a frame: records `after + 1 … last` of the run with this key.

    `payloads` is None where they are damaged.
    """

    key: int
    after: int
    last: int
    final: bool
    payloads: list[bytes] | None


class Keyed(Protocol):
    """Who has a run's key."""

    @property
    def key(self) -> int: ...


def _column(values: Iterable[int]) -> bytes:
    column = array(_U32, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _numbers(data: bytes) -> array[int]:
    column = array(_U32)
    column.frombytes(data)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _split(body: bytes, lengths: Sequence[int]) -> list[bytes]:
    ends = list(accumulate(lengths))
    return [body[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def encode_frame(journal_id: int, appends: Iterable[tuple[Keyed, int, Sequence[bytes], bool]]) -> bytes:
    """One commit's appends, in order: whose, after which seq, which payloads, whether they are final."""
    keys: list[int] = []
    afters: list[int] = []
    counts: list[int] = []
    payloads: list[bytes] = []
    for owner, after, batch, final in appends:
        keys.append(owner.key)
        afters.append(after)
        counts.append(len(batch) | _FINAL if final else len(batch))
        payloads += batch
    columns = _column([*keys, *afters, *counts, *map(len, payloads)])
    body = b"".join(payloads)
    head = _FRAME.pack(VERSION, len(keys), len(payloads), crc32(columns, journal_id & 0xFFFFFFFF), crc32(body))
    return b"".join((head, columns, body))


def decode_frame(journal_id: int, frame: bytes) -> list[FrameEntry]:
    """The appends of a frame, which padding may follow.

    Raises `LogCorrupt` where it can not be told whose records it held.
    Where only payloads are damaged, those of every append are None: one checksum covers them all.
    """
    if len(frame) < _FRAME.size:
        raise LogCorrupt("a frame of the journal is too short")
    version, appends, records, columns_crc, body_crc = _FRAME.unpack_from(frame)
    columns_size = 4 * (3 * appends + records)
    columns = frame[_FRAME.size : _FRAME.size + columns_size]
    if version != VERSION or len(columns) != columns_size or crc32(columns, journal_id & 0xFFFFFFFF) != columns_crc:
        raise LogCorrupt("a frame of the journal does not match its checksum")
    numbers = _numbers(columns)
    keys, afters, counts = numbers[:appends], numbers[appends : 2 * appends], numbers[2 * appends : 3 * appends]
    lengths = numbers[3 * appends :]
    body_start = _FRAME.size + columns_size
    body = frame[body_start : body_start + sum(lengths)]
    payloads = _split(body, lengths) if crc32(body) == body_crc and len(body) == sum(lengths) else None
    entries, start = [], 0
    for key, after, marked in zip(keys, afters, counts, strict=True):
        count = marked & ~_FINAL
        own = None if payloads is None else payloads[start : start + count]
        entries.append(FrameEntry(key, after, after + count, bool(marked & _FINAL), own))
        start += count
    return entries


def encode_segment(key: int, first: int, payloads: Sequence[bytes]) -> bytes:
    """Records `first …` of the run with this key."""
    lengths = _column(map(len, payloads))
    body = b"".join(payloads)
    crc = crc32(body, crc32(lengths, crc32(_PLACE.pack(key, first, len(payloads)))))
    return b"".join((_SEGMENT.pack(VERSION, len(payloads), crc), lengths, body))


def decode_segment(key: int, first: int, segment: bytes) -> list[bytes]:
    """The payloads of a segment that is kept as this run's from this seq. Raises `LogCorrupt`."""
    if len(segment) < _SEGMENT.size:
        raise LogCorrupt(f"the records from {first} on are lost")
    version, count, expected = _SEGMENT.unpack_from(segment)
    start = _SEGMENT.size + 4 * count
    lengths, body = segment[_SEGMENT.size : start], segment[start:]
    crc = crc32(body, crc32(lengths, crc32(_PLACE.pack(key, first, count))))
    if version != VERSION or crc != expected or len(lengths) != 4 * count:
        raise LogCorrupt(f"the records from {first} on do not match their checksum")
    return _split(body, _numbers(lengths))
