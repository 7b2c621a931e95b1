"""What `benchmarks.decode` measures: a dialect, streams in it, and what others make of the same frames."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from headwater.providers.contract import Dialect, Frame
from tests.recordings import recordings

#: What a synthetic stream says, a word a frame.
WORDS: Final = ("The", " run", " outlives", " its", " connection", ",", " token", " by", " token", ".")


class Subject(NamedTuple):
    """`sdk` is what the provider's own does by default, from the frames, ready-made, to what its callers get."""

    dialect: Dialect
    streams: Mapping[str, bytes]
    sdk: Callable[[Sequence[Frame]], None]
    #: other ways to read the same frames, for comparison only
    others: Mapping[str, Callable[[Sequence[Frame]], None]] = {}
    #: what all of ours may take for a frame, in µs
    target_us: float = 4.0


def compact(value: Any) -> bytes:
    """JSON as providers send it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def recorded(api: str, *names: str) -> dict[str, bytes]:
    """These recordings of an api, by their names; nothing on a machine without."""
    return {each.name: each.read() for each in recordings(api=api) if each.name in names}
