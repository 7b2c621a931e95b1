"""Where a Chat Completions stream is whole, found by plain text search and `json`: an oracle for the decoder.

It shares nothing with what it judges: no SSE decoder, no msgspec, no idea of events.
"""

import json

from headwater.testing.dialect import Ends
from tests.providers.plain_events import plain_events


def chat_ends(body: bytes) -> Ends:
    """The first `[DONE]`, finish reason of choice 0, and error in `body`, as lengths of the prefixes that hold them."""
    marker_at = finish_at = error_at = None
    for name, data, stop in plain_events(body):
        if data.strip() == b"[DONE]":
            marker_at = marker_at or stop
            continue
        try:
            chunk = json.loads(data)
        except ValueError:
            # What the body breaks off in is no event yet, and an empty one is a heartbeat.
            if data.strip() and stop < len(body):
                error_at = error_at or stop
            continue
        if name == b"error" or chunk.get("error"):
            error_at = error_at or stop
        for choice in chunk.get("choices", []):
            if choice["index"] == 0 and choice.get("finish_reason"):
                finish_at = finish_at or stop
    return Ends(marker_at, finish_at, error_at)
