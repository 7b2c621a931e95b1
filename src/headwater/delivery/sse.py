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


class SSEOfRun(SSEEncoding):
    """The same with the run's id in each `id:`, for an address that does not name the run: `run_…:41`.

    So a browser's own reconnect, which sends nothing but its last id, finds the run again. Readers of a run share one.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._id = b"id: %b:" % run.encode()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SSEOfRun) and other._run == self._run

    def __hash__(self) -> int:
        return hash(self._run)

    def record(self, seq: int, payload: bytes) -> bytes:
        return b"%b%d\ndata: %b\n\n" % (self._id, seq, payload)

    def skip(self, seq: int) -> bytes:
        return b"%b%d\n\n" % (self._id, seq)


SSE = SSEEncoding()
