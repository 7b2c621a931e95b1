"""Where a Messages stream is whole, found by plain text search and `json`: an oracle for the decoder.

It shares nothing with what it judges: no SSE decoder, no msgspec, no idea of content blocks.
"""

import json

from headwater.testing.dialect import Ends
from tests.providers.plain_events import plain_events


def messages_ends(body: bytes) -> Ends:
    """The first `message_stop` and the first error in `body`, as lengths of the prefixes that hold them."""
    marker_at = error_at = None
    for _, data, stop in plain_events(body):
        try:
            event = json.loads(data)
        except ValueError:
            # What the body breaks off in is no event yet.
            if data.strip() and stop < len(body):
                error_at = error_at or stop
            continue
        if event["type"] == "error":
            error_at = error_at or stop
        elif event["type"] == "message_stop":
            marker_at = marker_at or stop
    return Ends(marker_at=marker_at, error_at=error_at)
