"""The items of an answer's output, put together from the events of a Responses stream.

An item is a message, reasoning, a call of a function, or what a tool of the server's did. Each begins with
`output_item.added`, grows by deltas, and comes whole with `output_item.done`. Servers leave parts of that out: LM
Studio sends arguments without deltas, llama.cpp no `output_index`, and a server that does not stream only the whole.
So what comes whole fills in what was not streamed, and nothing is put out twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from headwater.domain.event import Annotation, Chunk, ProviderData, Reasoning, Refusal, ToolCall
from headwater.domain.surrogates import REPLACEMENT, replace_surrogates, scrub_surrogates
from headwater.providers.call_ids import CallIds
from headwater.providers.contract import Item
from headwater.providers.opaque import fits, fitted
from headwater.providers.surrogate_pairs import SurrogatePairs

Text = type[Chunk | Reasoning | Refusal]
#: By which an item is known: its place in the output, else its id. GitHub Copilot gives a new id in every event.
Key = int | str
#: A part of an item: its kind, and its number among those of its kind.
PartKey = tuple[str, int]

CONTENT: Final = "content"
SUMMARY: Final = "summary"

#: Items that are for the provider only.
_SILENT: Final = ("reasoning", "compaction")
#: An item with one of these has to be sent back as it came, where the conversation goes on.
_SEALS: Final = ("encrypted_content", "fingerprint")
#: Items that the caller has to answer, and whose answer is nothing without them.
_ASKING: Final = ("mcp_approval_request", "computer_call", "local_shell_call", "apply_patch_call")


class Part:
    """A part of the output: its number there, and what of it was put out."""

    __slots__ = ("annotations", "begun", "index")

    def __init__(self, index: int) -> None:
        self.index = index
        self.begun = False
        self.annotations = 0


class _Call:
    __slots__ = ("announced", "arguments", "id", "index", "name")

    def __init__(self, index: int, id: str, name: str) -> None:
        self.index = index
        self.id = id
        self.name = name
        self.arguments: list[str] = []
        self.announced = False


class _OutputItem:
    __slots__ = ("call", "parts")

    def __init__(self) -> None:
        self.parts: dict[PartKey, Part] = {}
        self.call: _Call | None = None


class OutputItems:
    """Takes what the events say of the items, gives what is put out. Parts and calls are numbered as they begin.

    `items`, `parts` and `tool_calls` are how many there were before.
    """

    def __init__(
        self, provider: str, *, items: int = 0, parts: int = 0, tool_calls: int = 0, ids: CallIds | None = None
    ) -> None:
        #: how many were whole
        self.items = items
        self.parts = parts
        self.tool_calls = tool_calls
        self.has_text = False
        self.has_refusal = False
        #: set from the first string with half a surrogate pair on
        self.mending = False
        self._provider = provider
        self._before = (items, tool_calls)
        self._open: dict[Key, _OutputItem] = {}
        self._closed: set[Key] = set()
        self._call_ids = CallIds() if ids is None else ids
        self._pairs: SurrogatePairs[tuple[Text | type[ToolCall], int]] = SurrogatePairs()

    @property
    def is_open(self) -> bool:
        """Whether an item has begun and is not done."""
        return bool(self._open)

    def add(self, key: Key, item: dict[str, Any], items: list[Item]) -> None:
        """An item begins."""
        if key in self._open:
            self._close(self._open.pop(key), items)
        self._closed.discard(key)
        begun = self._open[key] = _OutputItem()
        if item.get("type") == "function_call":
            begun.call = self._begin_call(item)
            self._add_arguments(begun.call, _text(item.get("arguments")), items)

    def part(self, key: Key, part_key: PartKey) -> Part:
        """The part that a delta belongs to."""
        item = self._item(key)
        part = item.parts.get(part_key)
        if part is None:
            part = item.parts[part_key] = Part(self.parts)
            self.parts += 1
        return part

    def text(self, kind: Text, part: Part, text: str, items: list[Item], logprobs: Any = None) -> None:
        """A delta of text."""
        part.begun = part.begun or bool(text)
        if self.mending:
            text = self._pairs.join((kind, part.index), text)
        if not text:
            return
        if kind is Chunk:
            self.has_text = True
            items.append(Chunk(text, part.index, None, logprobs))
        else:
            self.has_refusal = self.has_refusal or kind is Refusal
            items.append(kind(text, part.index))

    def fill(self, kind: Text, part: Part, text: str, items: list[Item]) -> None:
        """The whole text of a part, of which nothing may have been streamed."""
        if not part.begun:
            self.text(kind, part, text, items)

    def arguments(self, key: Key, delta: str, items: list[Item]) -> None:
        """A delta of a call's arguments. Without a call it says nothing."""
        if (call := self._item(key).call) is not None:
            self._add_arguments(call, delta, items)

    def fill_arguments(self, key: Key, whole: str, items: list[Item]) -> None:
        """The whole of a call's arguments, of which some may have been streamed."""
        if (call := self._item(key).call) is not None:
            streamed = "".join(call.arguments)
            if whole.startswith(streamed):
                self._add_arguments(call, whole[len(streamed) :], items)

    def annotate(self, part: Part, value: object, items: list[Item]) -> None:
        part.annotations += 1
        items.append(Annotation(self._provider, self.value(value), part.index))

    def done(self, key: Key, item: dict[str, Any], items: list[Item]) -> None:
        """An item is whole. What was not streamed of it is put out now."""
        if key in self._closed:
            return
        kind = item.get("type")
        if kind == "message":
            self._fill_message(key, item, items)
        elif kind == "reasoning":
            self._fill_reasoning(key, item, items)
        elif kind == "function_call":
            self._fill_call(key, item, items)
        if kind not in ("message", "function_call"):
            self._tell_item(item, items)
        self._closed.add(key)
        self.items += 1
        if (begun := self._open.pop(key, None)) is not None:
            self._close(begun, items)

    def fill_rest(self, whole: Iterator[tuple[Key, dict[str, Any]]], items: list[Item]) -> None:
        """The whole output, of which nothing or not all may have been streamed.

        Some servers leave items out of it, and their places are others then: what is of a kind that was streamed is
        not put out again.
        """
        known = {*self._open, *self._closed}
        items_before, calls_before = self._before
        if not (known or items_before):
            for key, item in whole:
                self.done(key, item, items)
            return
        if any(isinstance(key, str) for key in known):
            return
        streamed = {"message": self.has_text or self.has_refusal, "function_call": self.tool_calls > calls_before}
        for key, item in whole:
            if not streamed.get(_text(item.get("type")), True) and isinstance(key, int) and key >= items_before:
                self.done(key, item, items)

    def finish(self, items: list[Item]) -> None:
        """The answer is finished, and with it every item that is still open."""
        for item in self._open.values():
            self._close(item, items)
        self._closed.update(self._open)
        self._open.clear()

    def _item(self, key: Key) -> _OutputItem:
        item = self._open.get(key)
        if item is None:
            item = self._open[key] = _OutputItem()
        return item

    def _fill_message(self, key: Key, item: dict[str, Any], items: list[Item]) -> None:
        for number, content in enumerate(_objects(item.get("content"))):
            part = self.part(key, (CONTENT, number))
            self.fill(Chunk, part, _text(content.get("text")), items)
            self.fill(Refusal, part, _text(content.get("refusal")), items)
            for each in _objects(content.get("annotations"))[part.annotations :]:
                self.annotate(part, each, items)

    def _fill_reasoning(self, key: Key, item: dict[str, Any], items: list[Item]) -> None:
        """The reasoning itself or else its summary: llama.cpp has the same words in both."""
        if any(part.begun for part in self._item(key).parts.values()):
            return
        for name in (CONTENT, SUMMARY):
            texts = [_text(each.get("text")) for each in _objects(item.get(name))]
            if any(texts):
                for number, text in enumerate(texts):
                    self.text(Reasoning, self.part(key, (name, number)), text, items)
                return

    def _fill_call(self, key: Key, item: dict[str, Any], items: list[Item]) -> None:
        begun = self._item(key)
        if begun.call is None:
            begun.call = self._begin_call(item)
        elif not begun.call.name:
            begun.call.name = self._string(item.get("name"))
        self.fill_arguments(key, _text(item.get("arguments")), items)

    def _begin_call(self, item: dict[str, Any]) -> _Call:
        index = self.tool_calls
        self.tool_calls += 1
        given = self._string(item.get("call_id")) or self._string(item.get("id")) or f"call_{index}"
        return _Call(index, self._call_ids.unique(given, index), self._string(item.get("name")))

    def _add_arguments(self, call: _Call, text: str, items: list[Item]) -> None:
        """The first piece of a call tells its name, so it waits for that."""
        if text:
            call.arguments.append(text)
        if not call.name:
            return
        if not call.announced:
            text = "".join(call.arguments)
        if self.mending:
            text = self._pairs.join((ToolCall, call.index), text)
        if text or not call.announced:
            call.announced = True
            items.append(ToolCall(call.id, call.name, text, False, call.index))

    def _tell_item(self, item: dict[str, Any], items: list[Item]) -> None:
        if item.get("type") not in _SILENT:
            items.append(Annotation(self._provider, self.value(item)))
        if item.get("type") in _ASKING or any(item.get(name) for name in _SEALS):
            value = scrub_surrogates(item) if self.mending else item
            # Less than the whole of it would be refused.
            if fits(value):
                items.append(ProviderData(self._provider, value))

    def _close(self, item: _OutputItem, items: list[Item]) -> None:
        for part in item.parts.values():
            for kind in (Chunk, Reasoning, Refusal):
                if self._pairs.is_alone((kind, part.index)):
                    items.append(kind(REPLACEMENT, part.index))
        if (call := item.call) is not None:
            rest = "" if call.announced else replace_surrogates("".join(call.arguments))
            if self._pairs.is_alone((ToolCall, call.index)):
                rest = REPLACEMENT
            items.append(ToolCall(call.id, call.name, rest, True, call.index))

    def _string(self, value: object) -> str:
        return replace_surrogates(value) if isinstance(value, str) else ""

    def value(self, value: Any) -> Any:
        return fitted(scrub_surrogates(value) if self.mending else value)


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def kinds_in(output: object) -> set[str]:
    """The types of the items in a whole output, and of what its messages say."""
    found: set[str] = set()
    for item in _objects(output):
        said = [each for each in _objects(item.get("content")) if each.get("text") or each.get("refusal")]
        found.update(each for each in (item.get("type"), *(each.get("type") for each in said)) if isinstance(each, str))
    return found


def whole_items(output: object) -> Iterator[tuple[Key, dict[str, Any]]]:
    """The items of a whole output, by their places."""
    return enumerate(_objects(output))
