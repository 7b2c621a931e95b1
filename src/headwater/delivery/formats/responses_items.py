"""The items of a response's output, as they begin, grow and end: https://platform.openai.com/docs/api-reference/responses.

Each says which events tell of that. Text is kept as the records have it: the inside of a JSON string, in UTF-8.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec

from headwater.delivery.formats.responses_annotations import without_bytes

Json = dict[str, Any]
ItemStatus = Literal["in_progress", "completed", "incomplete"]
#: How text of each kind is known in the log: the call, the part, and the type of its records.
PartKey = tuple[int, int, str]


class Said(NamedTuple):
    """One event of the stream. `make` gives its members, the same each time, whatever has happened since."""

    type: str
    make: Callable[[], Json]


class Text:
    """Text that grows. Each piece is the inside of a JSON string and has the seq of its record."""

    __slots__ = ("_pieces", "_seqs")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._seqs = array("Q")

    def add(self, seq: int, piece: bytes) -> None:
        self._pieces.append(piece)
        self._seqs.append(seq)

    @property
    def json(self) -> msgspec.Raw:
        """All of it, as a JSON string."""
        return msgspec.Raw(b'"%b"' % b"".join(self._pieces))

    @property
    def plain(self) -> str:
        text: str = msgspec.json.decode(self.json, type=str)
        return text

    @property
    def last_seq(self) -> int:
        return self._seqs[-1] if self._seqs else 0

    def before(self, seq: int) -> bytes:
        """What came before a record, as one piece."""
        return b"".join(piece for at, piece in zip(self._seqs, self._pieces, strict=True) if at < seq)


class Part:
    """What deltas are added to: a message's content, a summary of reasoning, the arguments of a call."""

    __slots__ = ("annotations", "key", "kind", "logprobs", "place", "text")

    def __init__(self, kind: PartKind, place: int, key: PartKey) -> None:
        self.kind = kind
        self.place = place
        self.key = key
        self.text = Text()
        self.annotations: list[Json] = []
        self.logprobs: list[Json] = []

    def json(self, *, empty: bool = False) -> Json:
        part: Json = {"type": self.kind.type, self.kind.member: "" if empty else self.text.json}
        if self.kind is OUTPUT_TEXT:
            part["annotations"] = [] if empty else self.annotations
            part["logprobs"] = [] if empty else self.logprobs
        return part


class PartKind(NamedTuple):
    """How a kind of part is called in the events about it."""

    #: of the part itself, its text's member, and what its place in the item is called
    type: str
    member: str
    place: str
    #: of the events: the part begins and ends, its text grows and is whole
    part_event: str
    text_event: str


OUTPUT_TEXT = PartKind("output_text", "text", "content_index", "response.content_part", "response.output_text")
REFUSAL = PartKind("refusal", "refusal", "content_index", "response.content_part", "response.refusal")
SUMMARY = PartKind(
    "summary_text", "text", "summary_index", "response.reasoning_summary_part", "response.reasoning_summary_text"
)
#: The one part of a call. It has neither a place nor events of its own.
ARGUMENTS = PartKind("arguments", "arguments", "", "", "response.function_call_arguments")


class Item:
    """An item of output. `index` is its place among all that were begun, `seq` the record that it began with."""

    prefix: ClassVar[str]
    __slots__ = ("call", "id", "index", "parts", "seq", "status")

    def __init__(self, name: str, index: int, call: int, seq: int) -> None:
        self.id = f"{self.prefix}_{name}_{index}"
        self.index = index
        self.call = call
        self.seq = seq
        self.status: ItemStatus = "in_progress"
        self.parts: list[Part] = []

    def json(self, *, empty: bool = False) -> Json:
        """The item as it stands; `empty` as it began."""
        raise NotImplementedError

    @property
    def last_seq(self) -> int:
        return max([self.seq, *(part.text.last_seq for part in self.parts)])

    def where(self, part: Part) -> Json:
        """The members by which an event names a part."""
        at: Json = {"item_id": self.id, "output_index": self.index}
        if part.kind.place:
            at[part.kind.place] = part.place
        return at

    # ── what is said of it ──────────────────────────────────────────────────────────────────────

    def begin(self) -> list[Said]:
        return [
            Said(
                "response.output_item.added",
                lambda: {"output_index": self.index, "item": self._item("in_progress", True)},
            )
        ]

    def begin_part(self, kind: PartKind, key: PartKey) -> list[Said]:
        """A new last part; the one before it ends."""
        said = self.end_part()
        part = Part(kind, len(self.parts), key)
        self.parts.append(part)
        if kind.part_event:
            said.append(Said(kind.part_event + ".added", lambda: {**self.where(part), "part": part.json(empty=True)}))
        return said

    def end_part(self) -> list[Said]:
        """The last part is whole."""
        if not self.parts:
            return []
        part = self.parts[-1]
        kind = part.kind
        said = [Said(kind.text_event + ".done", lambda: self._text_done(part))]
        if kind.part_event:
            said.append(Said(kind.part_event + ".done", lambda: {**self.where(part), "part": part.json()}))
        return said

    def end(self, status: ItemStatus) -> list[Said]:
        said = self.end_part()
        self.status = status
        done = Said("response.output_item.done", lambda: {"output_index": self.index, "item": self._item(status)})
        return [*said, done]

    def _text_done(self, part: Part) -> Json:
        members = {**self.where(part), part.kind.member: part.text.json}
        if part.kind is OUTPUT_TEXT:
            members["logprobs"] = [without_bytes(each) for each in part.logprobs]
        return members

    def _item(self, status: ItemStatus, empty: bool = False) -> Json:
        item = self.json(empty=empty)
        if "status" in item:
            item["status"] = status
        return item


class MessageItem(Item):
    prefix = "msg"
    __slots__ = ()

    def json(self, *, empty: bool = False) -> Json:
        content = [] if empty else [part.json() for part in self.parts]
        return {"id": self.id, "type": "message", "status": self.status, "role": "assistant", "content": content}


class ReasoningItem(Item):
    """What the model thinks. `sealed` is what its provider wants to see again in a later turn."""

    prefix = "rs"
    __slots__ = ("sealed",)

    def __init__(self, name: str, index: int, call: int, seq: int) -> None:
        super().__init__(name, index, call, seq)
        self.sealed: str | None = None

    def json(self, *, empty: bool = False) -> Json:
        item: Json = {
            "id": self.id,
            "type": "reasoning",
            "status": self.status,
            "summary": [] if empty else [part.json() for part in self.parts],
        }
        if self.sealed is not None and not empty:
            item["encrypted_content"] = self.sealed
        return item


class CallItem(Item):
    """A call of one of the caller's functions."""

    prefix = "fc"
    __slots__ = ("call_id", "name")

    def __init__(self, name: str, index: int, call: int, seq: int, *, call_id: str, function: str) -> None:
        super().__init__(name, index, call, seq)
        self.call_id = call_id
        self.name = function

    @property
    def arguments(self) -> Text:
        return self.parts[0].text

    def json(self, *, empty: bool = False) -> Json:
        return {
            "id": self.id,
            "type": "function_call",
            "status": self.status,
            "call_id": self.call_id,
            "name": self.name,
            "arguments": "" if empty else self.arguments.json,
        }
