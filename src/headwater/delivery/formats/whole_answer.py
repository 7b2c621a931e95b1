"""What the encodings of whole answers share: nothing is shown before the run's end, and a failure is an answer too."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.delivery.formats.openai_chat import Refuse, draining_refusal, failure_refusal
from headwater.delivery.formats.standing_records import Said, StandingRecords
from headwater.delivery.held import Refusal
from headwater.domain import event as ev

_encode = msgspec.json.Encoder().encode


class WholeAnswer:
    """A format's own part is `record`, which is empty until the final record, and its name."""

    media_type = b"application/json"
    ends_by_204 = False
    heartbeat = b""
    head_within_s: float | None = None

    __slots__ = ("_failure", "_refuse", "ended")

    def __init__(self, refuse: Refuse) -> None:
        """`refuse` makes a failure the answer of the format's own API."""
        self.ended = False
        self._refuse = refuse
        self._failure: Refusal | None = None

    def skip(self, seq: int) -> bytes:
        return b""

    def greeting(self, retry_ms: int) -> bytes:
        return b""

    def farewell(self, retry_ms: int) -> bytes:
        return self._fail(draining_refusal(self._refuse))

    def refusal(self, data: bytes) -> Refusal | None:
        return self._failure

    def failed(self, event: ev.Error | ev.Cancelled) -> bytes:
        """The answer in the place of one that was not whole."""
        return self._fail(failure_refusal(event, self._refuse))

    def _fail(self, refusal: Refusal) -> bytes:
        self.ended = True
        self._failure = refusal
        return refusal.body


class StandingAnswer(WholeAnswer):
    """One that is made of the records that stand at the end; each is taken once. The format's own part is `answer`."""

    __slots__ = ("_standing",)

    def __init__(self, refuse: Refuse) -> None:
        super().__init__(refuse)
        self._standing = StandingRecords()

    def record(self, seq: int, payload: bytes) -> bytes:
        """Nothing, but for the final record: the answer, or the error in its place."""
        event = ev.decode_record(payload).event
        self._standing.take(seq, event)
        match event:
            case ev.Complete():
                self.ended = True
                return _encode(self.answer(list(self._standing), event))
            case ev.Error() | ev.Cancelled():
                return self.failed(event)
        return b""

    @abstractmethod
    def answer(self, said: Sequence[Said], end: ev.Complete) -> dict[str, Any]:
        """What is said of a run that has reached its end."""
