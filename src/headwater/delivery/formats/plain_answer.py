"""What formats share that say an answer's text, its end, and little else: streamed, and whole.

Such a stream has no word for text that is taken back: what an attempt superseded has been read, and only the whole text
at the end is without it. Output of calls that are internal is not part of the answer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

from headwater.delivery.formats.openai_chat import HEAD_WITHIN_S, Refuse, draining_refusal, failure_refusal
from headwater.delivery.formats.shown import Shown
from headwater.delivery.formats.standing_records import Said, StandingRecords
from headwater.delivery.formats.whole_answer import StandingAnswer
from headwater.delivery.held import Refusal
from headwater.domain import event as ev
from headwater.wire.sse import encode_comment


def text_of(said: Iterable[Said]) -> str:
    """The answer's text: what the model says, and says when it refuses."""
    return "".join(each.content for each in said if isinstance(each, ev.Chunk | ev.Refusal))


class TokensTold:
    """Tokens of input and output that a log has told of, each record taken once: those of all attempts of all calls."""

    __slots__ = ("_before", "_newest", "_seq")

    def __init__(self) -> None:
        self._seq = 0
        #: of each call's newest attempt, and of all before those
        self._newest: dict[int, int] = {}
        self._before = 0

    def take(self, seq: int, event: ev.Event) -> None:
        if seq <= self._seq:
            return
        self._seq = seq
        match event:
            case ev.UsageReport(usage=usage, call=call):
                self._newest[call or 1] = usage.input_tokens + usage.output_tokens
            case ev.Attempt(call=call):
                self._before += self._newest.pop(call, 0)
            case ev.Complete(usage=usage):
                self._newest.clear()
                self._before = usage.input_tokens + usage.output_tokens

    @property
    def total(self) -> int:
        return self._before + sum(self._newest.values())


class ToldAnswer:
    """What the caller's log is told of an answer, streamed or whole."""

    __slots__ = ()

    _standing: StandingRecords
    _tokens: TokensTold

    @property
    def tokens(self) -> int:
        """Of input and output, as far as the records have told."""
        return self._tokens.total

    @property
    def text(self) -> str:
        """The answer's text as it stands."""
        return text_of(self._standing)


class PlainStream(ToldAnswer):
    """The encoding of one streamed answer. A format's own part is the data of its frames.

    With `run` each frame has an `id` behind its data, `run:seq`, by which a reader comes back: `after` is the last seq
    that it has. What the caller's log is told is in `pieces`, `text` and `tokens`.
    """

    transport = ""
    media_type = b"text/event-stream"
    ends_by_204 = False
    heartbeat = encode_comment("heartbeat")
    head_within_s: float | None = HEAD_WITHIN_S

    __slots__ = ("_after", "_failure", "_refuse", "_run", "_seq", "_shown", "_standing", "_tokens", "ended", "pieces")

    def __init__(self, refuse: Refuse, *, run: str | None = None, after: int = 0) -> None:
        """`refuse` makes a failure the answer of the format's own API."""
        self.ended = False
        #: frames with text that the reader was given
        self.pieces = 0
        self._refuse = refuse
        self._run = run
        self._after = after
        self._seq = 0
        self._shown = Shown()
        self._standing = StandingRecords()
        self._tokens = TokensTold()
        self._failure: Refusal | None = None

    def record(self, seq: int, payload: bytes) -> bytes:
        """The frame of a record; empty for what this format does not show."""
        event = ev.decode_record(payload).event
        self._tokens.take(seq, event)
        if not self._shown.is_shown(seq, event):
            return b""
        self._standing.take(seq, event)
        data = self._data(event)
        is_new, self._seq = seq > self._seq, max(seq, self._seq)
        if not data or seq <= self._after:
            return b""
        if is_new and isinstance(event, ev.Chunk | ev.Refusal):
            self.pieces += 1
        if self._run is None:
            return b"data: %b\n\n" % data
        return b"data: %b\nid: %b:%d\n\n" % (data, self._run.encode(), seq)

    def skip(self, seq: int) -> bytes:
        return b""

    def greeting(self, retry_ms: int) -> bytes:
        """Who is cut before the first frame has a place to come back to, too, and does not ask anew."""
        return b"" if self._run is None else b"id: %b:%d\n\n" % (self._run.encode(), self._after)

    def farewell(self, retry_ms: int) -> bytes:
        """Who can come back is left to do so; who can not is told that the answer ends for him."""
        if self._run is not None:
            return b""
        self.ended = True
        self._failure = draining_refusal(self._refuse)
        return b"data: %b\n\n" % self._failure.body

    def refusal(self, data: bytes) -> Refusal | None:
        """The failure in place of a stream; not for who comes back, and has begun to read."""
        return None if self._after or self.pieces else self._failure

    def _data(self, event: ev.Event) -> bytes:
        match event:
            case ev.Chunk() | ev.Refusal():
                return self.piece(event.content) if event.content else b""
            case ev.Context():
                return self.context(event)
            case ev.Complete():
                self.ended = True
                return self.done(event)
            case ev.Error() | ev.Cancelled():
                self.ended = True
                self._failure = failure_refusal(event, self._refuse)
                return self._failure.body
        return b""

    @abstractmethod
    def piece(self, text: str) -> bytes:
        """A piece of the answer, as JSON."""

    def context(self, event: ev.Context) -> bytes:
        """What the application learned before it answers, as JSON; empty where the format does not say so."""
        return b""

    @abstractmethod
    def done(self, end: ev.Complete) -> bytes:
        """The end of an answer that is whole, as JSON."""


class PlainAnswer(ToldAnswer, StandingAnswer):
    """The encoding of one whole answer. A format's own part is `answer`."""

    __slots__ = ("_shown", "_tokens")

    def __init__(self, refuse: Refuse) -> None:
        super().__init__(refuse)
        self._shown = Shown()
        self._tokens = TokensTold()

    def record(self, seq: int, payload: bytes) -> bytes:
        event = ev.decode_record(payload).event
        self._tokens.take(seq, event)
        if not self._shown.is_shown(seq, event):
            return b""
        return super().record(seq, payload)
