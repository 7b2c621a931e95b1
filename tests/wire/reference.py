"""The WHATWG's event stream rules, transcribed sentence by sentence: slow, unbounded, and plain to check.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream. It shares nothing with the
decoder under test: it works on decoded text and needs the whole of it.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal

from headwater.wire.sse import RETRY_MS_MAX, Frame


@dataclass
class Reading:
    """What one whole stream means."""

    frames: list[Frame] = field(default_factory=list)
    last_event_id: str = ""
    retry_ms: int | None = None
    comments: int = 0


def read_stream(body: bytes, *, flush: bool = False) -> Reading:
    """Interpret a whole body; `flush` ends it as if a line end and a blank line followed."""
    text = body.decode("utf-8", errors="replace")
    # "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."
    if text.startswith("\ufeff"):
        text = text[1:]
    # "Lines must be separated by either CRLF, a single LF, or a single CR."
    lines = re.split("\r\n|\n|\r", text)
    unfinished = lines.pop()
    if flush:
        if unfinished:
            lines.append(unfinished)
        lines.append("")

    reading = Reading()
    data, event_type = "", ""
    id_buffer: str | None = None
    last_id: str | None = None
    for line in lines:
        # "If the line is empty (a blank line): Dispatch the event."
        if line == "":
            # "Set the last event ID string of the event source to the value of the last event ID buffer."
            last_id = id_buffer
            # "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty
            # string and return."
            if data != "":
                # "If the data buffer's last character is a U+000A LINE FEED (LF), then remove it."
                reading.frames.append(Frame(data[:-1].encode(), event_type, last_id))
            data, event_type = "", ""
            continue
        # "If the line starts with a U+003A COLON character (:): Ignore the line."
        if line[0] == ":":
            reading.comments += 1
            continue
        # "Collect the characters on the line before the first colon … after it … If value starts with a U+0020 SPACE
        # character, remove it." "Otherwise … the whole line as the field name, and the empty string as the value."
        name, _, value = line.partition(":")
        if value[:1] == " ":
            value = value[1:]
        if name == "event":
            event_type = value
        elif name == "data":
            data += value + "\n"
        elif name == "id":
            if "\0" not in value:
                id_buffer = value
        elif name == "retry" and re.fullmatch("[0-9]+", value):
            reading.retry_ms = int(min(Decimal(value), Decimal(RETRY_MS_MAX)))
    reading.last_event_id = last_id or ""
    # "Once the end of the file is reached, any pending data must be discarded."
    return reading
