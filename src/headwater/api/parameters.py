"""Query parameters and headers that several resources share: how each is read, and its row in the documentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Final

from headwater.api.route import Parameter

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def integer(name: str, low: int, high: int, about: str) -> Parameter[int]:
    """A whole number from `low` to `high`, in plain decimal digits."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 19) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return Parameter(name, parse, {"type": "integer", "minimum": low, "maximum": high}, about)


def one_of(name: str, values: Collection[str], about: str) -> Parameter[str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError("one of " + ", ".join(values))
        return text

    return Parameter(name, parse, {"type": "string", "enum": list(values)}, about)


def some_of(name: str, values: Collection[str], about: str) -> Parameter[tuple[str, ...]]:
    """A list separated by commas, each a known value."""

    def parse(text: str) -> tuple[str, ...]:
        chosen = tuple(dict.fromkeys(text.split(",")))
        if not set(chosen) <= set(values):
            raise ValueError("a list, separated by commas, of " + ", ".join(values))
        return chosen

    schema = {"type": "array", "items": {"type": "string", "enum": list(values)}}
    return Parameter(name, parse, schema, about)


def text(name: str, chars_max: int, about: str) -> Parameter[str]:
    def parse(value: str) -> str:
        if not 0 < len(value) <= chars_max:
            raise ValueError(f"1 to {chars_max} characters")
        return value

    return Parameter(name, parse, {"type": "string", "minLength": 1, "maxLength": chars_max}, about)


def time(name: str, about: str) -> Parameter[int]:
    """An RFC 3339 time; the value is milliseconds since 1970 (UTC)."""
    return Parameter(name, parse_time, {"type": "string", "format": "date-time"}, about)


def parse_time(value: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time; parts of a millisecond are dropped. Raises ValueError."""
    try:
        if _TIME.fullmatch(value) is None:
            raise ValueError
        # Its year in UTC may be none that can be said again.
        since = datetime.fromisoformat(value.upper()).astimezone(UTC) - _EPOCH
    except (ValueError, OverflowError):
        raise ValueError("a time like 2026-11-21T10:00:00.000Z, with `+` written as %2B") from None
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def format_time(ms: int) -> str:
    """RFC 3339, UTC, milliseconds: the one form of every time in the API."""
    moment = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


#: What a header parameter's row needs: the header is read by the handler, which knows when it counts.
def header(name: str, schema: dict[str, object], about: str) -> Parameter[str]:
    keep: Callable[[str], str] = str
    return Parameter(name, keep, schema, about)


#: Of faces whose answer is the run's own output.
IDEMPOTENT_ANSWER: Final = header(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    "Makes a repeat return the same run's answer",
)
