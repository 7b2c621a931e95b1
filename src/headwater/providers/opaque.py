"""Values in a provider's own form, made to fit a record: a server tool's result may hold a picture or a whole page."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from headwater.domain.event import RECORD_BYTES_MAX

#: What a value may have as JSON; the rest of a record is room for the event around it.
VALUE_BYTES_MAX: Final = RECORD_BYTES_MAX * 3 // 4

#: Texts above so many characters are left out; where that is not enough, those above the next.
_TEXT_CHARS_MAX: Final = (65_536, 4_096, 256)


def fits(value: Any) -> bool:
    """Whether a record can hold this JSON value."""
    return len(msgspec.json.encode(value)) <= VALUE_BYTES_MAX


def fitted(value: Any) -> Any:
    """The value itself if a record can hold it, else without its longest texts: they are null.

    Whatever was left out, an object says how much in its `omitted_bytes`.
    """
    size = len(msgspec.json.encode(value))
    if size <= VALUE_BYTES_MAX:
        return value
    for chars_max in _TEXT_CHARS_MAX:
        less = _without(value, chars_max)
        rest = len(msgspec.json.encode(less))
        if rest <= VALUE_BYTES_MAX:
            return {**less, "omitted_bytes": size - rest} if isinstance(less, dict) else less
    kind = value.get("type") if isinstance(value, dict) else None
    return {"type": kind if isinstance(kind, str) and len(kind) < 256 else None, "omitted_bytes": size}


def _without(value: Any, chars_max: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= chars_max else None
    if isinstance(value, list):
        return [_without(each, chars_max) for each in value]
    if isinstance(value, dict):
        return {name: _without(each, chars_max) for name, each in value.items()}
    return value
