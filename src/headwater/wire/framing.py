"""How a body is cut into frames: a row for each framing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from headwater.errors import WireError
from headwater.wire.json_array import JSONArrayDecoder
from headwater.wire.ndjson import NDJSONDecoder
from headwater.wire.sse import EVENT_BYTES_MAX, LINE_BYTES_MAX, Frame, SSEDecoder


class Framing(StrEnum):
    """How a body is cut into frames."""

    SSE = "sse"
    JSON_ARRAY = "json_array"
    NDJSON = "ndjson"


class FrameDecoder(Protocol):
    """The bytes of one body, in pieces of any size, to frames; bounded, and the same however the bytes were cut."""

    @property
    def fault(self) -> WireError | None:
        """What is wrong with the body, once the frames before it have been given out."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the body has all that its format asks for; True where the format has no end of its own."""
        ...

    def feed(self, chunk: bytes) -> list[Frame]:
        """Raises `WireError` for what can not be cut into frames."""
        ...

    def end(self, *, flush: bool = False) -> list[Frame]:
        """What is unfinished is discarded; with `flush` it is given out where it lacks nothing but its delimiter."""
        ...


class FramingRow(NamedTuple):
    """One framing. Some servers give no media type, or the plainest."""

    media_types: frozenset[str]
    #: takes the limits of a line and of an event, in bytes
    decoder: Callable[[int, int], FrameDecoder]


_PLAIN: Final = frozenset({"text/plain", "application/octet-stream", ""})


def _sse(line_bytes_max: int, event_bytes_max: int) -> FrameDecoder:
    return SSEDecoder(line_bytes_max=line_bytes_max, event_bytes_max=event_bytes_max, bare_json=True)


def _json_array(_: int, event_bytes_max: int) -> FrameDecoder:
    return JSONArrayDecoder(value_bytes_max=event_bytes_max)


def _ndjson(_: int, event_bytes_max: int) -> FrameDecoder:
    return NDJSONDecoder(value_bytes_max=event_bytes_max)


#: One JSON value in place of a stream, `application/json`, is an answer to every framing but the array's own.
FRAMINGS: Final[Mapping[Framing, FramingRow]] = {
    Framing.SSE: FramingRow(_PLAIN | {"text/event-stream"}, _sse),
    Framing.JSON_ARRAY: FramingRow(_PLAIN | {"application/json"}, _json_array),
    Framing.NDJSON: FramingRow(
        _PLAIN | {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}, _ndjson
    ),
}


def frame_decoder(
    framing: Framing, *, line_bytes_max: int = LINE_BYTES_MAX, event_bytes_max: int = EVENT_BYTES_MAX
) -> FrameDecoder:
    """What cuts one body of this framing into frames."""
    return FRAMINGS[framing].decoder(line_bytes_max, event_bytes_max)
