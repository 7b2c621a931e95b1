"""Where a Chat Completions stream is whole, found by plain text search and `json`: an oracle for the decoder.

It shares nothing with what it judges: no SSE decoder, no msgspec, no idea of events.
"""

import json
import re
from collections.abc import Iterator

from headwater.testing.dialect import Ends

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")


def chat_ends(body: bytes) -> Ends:
    """The first `[DONE]`, finish reason of choice 0, and error in `body`, as lengths of the prefixes that hold them."""
    marker_at = finish_at = error_at = None
    for named_error, data, stop in _events(body):
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
        if named_error or chunk.get("error"):
            error_at = error_at or stop
        for choice in chunk.get("choices", []):
            if choice["index"] == 0 and choice.get("finish_reason"):
                finish_at = finish_at or stop
    return Ends(marker_at, finish_at, error_at)


def _events(body: bytes) -> Iterator[tuple[bool, bytes, int]]:
    """Each event that has data: whether it is named `error`, its data, and where the last line of data stops."""
    named_error, data, stop = False, None, 0
    start = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    for line in _LINE.finditer(body, start):
        text = line[1]
        if not text and line.start() == len(body):
            break
        if text.startswith(b"data:"):
            value = text[5:].removeprefix(b" ")
            data = value if data is None else data + b"\n" + value
            stop = line.end(1) - len(text) + len(text.rstrip())
        elif text == b"event: error":
            named_error = True
        if not text:
            if data is not None:
                yield named_error, data, stop
            named_error, data = False, None
    if data is not None:
        yield named_error, data, stop
