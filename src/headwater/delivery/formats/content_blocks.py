"""A log as the content blocks of a Messages answer: https://platform.claude.com/docs/en/build-with-claude/streaming.

Each block has a place among the content, a start, deltas and a stop. Text and thinking are begun by their first record
and stopped by what comes after them; a call of a tool is stopped by the piece that says `done`; thinking that Anthropic
has signed is stopped by its signature.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, Final

from headwater.delivery.formats.shown import Shown
from headwater.domain import event as ev

#: Whose signatures and sealed thinking these are: nobody else's model could take them back.
PROVIDER: Final = "anthropic"

_Json = dict[str, Any]
_Text = ev.Chunk | ev.Reasoning
#: The type, the call and the index of a text's records.
_Part = tuple[str, int, int]

_STARTS: Final[Mapping[str, _Json]] = {
    "chunk": {"type": "text", "text": ""},
    "reasoning": {"type": "thinking", "thinking": "", "signature": ""},
}
#: Citations that Anthropic's clients know.
_CITATIONS: Final = frozenset(
    {
        "char_location",
        "page_location",
        "content_block_location",
        "web_search_result_location",
        "search_result_location",
    }
)


class ContentBlocks:
    """Learns the blocks of a log from its records, each first given in order; what was learned is a fact of the log.

    What is kept is a handful for each block, and never more than there are records.
    """

    __slots__ = (
        "_after",
        "_before",
        "_count",
        "_inputs",
        "_learned",
        "_open",
        "_place",
        "_shown",
        "_texts",
        "_tools",
        "refusal",
    )

    def __init__(self) -> None:
        self._shown = Shown()
        self._learned = 0
        self._count = 0
        #: what is said before and after the deltas of a record, by its seq
        self._before: dict[int, list[_Json]] = {}
        self._after: dict[int, list[_Json]] = {}
        #: the block of a record that is neither text nor a piece of a tool call
        self._place: dict[int, int] = {}
        #: the seq that begins each block of text or thinking, and the block's index
        self._texts: list[tuple[int, int]] = []
        #: each tool call's block, and the blocks of those that are not done
        self._tools: dict[tuple[int, str], int] = {}
        self._inputs: set[int] = set()
        #: the block of text or thinking that is open
        self._open: tuple[_Part, int] | None = None
        #: what a refusal says, in pieces
        self.refusal: list[str] = []

    def events(self, seq: int, event: ev.Event) -> list[_Json]:
        """What a record adds to the content; empty where that is nothing."""
        if not self._shown.is_shown(seq, event):
            return []
        if seq > self._learned:
            self._learned = seq
            self._learn(seq, event)
        return [*self._before.get(seq, ()), *self._deltas(seq, event), *self._after.get(seq, ())]

    def goes_on(self, seq: int, part: int) -> int | None:
        """The block that a record of text adds to and nothing else; None where more happens, or has happened.

        `part` is the index of the record's own, which is of no call.
        """
        if self._open is None or seq <= self._learned or self._open[0] != ("chunk", 1, part):
            return None
        self._learned = seq
        return self._open[1]

    def _learn(self, seq: int, event: ev.Event) -> None:
        match event:
            case ev.Chunk() | ev.Reasoning():
                part = (event.type, event.call or 1, event.index)
                if self._open is None or self._open[0] != part:
                    self._begin(seq, dict(_STARTS[event.type]), part)
            case ev.Refusal():
                self.refusal.append(event.content)
            case ev.ToolCall():
                self._learn_tool_call(seq, event)
            case ev.ProviderData(provider="anthropic") if _is_signed(event.value):
                part = ("reasoning", event.call or 1, event.index)
                if self._open is None or self._open[0] != part:
                    self._begin(seq, {**_STARTS["reasoning"], "thinking": event.value["thinking"]}, part)
                self._place[seq] = self._count - 1
                self._after[seq] = self._close_text()
            case ev.ProviderData(provider="anthropic", value={"type": "redacted_thinking", "data": str()}):
                self._begin(seq, event.value, ("redacted", event.call or 1, event.index))
                self._after[seq] = self._close_text()
            case ev.Annotation(provider="anthropic") if self._open is not None and self._open[0][0] == "chunk":
                if isinstance(event.value, dict) and event.value.get("type") in _CITATIONS:
                    self._place[seq] = self._open[1]
            case ev.Complete():
                self._before[seq] = [*self._close_text(), *map(_stop, sorted(self._inputs))]

    def _learn_tool_call(self, seq: int, event: ev.ToolCall) -> None:
        key = (event.call or 1, event.id)
        if key not in self._tools:
            self._tools[key] = index = self._begin(
                seq, {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
            )
            self._inputs.add(index)
        index = self._tools[key]
        # Only white space can follow a call that is done.
        if index in self._inputs:
            self._place[seq] = index
            if event.done:
                self._inputs.remove(index)
                self._after[seq] = [_stop(index)]

    def _begin(self, seq: int, start: _Json, part: _Part | None = None) -> int:
        index = self._count
        self._count += 1
        self._before[seq] = [
            *self._close_text(),
            {"type": "content_block_start", "index": index, "content_block": start},
        ]
        if part is not None:
            self._open = part, index
            self._texts.append((seq, index))
        return index

    def _close_text(self) -> list[_Json]:
        if self._open is None:
            return []
        _, index = self._open
        self._open = None
        return [_stop(index)]

    def _deltas(self, seq: int, event: ev.Event) -> list[_Json]:
        match event:
            case ev.Chunk():
                return [_delta(self._text_at(seq), {"type": "text_delta", "text": event.content})]
            case ev.Reasoning():
                return [_delta(self._text_at(seq), {"type": "thinking_delta", "thinking": event.content})]
        index = self._place.get(seq)
        if index is None:
            return []
        match event:
            case ev.ToolCall() if event.arguments:
                return [_delta(index, {"type": "input_json_delta", "partial_json": event.arguments})]
            case ev.ProviderData():
                return [_delta(index, {"type": "signature_delta", "signature": event.value["signature"]})]
            case ev.Annotation():
                return [_delta(index, {"type": "citations_delta", "citation": event.value})]
        return []

    def _text_at(self, seq: int) -> int:
        return self._texts[bisect_right(self._texts, seq, key=lambda text: text[0]) - 1][1]


def _is_signed(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.get("type") == "thinking"
        and isinstance(value.get("thinking"), str)
        and isinstance(value.get("signature"), str)
    )


def _stop(index: int) -> _Json:
    return {"type": "content_block_stop", "index": index}


def _delta(index: int, delta: _Json) -> _Json:
    return {"type": "content_block_delta", "index": index, "delta": delta}
