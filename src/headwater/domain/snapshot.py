"""The snapshot of a run: the fold of its records up to a seq.

`Fold` is given records one after another, in order, and can say at any time what they amount to.
Text is kept in pieces and joined when asked for, so the work is linear in the log's length. Pieces
keep their seq: an `attempt` that supersedes drops what its call had put out from a seq on.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.open_word import open_word
from headwater.domain.structured_value import value_of

PartKind = Literal["text", "reasoning", "refusal"]


class PartSnapshot(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    index: int
    kind: Annotated[str, open_word(PartKind)]
    text: str
    call: int | None = None


class ToolCallSnapshot(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    id: str
    name: str
    arguments: str
    done: bool
    call: int | None = None


class CallSnapshot(msgspec.Struct, frozen=True):
    call: int
    role: Annotated[str, open_word(ev.Role)]
    provider: str
    model: str
    attempt: int = 1
    finish_reason: str | None = None


class ErrorSnapshot(msgspec.Struct, frozen=True):
    code: str
    message: str
    retryable: bool


class Snapshot(msgspec.Struct, frozen=True):
    """What a run amounts to at `seq`. `text` is that of the answer calls' current attempts.

    `result` is the application's, once the run has ended: of one that is not whole, as far as it had come.
    """

    seq: int
    text: str
    parts: list[PartSnapshot]
    reasoning: str
    refusal: str
    value: Any
    tool_calls: list[ToolCallSnapshot]
    calls: list[CallSnapshot]
    state: dict[str, Any]
    usage: Usage | None
    finish_reason: str | None
    error: ErrorSnapshot | None
    result: Any = None


class Spent(NamedTuple):
    """What a call has put out since its usage was last settled by a new attempt, and the newest report of that."""

    call: int
    provider: str
    model: str
    reported: Usage | None
    #: what it was asked with, in bytes of UTF-8, as all here; None for the run's own messages
    input_bytes: int | None
    #: text of earlier attempts that it goes on from, so that it was asked with it
    begun_bytes: int
    #: that of reasoning included
    said_bytes: int
    reasoning_bytes: int


class _ToolCallPieces:
    __slots__ = ("arguments", "done_at", "name", "seq")

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.name: list[tuple[int, str]] = []
        self.arguments: list[tuple[int, str]] = []
        self.done_at: int | None = None


_Pieces = list[tuple[int, str]]
_KIND: dict[str, PartKind] = {"chunk": "text", "reasoning": "reasoning", "refusal": "refusal"}


class Fold:
    """Takes records in order of seq; `snapshot()` says what they amount to so far."""

    def __init__(self) -> None:
        self.seq = 0
        self.t = 0
        self.final: ev.Complete | ev.Cancelled | ev.Error | None = None
        self._parts: dict[tuple[int, int, PartKind], _Pieces] = {}
        self._tools: dict[tuple[int, str], _ToolCallPieces] = {}
        self._calls: dict[int, CallSnapshot] = {}
        #: what each call was asked with, where that is not what the run was
        self._input_bytes: dict[int, int] = {}
        #: of each call's newest attempt, and of all attempts before those: superseded or not, they were paid for (I7)
        self._usage: dict[int, Usage] = {}
        self._usage_before: Usage | None = None
        #: the seq from which on a call's output belongs to the usage that is still open
        self._spent_from: dict[int, int] = {}
        #: what became known of each call's structured answer, with its seq
        self._fields: dict[int, list[tuple[int, ev.Field]]] = {}
        self._state: dict[str, Any] = {}

    def apply_all(self, records: Iterable[ev.Record]) -> None:
        for record in records:
            self.apply(record)

    def apply(self, record: ev.Record) -> None:
        """Takes the next record. Raises ValueError if it is not the next one."""
        if record.seq != self.seq + 1:
            raise ValueError(f"record {record.seq} does not follow {self.seq}")
        self.seq, self.t = record.seq, record.t
        event = record.event
        match event:
            case ev.Chunk() | ev.Reasoning() | ev.Refusal():
                key = (event.call or 1, event.index, _KIND[event.type])
                self._parts.setdefault(key, []).append((record.seq, event.content))
            case ev.ToolCall():
                self._apply_tool_call(record.seq, event)
            case ev.UsageReport():
                self._usage[event.call or 1] = event.usage
            case ev.Call():
                self._calls[event.call] = CallSnapshot(event.call, event.role, event.provider, event.model)
                self._spent_from[event.call] = record.seq
                if event.input_bytes is not None:
                    self._input_bytes[event.call] = event.input_bytes
            case ev.Attempt():
                self._apply_attempt(record.seq, event)
            case ev.Status(state="retrying" | "falling_back") if len(self._calls) == 1:
                self._settle()
            case ev.Context():
                self._state["context"] = event.context
            case ev.Field():
                self._fields.setdefault(event.call or 1, []).append((record.seq, event))
            case ev.Complete() | ev.Cancelled() | ev.Error():
                self.final = event
            case _:
                pass

    def apply_text(self, seq: int, t: int, chunk: ev.Chunk) -> None:
        """`apply` of a record with this chunk, at less cost: nearly every record is one."""
        if seq != self.seq + 1:
            raise ValueError(f"record {seq} does not follow {self.seq}")
        self.seq, self.t = seq, t
        key: tuple[int, int, PartKind] = (chunk.call or 1, chunk.index, "text")
        if (pieces := self._parts.get(key)) is None:
            pieces = self._parts[key] = []
        pieces.append((seq, chunk.content))

    def ended_with(self, events: Iterable[ev.Event], t: int) -> Fold:
        """As it will be after these last records: reports of usage, and the final one. The fold itself stays."""
        ended = copy.copy(self)
        ended._usage = dict(self._usage)
        for event in events:
            ended.apply(ev.Record(ended.seq + 1, t, event))
        return ended

    def _apply_tool_call(self, seq: int, event: ev.ToolCall) -> None:
        tool = self._tools.setdefault((event.call or 1, event.id), _ToolCallPieces(seq))
        if event.name and not tool.name:
            tool.name.append((seq, event.name))
        if event.arguments:
            tool.arguments.append((seq, event.arguments))
        if event.done and tool.done_at is None:
            # the first: what takes a later one back leaves it done
            tool.done_at = seq

    def _apply_attempt(self, seq: int, event: ev.Attempt) -> None:
        known = self._calls.get(event.call)
        role = known.role if known else "answer"
        self._calls[event.call] = CallSnapshot(event.call, role, event.provider, event.model, event.number)
        if (spent := self._usage.pop(event.call, None)) is not None:
            self._usage_before = spent if self._usage_before is None else self._usage_before + spent
            self._spent_from.pop(event.call, None)
        self._spent_from.setdefault(event.call, seq)
        if event.supersedes_from is None:
            return
        start = event.supersedes_from
        for key in [k for k in self._parts if k[0] == event.call]:
            self._parts[key] = kept = [p for p in self._parts[key] if p[0] < start]
            if not kept:
                del self._parts[key]
        for tool_key in [k for k in self._tools if k[0] == event.call]:
            tool = self._tools[tool_key]
            if tool.seq >= start:
                del self._tools[tool_key]
                continue
            tool.name = [p for p in tool.name if p[0] < start]
            tool.arguments = [p for p in tool.arguments if p[0] < start]
            if tool.done_at is not None and tool.done_at >= start:
                tool.done_at = None
        if event.call in self._fields:
            self._fields[event.call] = [each for each in self._fields[event.call] if each[0] < start]

    def _settle(self) -> None:
        """The attempt is over. What it used was told before, if it used anything; unless a crash lay in between."""
        for spent in self.spent():
            if spent.reported is not None or not spent.said_bytes:
                del self._spent_from[spent.call]

    def _answers(self, call: int) -> bool:
        known = self._calls.get(call)
        return known is None or known.role == "answer"

    def _joined(self, kind: PartKind) -> str:
        return "".join(
            text
            for (call, _, part_kind), pieces in sorted(self._parts.items())
            if part_kind == kind and self._answers(call)
            for _, text in pieces
        )

    @property
    def _value(self) -> Any:
        """The structured answer of the newest answer call that has one, else the application's result."""
        for call, fields in sorted(self._fields.items(), reverse=True):
            if fields and self._answers(call):
                return value_of(field for _, field in fields)
        return self.result

    @property
    def result(self) -> Any:
        """The application's, as the final record says it."""
        return None if self.final is None else self.final.result

    @property
    def text(self) -> str:
        """The answer's text so far."""
        return self._joined("text")

    @property
    def usage(self) -> Usage | None:
        """The sum over all attempts of all calls, or None where none has reported."""
        return self.usage_with(())

    def usage_with(self, reports: Iterable[ev.UsageReport]) -> Usage | None:
        """What `usage` will be with these reports of the newest attempts."""
        if isinstance(self.final, ev.Complete):
            return self.final.usage
        total = self._usage_before
        for usage in {**self._usage, **{report.call or 1: report.usage for report in reports}}.values():
            total = usage if total is None else total + usage
        return total

    def spent(self) -> list[Spent]:
        """What each call may still have to be paid for. Linear in the length of the output."""
        return [self._spent(self._calls[call], start) for call, start in self._spent_from.items()]

    def _spent(self, known: CallSnapshot, start: int) -> Spent:
        call = known.call
        begun = said = reasoning = 0
        for (of_call, _, kind), pieces in self._parts.items():
            if of_call != call:
                continue
            size = sum(len(text.encode()) for seq, text in pieces if seq >= start)
            begun += sum(len(text.encode()) for seq, text in pieces if seq < start)
            said += size
            reasoning += size if kind == "reasoning" else 0
        for (of_call, _), tool in self._tools.items():
            if of_call == call:
                said += sum(len(text.encode()) for seq, text in tool.arguments if seq >= start)
        asked = self._input_bytes.get(call)
        return Spent(call, known.provider, known.model, self._usage.get(call), asked, begun, said, reasoning)

    def snapshot(self) -> Snapshot:
        """What the records so far amount to. Linear in the length of the output."""
        several = len(self._calls) > 1
        finish = self.final.finish_reason if isinstance(self.final, ev.Complete) else None
        error = self.final if isinstance(self.final, ev.Error) else None
        return Snapshot(
            seq=self.seq,
            text=self._joined("text"),
            parts=[
                PartSnapshot(index=index, kind=kind, text="".join(p for _, p in pieces), call=call if several else None)
                for (call, index, kind), pieces in sorted(self._parts.items())
            ],
            reasoning=self._joined("reasoning"),
            refusal=self._joined("refusal"),
            value=self._value,
            tool_calls=[
                ToolCallSnapshot(
                    id=tool_id,
                    name="".join(p for _, p in tool.name),
                    arguments="".join(p for _, p in tool.arguments),
                    done=tool.done_at is not None,
                    call=call if several else None,
                )
                for (call, tool_id), tool in self._tools.items()
            ],
            calls=[
                msgspec.structs.replace(call, finish_reason=finish)
                if finish is not None and call.role == "answer"
                else call
                for call in self._calls.values()
            ],
            state=dict(self._state),
            usage=self.usage,
            finish_reason=finish,
            error=ErrorSnapshot(error.code, error.message, error.retryable) if error else None,
            result=self.result,
        )


def fold(records: Iterable[ev.Record]) -> Snapshot:
    """The snapshot of these records, which begin at seq 1."""
    state = Fold()
    state.apply_all(records)
    return state.snapshot()
