"""The content blocks of a Messages stream while they are open: each has a start, deltas and a stop, under one index.

Text and thinking are handed on as they come. What says something only when it is whole is kept until the block stops:
a signature with the thinking that it signs, the call of a server tool, whose input comes in pieces, and every other
block (results of server tools, and types that are new), for any block may have deltas.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from headwater.domain.event import Annotation, Chunk, ProviderData, Reasoning, ToolCall
from headwater.providers.contract import Item
from headwater.providers.opaque import VALUE_BYTES_MAX, fits, fitted

#: Blocks that are not for people, and that go back with the answer in a later turn.
_RETURNED: Final = frozenset({"redacted_thinking", "compaction"})

Json = dict[str, Any]


class Delta(msgspec.Struct, gc=False):
    """What is added to a block, or in a `message_delta` to the message: one type's members, the rest is None."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    # What is `Any` may have any shape without the answer being less whole, and is looked at before it is used.
    citation: Any = None
    content: Any = None
    encrypted_content: Any = None
    stop_reason: str | None = None
    stop_details: Any = None
    container: Any = None


class OpenBlock(Protocol):
    """A block between its start and its stop. Deltas that are not its own kind's say nothing to it."""

    def take(self, delta: Delta, items: list[Item]) -> None: ...

    def stop(self, items: list[Item]) -> None: ...


class TextBlock:
    def __init__(self, block: Json, index: int, provider: str, items: list[Item]) -> None:
        self._index = index
        self._provider = provider
        text = block.get("text")
        self.take(Delta(text=text if isinstance(text, str) else None), items)
        citations = block.get("citations")
        for citation in citations if isinstance(citations, list) else ():
            self.take(Delta(citation=citation), items)

    def take(self, delta: Delta, items: list[Item]) -> None:
        if delta.text:
            items.append(Chunk(delta.text, self._index))
        if delta.citation:
            items.append(Annotation(self._provider, fitted(delta.citation), self._index))

    def stop(self, items: list[Item]) -> None:
        pass


class ThinkingBlock:
    """Thinking is for people, its signature is for the provider: both go back together, as one block."""

    def __init__(self, block: Json, index: int, provider: str, items: list[Item]) -> None:
        self._index = index
        self._provider = provider
        self._thinking: list[str] = []
        self._thinking_chars = 0
        self._signature = ""
        words = {name: value for name in ("thinking", "signature") if isinstance(value := block.get(name), str)}
        self.take(Delta(**words), items)

    def take(self, delta: Delta, items: list[Item]) -> None:
        if delta.thinking:
            self._thinking_chars += len(delta.thinking)
            if self._thinking_chars <= VALUE_BYTES_MAX:
                self._thinking.append(delta.thinking)
            items.append(Reasoning(delta.thinking, self._index))
        if delta.signature:
            self._signature = delta.signature

    def stop(self, items: list[Item]) -> None:
        block = {"type": "thinking", "thinking": "".join(self._thinking), "signature": self._signature}
        # One without all of its thinking would be refused, so a block that is too large is not sent back at all.
        if self._signature and self._thinking_chars <= VALUE_BYTES_MAX and fits(block):
            items.append(ProviderData(self._provider, block, self._index))


class ToolBlock:
    """A call of one of the caller's tools. Its input is told as it comes; the last piece says `done`."""

    def __init__(self, block: Json, index: int, unique_id: str, items: list[Item]) -> None:
        name = block.get("name")
        self._id = unique_id
        self._name = name if isinstance(name, str) else ""
        self._index = index
        #: what the call was begun with, which is all of it where no delta follows
        self._input = block.get("input")
        self._has_delta = False
        items.append(ToolCall(self._id, self._name, "", False, index))

    def take(self, delta: Delta, items: list[Item]) -> None:
        if delta.partial_json:
            self._has_delta = True
            items.append(ToolCall(self._id, self._name, delta.partial_json, False, self._index))

    def stop(self, items: list[Item]) -> None:
        given = self._input if isinstance(self._input, dict) else {}
        rest = "" if self._has_delta else msgspec.json.encode(given).decode()
        items.append(ToolCall(self._id, self._name, rest, True, self._index))


class OtherBlock:
    """Any other block, put out whole and in the provider's own form when it stops."""

    def __init__(self, block: Json, index: int, provider: str) -> None:
        self._block = block
        self._index = index
        self._provider = provider
        self._input: list[str] = []
        self._input_chars = 0

    def take(self, delta: Delta, items: list[Item]) -> None:
        if delta.partial_json:
            self._input_chars += len(delta.partial_json)
            if self._input_chars <= VALUE_BYTES_MAX:
                self._input.append(delta.partial_json)
        if delta.type == "compaction_delta":
            more = {"content": delta.content, "encrypted_content": delta.encrypted_content}
            self._block = {**self._block, **{name: value for name, value in more.items() if value is not None}}

    def stop(self, items: list[Item]) -> None:
        block = self._block
        if self._input_chars > VALUE_BYTES_MAX:
            block = {**block, "input": None, "omitted_bytes": self._input_chars}
        elif self._input:
            text = "".join(self._input)
            try:
                block = {**block, "input": msgspec.json.decode(text)}
            except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
                # Cut off by the limit of the answer: what the model wrote of it is all there is.
                block = {**block, "input": text}
        if block.get("type") not in _RETURNED:
            items.append(Annotation(self._provider, fitted(block), self._index))
        elif fits(block):
            items.append(ProviderData(self._provider, block, self._index))
