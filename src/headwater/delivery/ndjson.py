"""A record a line (ndjson.org). Silence is filled with empty lines, which that form lets a reader pass over.

A line says by its `seq` where the reader stands, so nothing else is needed to resume. An answer that
ends without a final record was cut: the run goes on, and the client should ask again after its last seq.
"""

from __future__ import annotations


class NDJSONEncoding:
    transport = "ndjson"
    media_type = b"application/x-ndjson"
    ends_by_204 = False
    heartbeat = b"\n"

    def record(self, seq: int, payload: bytes) -> bytes:
        return payload + b"\n"

    def skip(self, seq: int) -> bytes:
        """Nothing: the form has no cursor beside the records."""
        return b""

    def greeting(self, retry_ms: int) -> bytes:
        return b""

    def farewell(self, retry_ms: int) -> bytes:
        return b""


NDJSON = NDJSONEncoding()
