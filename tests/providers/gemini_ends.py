"""Where a stream of Gemini's is whole, found by plain text search and `json`: an oracle for the decoder.

It shares nothing with what it judges: no framing of ours, no msgspec, no idea of events.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from headwater.testing.dialect import Ends
from tests.providers.plain_events import plain_events

#: An object that stands among the events by itself, as Google writes its errors: from a brace at the beginning of a
#: line to the next one that closes at the beginning of a line.
_BARE = re.compile(rb"^\{.*?^\}", re.DOTALL | re.MULTILINE)


class _Response(NamedTuple):
    """One frame: the shortest prefix of the body that has some of it, the shortest that has it whole, and its JSON."""

    start: int
    stop: int
    value: dict[str, Any]


def gemini_ends(body: bytes, *, events: bool) -> Ends:
    """The ends of a body of events, or of one JSON array."""
    return _ends(list(_responses(body)), len(body)) if events else _array_ends(body)


def _ends(responses: list[_Response], length: int) -> Ends:
    finish_at = error_at = None
    reopened: list[tuple[int, int]] = []
    open_since: int | None = None
    for response in responses:
        if "error" in response.value:
            error_at = error_at or response.stop
        elif _finishes(response.value):
            finish_at = finish_at or response.stop
            # Until it is there as a whole, nobody knows what it says.
            reopened.append((open_since or response.start, response.stop))
            open_since = None
            continue
        elif _has_content(response.value):
            open_since = open_since or response.start
            continue
        reopened.append((response.start, response.stop))
    if open_since is not None:
        reopened.append((open_since, length + 1))
    return Ends(finish_at=finish_at, error_at=error_at, reopened=reopened)


def _array_ends(body: bytes) -> Ends:
    values = json.loads(body)
    newest = [value for value in values if _finishes(value) or _has_content(value)][-1]
    return Ends(finish_at=body.rindex(b"]") + 1 if _finishes(newest) else None)


def _responses(body: bytes) -> Iterator[_Response]:
    """In the order of the body; what it breaks off in is one without a value."""
    found = [(event.stop - len(event.data.rstrip()) + 1, event.stop, event.data) for event in plain_events(body)]
    found += [(match.start() + 1, match.end(), match[0]) for match in _BARE.finditer(body)]
    for start, stop, data in sorted(found):
        if not data.strip():
            continue
        try:
            yield _Response(start, stop, json.loads(data))
        except ValueError:
            assert stop == len(body), "only at its end does a recording break off"
            yield _Response(start, stop + 1, {"candidates": [{"content": {"parts": ["cut off"]}}]})


def _finishes(value: dict[str, Any]) -> bool:
    reasons = [each.get("finishReason") for each in value.get("candidates", []) if not each.get("index")]
    return any(reasons) or bool(value.get("promptFeedback", {}).get("blockReason"))


def _has_content(value: dict[str, Any]) -> bool:
    return any(each.get("content", {}).get("parts") for each in value.get("candidates", []) if not each.get("index"))
