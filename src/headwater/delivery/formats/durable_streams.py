"""The forms of the Durable Streams protocol: offsets, cursors, bodies and events. Pure.

Source: durable-streams/durable-streams, PROTOCOL.md, sections 5 to 8.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

import msgspec

from headwater.domain.stream import JSON_TYPE, media_type

#: `0000000000000000_<seq>`: clients know this form, and compare offsets as text.
_OFFSET: Final = re.compile(r"0{16}_(\d{16})", re.ASCII)
#: What a client says for the stream's beginning and its present end.
BEGINNING: Final = "-1"
NOW: Final = "now"
#: A cursor counts intervals of 20 s since this moment, so that clients that wait ask for the same address.
_CURSOR_INTERVAL_MS: Final = 20_000
_CURSOR_EPOCH_MS: Final = 1_728_432_000_000
#: A client that has a cursor of the present is put ahead by up to an hour, lest it reads the same answer from a cache.
_CURSOR_AHEAD_MAX: Final = 3_600_000 // _CURSOR_INTERVAL_MS
_CURSOR: Final = re.compile(r"\d{1,15}", re.ASCII)

_encode = msgspec.json.Encoder().encode


class Place(NamedTuple):
    """Where a reader is, and how the stream stood: it has the records up to `seq`."""

    seq: int
    up_to_date: bool
    closed: bool


def offset_of(seq: int) -> str:
    """The position after the record `seq`."""
    return f"{0:016d}_{seq:016d}"


def parse_offset(text: str) -> int:
    """The seq that an offset of ours stands for; 0 for the beginning. Raises ValueError."""
    if text == BEGINNING:
        return 0
    found = _OFFSET.fullmatch(text)
    if found is None:
        raise ValueError("an offset that this server gave, `-1` or `now`")
    return int(found[1])


def cursor_of(now_ms: int, theirs: str | None, random: Random) -> str:
    """The cursor to send: always greater than the one that the client had."""
    present = (now_ms - _CURSOR_EPOCH_MS) // _CURSOR_INTERVAL_MS
    if theirs is None or _CURSOR.fullmatch(theirs) is None or int(theirs) < present:
        return str(present)
    return str(int(theirs) + random.randint(1, _CURSOR_AHEAD_MAX))


def etag_of(stream: str, after: int, place: Place) -> bytes:
    """Names an answer: which stream, from where to where, and whether that is its end."""
    end = "c" if place.closed and place.up_to_date else "u" if place.up_to_date else "p"
    return f'"{stream}:{after}:{place.seq}:{end}"'.encode()


def body_of(content_type: str, payloads: Sequence[bytes]) -> bytes:
    """Records as the body of an answer: an array of JSON, or one after the other."""
    if media_type(content_type) == JSON_TYPE:
        return b"[%b]" % b",".join(payloads)
    return b"".join(payloads)


def is_base64(content_type: str) -> bool:
    """Whether records of this type go into events as Base64: all that is neither text nor JSON."""
    kind = media_type(content_type)
    return kind != JSON_TYPE and not kind.startswith("text/")


def data_event(content_type: str, payloads: Sequence[bytes]) -> bytes:
    """Records as one event. Text that is not UTF-8 has U+FFFD in place of what can not be read."""
    data = body_of(content_type, payloads)
    if is_base64(content_type):
        data = b64encode(data)
    else:
        try:
            data.decode()
        except UnicodeDecodeError:
            data = data.decode(errors="replace").encode()
    return b"event: data\n%b\n" % _data(data)


def control_event(place: Place, cursor: str) -> bytes:
    """What follows each event of data, and tells of the end: where to go on from."""
    told: dict[str, object] = {"streamNextOffset": offset_of(place.seq)}
    if place.up_to_date and place.closed:
        told["streamClosed"] = True
    else:
        told["streamCursor"] = cursor
    if place.up_to_date:
        told["upToDate"] = True
    return b"event: control\n%b\n" % _data(_encode(told))


def _data(text: bytes) -> bytes:
    # The protocol's own clients and tests want no space behind the colon; a decoder takes one away where there is one.
    # Not line by line: as objects, the lines of a text that has nothing else are sixty times its bytes.
    lines = b"\n" + text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return lines.replace(b"\n", b"\ndata:").replace(b"\ndata: ", b"\ndata:  ")[1:] + b"\n"
