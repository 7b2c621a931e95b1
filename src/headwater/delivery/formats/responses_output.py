"""The output of a response, put together from a run's records.

The log knows parts of text and tool calls, and no items, so they are made here, by the same rule each time: text and
refusals that follow one another are one message with a part of content for each part of the log, reasoning is an item
with summaries, each tool call is an item. An item ends when another one begins; calls side by side end each by itself.
"""

from __future__ import annotations

import base64
from typing import Any, Final, NamedTuple

import msgspec

from headwater.delivery.formats.responses_annotations import citation, logprobs_of
from headwater.delivery.formats.responses_items import (
    ARGUMENTS,
    OUTPUT_TEXT,
    REFUSAL,
    SUMMARY,
    CallItem,
    Item,
    ItemStatus,
    MessageItem,
    Part,
    PartKind,
    ReasoningItem,
    Said,
)
from headwater.domain import event as ev
from headwater.domain.message import Message, ProviderValue, ToolUse
from headwater.providers.contract import Checkpoint

TextEvent = ev.Chunk | ev.Reasoning | ev.Refusal

_KINDS: Final[dict[str, PartKind]] = {"chunk": OUTPUT_TEXT, "refusal": REFUSAL, "reasoning": SUMMARY}

_encode = msgspec.json.Encoder().encode
_sealed = msgspec.json.Decoder(list[ProviderValue])


class Change(NamedTuple):
    """What a record does to the output: events, then a delta of a part, then events."""

    before: tuple[Said, ...] = ()
    item: Item | None = None
    part: Part | None = None
    after: tuple[Said, ...] = ()


NOTHING: Final = Change()


class ResponseOutput:
    """Takes a run's records in order. `name` makes the ids of the items, with their places.

    `sealed` says whether what a provider sealed is shown, as the `encrypted_content` of a reasoning item.
    """

    def __init__(self, name: str, *, sealed: bool = False) -> None:
        self._name = name
        self._shows_sealed = sealed
        #: of the output that counts, in the order in which they began
        self.items: list[Item] = []
        #: how many have begun, those that were superseded too
        self.begun = 0
        #: the message or the reasoning that grows
        self._open: Item | None = None
        self._calls: dict[tuple[int, str], CallItem] = {}
        self._internal: set[int] = set()
        #: of each value that a provider sealed: its seq and its call
        self._values: list[tuple[int, int, ProviderValue]] = []

    @property
    def growing(self) -> tuple[Item, Part] | None:
        """The part that the next piece of text may belong to."""
        return None if self._open is None or not self._open.parts else (self._open, self._open.parts[-1])

    def take(self, seq: int, event: ev.Event) -> Change:
        match event:
            case ev.Call(role=role) if role != "answer":
                self._internal.add(event.call)
            case ev.Attempt(supersedes_from=int() as start):
                return Change(tuple(self._supersede(event.call, start)))
            case ev.Chunk() | ev.Reasoning() | ev.Refusal() if event.call not in self._internal:
                return self._take_text(seq, event)
            case ev.ToolCall() if event.call not in self._internal:
                return self._take_call(seq, event)
            case ev.Annotation() if event.call not in self._internal:
                return self._annotate(event)
            case ev.ProviderData() if event.call not in self._internal:
                return self._seal(seq, event)
        return NOTHING

    def end(self, status: ItemStatus) -> tuple[Said, ...]:
        """The run is at its end, and with it every item that is open."""
        said = self._end_open(status)
        for call in self._calls.values():
            if call.status == "in_progress":
                said += call.end(status)
        return tuple(said)

    def json(self) -> list[dict[str, Any]]:
        """The items that count, as they stand."""
        return [item.json() for item in self.items]

    def message(self) -> Message:
        """What a model is shown of it in a later turn."""
        texts = [part.text.plain for item in self.items if isinstance(item, MessageItem) for part in item.parts]
        calls = [
            ToolUse(item.call_id, item.name, item.arguments.plain) for item in self.items if isinstance(item, CallItem)
        ]
        return Message("assistant", "".join(texts), None, calls, [value for _, _, value in self._values])

    # ── text ────────────────────────────────────────────────────────────────────────────────────

    def _take_text(self, seq: int, event: TextEvent) -> Change:
        said, item, part = self._part(seq, event)
        part.text.add(seq, _encode(event.content)[1:-1])
        if isinstance(event, ev.Chunk) and event.logprobs is not None:
            part.logprobs += logprobs_of(event.logprobs)
        return Change(tuple(said), item, part)

    def _part(self, seq: int, event: TextEvent) -> tuple[list[Said], Item, Part]:
        """The part that the text is for, and what is said where it is a new one."""
        call = event.call or 1
        kind, key = _KINDS[event.type], (call, event.index, event.type)
        made = ReasoningItem if kind is SUMMARY else MessageItem
        said: list[Said] = []
        item = self._open
        if item is None or type(item) is not made or item.call != call:
            said += self._end_open("completed")
            item = self._open = self._begin(made(self._name, self.begun, call, seq), said)
        if not item.parts or item.parts[-1].key != key:
            said += item.begin_part(kind, key)
        return said, item, item.parts[-1]

    def _begin(self, item: Item, said: list[Said]) -> Item:
        self.items.append(item)
        self.begun += 1
        said += item.begin()
        return item

    def _end_open(self, status: ItemStatus) -> list[Said]:
        item, self._open = self._open, None
        return [] if item is None else item.end(status)

    # ── calls ───────────────────────────────────────────────────────────────────────────────────

    def _take_call(self, seq: int, event: ev.ToolCall) -> Change:
        said: list[Said] = []
        key = (event.call or 1, event.id)
        call = self._calls.get(key)
        if call is None:
            said += self._end_open("completed")
            call = CallItem(self._name, self.begun, key[0], seq, call_id=event.id, function=event.name)
            self._calls[key] = call
            self._begin(call, said)
            call.begin_part(ARGUMENTS, (key[0], event.index, event.type))
        if call.status != "in_progress":
            return NOTHING
        part = call.parts[0] if event.arguments else None
        if part is not None:
            part.text.add(seq, _encode(event.arguments)[1:-1])
        return Change(tuple(said), call, part, tuple(call.end("completed")) if event.done else ())

    # ── what belongs to an item ─────────────────────────────────────────────────────────────────

    def _annotate(self, event: ev.Annotation) -> Change:
        """A citation, in the part that is open. Others have no words in this API, and are in the run's log."""
        growing = self.growing
        if growing is None or (found := citation(event.value)) is None:
            return NOTHING
        item, part = growing
        if part.kind is not OUTPUT_TEXT:
            return NOTHING
        members = {**item.where(part), "annotation_index": len(part.annotations), "annotation": found}
        part.annotations.append(found)
        return Change((Said("response.output_text.annotation.added", lambda: members),))

    def _seal(self, seq: int, event: ev.ProviderData) -> Change:
        if _is_checkpoint(event.value):
            return NOTHING
        call = event.call or 1
        self._values.append((seq, call, ProviderValue(event.provider, event.value)))
        if not self._shows_sealed:
            return NOTHING
        said: list[Said] = []
        item = self._open
        if not isinstance(item, ReasoningItem) or item.call != call:
            said += self._end_open("completed")
            item = ReasoningItem(self._name, self.begun, call, seq)
            self._open = self._begin(item, said)
        item.sealed = seal([*unseal(item.sealed or ""), ProviderValue(event.provider, event.value)])
        return Change(tuple(said))

    # ── superseded output ───────────────────────────────────────────────────────────────────────

    def _supersede(self, call: int, start: int) -> list[Said]:
        """Output of a call from a record on counts no more. What has been said stays said, as incomplete.

        Of an item that began before that, what still counts is said again, as a new one.
        """
        said: list[Said] = []
        self._values = [value for value in self._values if value[1] != call or value[0] < start]
        cut = [item for item in self.items if item.call == call and item.last_seq >= start]
        for item in cut:
            self.items.remove(item)
            if item is self._open:
                self._open = None
            if item.status == "in_progress":
                said += item.end("incomplete")
        for known in [known for known, item in self._calls.items() if item in cut]:
            del self._calls[known]
        for item in cut:
            if item.seq < start and not isinstance(item, CallItem):
                said += self._say_again(item, start)
        return said

    def _say_again(self, item: Item, start: int) -> list[Said]:
        said = self._end_open("completed")
        again = self._open = self._begin(type(item)(self._name, self.begun, item.call, item.seq), said)
        for part in item.parts:
            if kept := part.text.before(start):
                said += again.begin_part(part.kind, part.key)
                new = again.parts[-1]
                new.text.add(item.seq, kept)
                members = {**again.where(new), "delta": msgspec.Raw(b'"%b"' % kept)}
                if part.kind is OUTPUT_TEXT:
                    members["logprobs"] = []
                said.append(_said(part.kind.text_event + ".delta", members))
        return said


def _said(type: str, members: dict[str, Any]) -> Said:
    return Said(type, lambda: members)


def _is_checkpoint(value: object) -> bool:
    """Whether it says where an answer goes on at its provider's: that is for us, and means nothing in a later turn."""
    try:
        msgspec.convert(value, Checkpoint)
    except msgspec.ValidationError:
        return False
    return True


def seal(values: list[ProviderValue]) -> str:
    """Values of a provider as a text that callers pass on and do not read."""
    return base64.urlsafe_b64encode(_encode(values)).decode()


def unseal(text: str) -> list[ProviderValue]:
    """The values that `seal` was given; none where the text is not one of its own."""
    try:
        return _sealed.decode(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, msgspec.DecodeError, RecursionError):
        return []
