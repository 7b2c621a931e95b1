"""The form that EventSource reads (WHATWG HTML, "Server-sent events")."""

from __future__ import annotations

from headwater.wire.sse import encode_comment, encode_event, record_frame


class SSEEncoding:
    """A record is a block with its seq as `id:`; silence is filled with comments."""

    transport = "sse"
    media_type = b"text/event-stream; charset=utf-8"
    #: the only status that makes EventSource stop
    ends_by_204 = True
    heartbeat = encode_comment("heartbeat")

    def record(self, seq: int, payload: bytes) -> bytes:
        return record_frame(seq, payload)

    def skip(self, seq: int) -> bytes:
        """A block with only an `id:` is no event, but the client's next `Last-Event-ID` is this seq."""
        return encode_event(None, id=str(seq))

    def greeting(self, retry_ms: int) -> bytes:
        return encode_comment("ok") + encode_event(None, retry_ms=retry_ms)

    def farewell(self, retry_ms: int) -> bytes:
        return encode_comment("the server is shutting down") + encode_event(None, retry_ms=retry_ms)


SSE = SSEEncoding()
