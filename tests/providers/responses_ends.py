"""Where a Responses stream is whole, found by plain text search and `json`: an oracle for the decoder.

It shares nothing with what it judges: no SSE decoder of ours, no msgspec, no idea of items.
"""

import json
from typing import Any

from headwater.testing.dialect import Ends
from tests.providers.plain_events import plain_events


def responses_ends(body: bytes) -> Ends:
    """The first `response.completed` or `.incomplete`, and the first error, in `body`."""
    marker_at = error_at = None
    for name, data, stop in plain_events(body):
        event = _event(data)
        if event is None:
            # What the body breaks off in is no event yet, and an empty one is a heartbeat.
            if data.strip() not in (b"", b"[DONE]") and stop < len(body):
                error_at = error_at or stop
            continue
        kind = event.get("type")
        if kind in ("response.completed", "response.incomplete"):
            marker_at = marker_at or stop
        elif name == b"error" or kind in ("error", "response.failed"):
            error_at = error_at or stop
    return Ends(marker_at, None, error_at)


def _event(data: bytes) -> dict[str, Any] | None:
    try:
        event: dict[str, Any] = json.loads(data)
    except ValueError:
        return None
    return event
