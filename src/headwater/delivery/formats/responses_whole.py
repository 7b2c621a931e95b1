"""A response in one piece: the same records as a stream gets, folded as they come; the final one becomes the object."""

from __future__ import annotations

import msgspec

from headwater.delivery.formats.openai_error import refusal
from headwater.delivery.formats.responses_object import ResponseState
from headwater.delivery.formats.whole_answer import WholeAnswer
from headwater.domain import event as ev
from headwater.domain.run import Run

_encode = msgspec.json.Encoder().encode


class WholeResponse(WholeAnswer):
    """The encoding of one whole response. It shows nothing before the run's end, and takes each record once."""

    transport = "openai_response"

    def __init__(self, run: Run) -> None:
        super().__init__(refusal)
        self._state = ResponseState(run)

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
                return self.failed(failed)
