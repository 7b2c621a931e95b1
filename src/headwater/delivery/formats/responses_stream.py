"""A response as events: https://platform.openai.com/docs/api-reference/responses-streaming.

Created, in progress, the items with their parts and deltas, and one of completed, incomplete or failed. Each event has
a number, from 0 on, which depends on the run and its log alone: whoever was cut asks for what comes after the last
number it has. Never `id:` nor `retry:`, heartbeats are comments, and no `[DONE]` follows: OpenAI sends none here.

Nearly every record is text of the part that grows: its bytes are cut out of the record, and only the rest is decoded.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final, NamedTuple

import msgspec

from headwater.delivery.formats.openai_chat import HEAD_WITHIN_S, draining_refusal, failure_refusal
from headwater.delivery.formats.openai_error import error_json
from headwater.delivery.formats.responses_annotations import logprobs_of, without_bytes
from headwater.delivery.formats.responses_items import OUTPUT_TEXT, Item, Part, Said
from headwater.delivery.formats.responses_object import ResponseState
from headwater.delivery.held import Refusal
from headwater.domain import event as ev
from headwater.domain.run import Run
from headwater.errors import ErrorCode
from headwater.wire.sse import encode_comment

_TYPE: Final = b',"type":"'
_CONTENT: Final = b'","data":{"content":'

_encode = msgspec.json.Encoder().encode


class _Delta(NamedTuple):
    """A piece of text as an event: the bytes before it, and those behind it but for the number."""

    head: bytes
    tail: bytes

    @classmethod
    def of(cls, item: Item, part: Part) -> _Delta:
        name = part.kind.text_event + ".delta"
        where = _encode(item.where(part))[1:-1]
        logprobs = b',"logprobs":[]' if part.kind is OUTPUT_TEXT else b""
        return cls(b'event: %b\ndata: {"type":"%b",%b,"delta":' % (name.encode(), name.encode(), where), logprobs)

    def event(self, number: int, text: bytes) -> bytes:
        return self.head + text + self.tail + b',"sequence_number":%d}\n\n' % number


class _Step(NamedTuple):
    """What becomes of a record, and of those after it up to the next step, which are a delta each, or nothing."""

    #: the number of the first event
    number: int
    before: tuple[Said, ...] = ()
    delta: _Delta | None = None
    after: tuple[Said, ...] = ()


class ResponseStream:
    """The encoding of one streamed response, from after a number on (-1 is all of it).

    `refuses` says whether a run that fails before any output is refused with a status of its own: for whoever started
    it. A page may be asked for again, so the steps are kept; where an answer is one part they are few.
    """

    transport = "openai_responses"
    media_type = b"text/event-stream; charset=utf-8"
    ends_by_204 = False
    heartbeat = encode_comment("heartbeat")

    def __init__(self, run: Run, *, after: int = -1, refuses: bool = False) -> None:
        self.ended = False
        #: whoever comes back need not wait for a sign of life
        self.head_within_s: float | None = HEAD_WITHIN_S if after < 0 else 0.0
        self._after = after
        self._state = ResponseState(run)
        self._refuses = refuses and not self._state.background
        self._firsts: list[int] = []
        self._steps: list[_Step] = []
        #: how many events there were
        self._number = 2 if self._state.background else 1
        self._in_progress = False
        #: the part that grows, how records of its text begin behind their time, and how they end
        self._part: Part | None = None
        self._prefix = b""
        self._suffix = b""
        self._failure: Refusal | None = None

    def record(self, seq: int, payload: bytes) -> bytes:
        """The events of a record; empty for what this format does not show, or was shown before."""
        if seq <= self._state.seq:
            at = bisect_right(self._firsts, seq) - 1
            return self._shown(self._steps[at], seq - self._firsts[at], payload)
        part = self._part
        if part is not None and payload.endswith(self._suffix):
            at = payload.index(_TYPE)
            if payload.startswith(self._prefix, at):
                text = payload[at + len(self._prefix) : -len(self._suffix)]
                self._state.seq = seq
                part.text.add(seq, text[1:-1])
                number = self._number
                self._number += 1
                delta = self._steps[-1].delta
                assert delta is not None
                return delta.event(number, text) if number > self._after else b""
        return self._take(seq, payload)

    @property
    def last_number(self) -> int:
        """Of the events of the records so far."""
        return self._number - 1

    def skip(self, seq: int) -> bytes:
        return b""

    def greeting(self, retry_ms: int) -> bytes:
        state = self._state
        if not state.background:
            return self._event(0, Said("response.created", lambda: {"response": state.first("in_progress")}))
        queued = {"response": state.first("queued")}
        said = ("response.created", "response.queued")
        return b"".join(self._event(number, Said(type, lambda: queued)) for number, type in enumerate(said))

    def farewell(self, retry_ms: int) -> bytes:
        """The server goes. It is no event of the response, so it has the number of the last one."""
        self.ended = True
        self._failure = draining_refusal()
        return self._error(ErrorCode.DRAINING, "The server is shutting down.")

    def refusal(self, data: bytes) -> Refusal | None:
        return self._failure if self._refuses else None

    # ── records ─────────────────────────────────────────────────────────────────────────────────

    def _take(self, seq: int, payload: bytes) -> bytes:
        state = self._state
        record = ev.decode_record(payload)
        change = state.take(record)
        before, after = change.before, change.after
        shows = bool(before or after or change.part is not None or state.final is not None)
        if not self._in_progress and (shows or (state.begun and state.background)):
            self._in_progress = True
            first = Said("response.in_progress", lambda: {"response": state.first("in_progress")})
            before = (first, *before)
        if state.final is not None:
            before = (*before, state.end())
            self.ended = True
            if isinstance(state.final, ev.Error | ev.Cancelled) and not state.output.begun:
                self._failure = failure_refusal(state.final)
        delta = None if change.item is None or change.part is None else _Delta.of(change.item, change.part)
        step = _Step(self._number, before, delta, after)
        self._keep(seq, step)
        self._number += len(before) + (delta is not None) + len(after)
        self._follow(record.event)
        shown = self._shown(step, 0, payload)
        if self.ended and not shown:
            return self._nothing_after()
        return shown

    def _keep(self, seq: int, step: _Step) -> None:
        """A record that does what those before it did shares their step: it is a delta like them, or nothing."""
        if self._steps and not (step.before or step.after):
            last = self._steps[-1]
            if step.delta == last.delta and not (step.delta and last.after):
                return
        self._firsts.append(seq)
        self._steps.append(step)

    def _follow(self, event: ev.Event) -> None:
        """Prepares for more text of the same part: such records need not be decoded."""
        growing = self._state.output.growing
        self._part = None
        if growing is None or not isinstance(event, ev.Chunk | ev.Reasoning | ev.Refusal) or event.call is not None:
            return
        self._part = growing[1]
        self._prefix = _TYPE + event.type.encode() + _CONTENT
        self._suffix = b',"index":%d}}' % event.index

    # ── bytes ───────────────────────────────────────────────────────────────────────────────────

    def _shown(self, step: _Step, place: int, payload: bytes) -> bytes:
        """The events of the record that is the n-th of a step."""
        number, said = step.number, []
        if place == 0:
            said = [self._event(number + at, each) for at, each in enumerate(step.before)]
        number += len(step.before)
        if step.delta is not None:
            if number + place > self._after:
                said.append(self._delta(number + place, step.delta, payload))
            number += 1
        if place == 0:
            said += [self._event(number + at, each) for at, each in enumerate(step.after)]
        return b"".join(said)

    def _delta(self, number: int, delta: _Delta, payload: bytes) -> bytes:
        event = ev.decode_record(payload).event
        if isinstance(event, ev.ToolCall):
            return delta.event(number, _encode(event.arguments))
        assert isinstance(event, ev.Chunk | ev.Reasoning | ev.Refusal)
        if isinstance(event, ev.Chunk) and event.logprobs is not None:
            logprobs = [without_bytes(each) for each in logprobs_of(event.logprobs)]
            delta = delta._replace(tail=b',"logprobs":' + _encode(logprobs))
        return delta.event(number, _encode(event.content))

    def _event(self, number: int, said: Said) -> bytes:
        if number <= self._after:
            return b""
        return _sse(said.type, {**said.make(), "sequence_number": number})

    def _error(self, code: ErrorCode, message: str) -> bytes:
        """Flat, as the API has it, and nested, as its SDKs look for it."""
        error: dict[str, Any] = msgspec.json.decode(error_json(code, message))["error"]
        flat = {"code": error["code"], "message": message, "param": None, "error": error}
        return _sse("error", {**flat, "sequence_number": max(self.last_number, self._after)})

    def _nothing_after(self) -> bytes:
        """The run has ended, and all of it was seen; or more was than there is."""
        if self._after < self._number:
            return encode_comment("nothing follows")
        return self._error(ErrorCode.CURSOR_AHEAD, f"The last event has the number {self.last_number}.")


def _sse(type: str, members: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (type.encode(), _encode({"type": type, **members}))
