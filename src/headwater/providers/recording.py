"""A provider's answer as it was recorded: the bytes of one body, and when each piece of them came.

`<name>.sse` holds the bytes. `<name>.timing.json`, where it is there, says how they arrived, as
`{"arrivals_ms_bytes": [[142.9, 267], …]}`: milliseconds since the request was sent, and how many bytes. Without it, or
where another pace is wanted, the bytes are cut after each event, or each value of an array, and come at an even one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from headwater.errors import ConfigError

#: A file's bytes are kept in memory.
FILE_BYTES_MAX = 64 << 20
#: The pace of a recording that has none of its own.
MS_PER_EVENT = 20.0

# Two line ends, each of them CR, LF or both; atomic, or a single CRLF would do for two. Between them stands the comma
# of a JSON array's values, as Google writes one: no event has such a line.
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r),?(?>\r\n|\n|\r)")


class Recording(NamedTuple):
    """The pieces of one body, each with the milliseconds from the call to its arrival, which never decrease."""

    pieces: Sequence[tuple[float, bytes]]


class _Timing(msgspec.Struct):
    arrivals_ms_bytes: list[tuple[float, int]]


def load_recording(path: Path, ms_per_event: float | None = None) -> Recording:
    """Reads a recording. `ms_per_event` is a pace that is wanted instead of the recorded one. Blocks.

    Raises `ConfigError` for a file that can not be read, is too large, or does not fit its timing.
    """
    body = _read(path)
    timing = path.with_suffix(".timing.json")
    if ms_per_event is not None or not timing.exists():
        return evenly(body, MS_PER_EVENT if ms_per_event is None else ms_per_event)
    try:
        arrivals = msgspec.json.decode(_read(timing), type=_Timing).arrivals_ms_bytes
    except msgspec.DecodeError as exc:
        raise ConfigError(f"{timing} can not be read: {exc}.") from None
    return as_arrived(body, arrivals, timing)


def evenly(body: bytes, ms_per_event: float) -> Recording:
    """An event a piece, the first after one interval; what follows the last event's end is a piece of its own."""
    ends = [match.end() for match in _EVENT_END.finditer(body)]
    starts = [0, *ends]
    pieces = [body[start:end] for start, end in zip(starts, [*ends, len(body)], strict=True) if start < end]
    return Recording([(number * ms_per_event, piece) for number, piece in enumerate(pieces, 1)])


def as_arrived(body: bytes, arrivals: Sequence[tuple[float, int]], source: Path) -> Recording:
    """The bytes cut as they came. Raises `ConfigError` where the times are not those of these bytes."""
    pieces: list[tuple[float, bytes]] = []
    start, before_ms = 0, 0.0
    for at_ms, size in arrivals:
        if size < 0 or at_ms < before_ms:
            raise ConfigError(f"{source} does not go forward: {at_ms:g} ms after {before_ms:g} ms.")
        pieces.append((at_ms, body[start : start + size]))
        start, before_ms = start + size, at_ms
    if start != len(body):
        raise ConfigError(
            f"{source} is of {start} bytes, but the recording has {len(body)}; set ms_per_event to do without it."
        )
    return Recording(pieces)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as exc:
        raise ConfigError(f"{path} can not be read: {exc.strerror}.") from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path} has more than {FILE_BYTES_MAX >> 20} MiB.")
    return data
