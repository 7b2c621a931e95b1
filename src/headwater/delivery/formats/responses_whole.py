"""A response in one piece: the same records as a stream gets, folded as they come; the final one becomes the object."""

from __future__ import annotations

import msgspec

from headwater.delivery.formats.openai_chat import draining_refusal, failure_refusal
from headwater.delivery.formats.responses_object import ResponseState
from headwater.delivery.held import Refusal
from headwater.domain import event as ev
from headwater.domain.run import Run

_encode = msgspec.json.Encoder().encode


class WholeResponse:
    """The encoding of one whole response. It shows nothing before the run's end, and takes each record once."""

    transport = "openai_response"
    media_type = b"application/json"
    ends_by_204 = False
    heartbeat = b""
    head_within_s: float | None = None

    def __init__(self, run: Run) -> None:
        self.ended = False
        self._state = ResponseState(run)
        self._failure: Refusal | None = None

    def record(self, seq: int, payload: bytes) -> bytes:
        """Nothing, but for the final record: the response, or the error in its place."""
        if seq > self._state.seq:
            self._state.take(ev.decode_record(payload))
        elif seq < self._state.seq:
            return b""
        match self._state.final:
            case None:
                return b""
            case ev.Complete():
                self.ended = True
                return _encode(self._state.json())
            case failed:
                return self._fail(failure_refusal(failed))

    def skip(self, seq: int) -> bytes:
        return b""

    def greeting(self, retry_ms: int) -> bytes:
        return b""

    def farewell(self, retry_ms: int) -> bytes:
        return self._fail(draining_refusal())

    def refusal(self, data: bytes) -> Refusal | None:
        return self._failure

    def _fail(self, refusal: Refusal) -> bytes:
        self.ended = True
        self._failure = refusal
        return refusal.body
