"""Messages, whole: https://platform.claude.com/docs/en/api/messages.

The same events as a stream gets, put together as the SDKs do; the final record becomes the one message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headwater.delivery.formats.anthropic_error import refusal
from headwater.delivery.formats.anthropic_stream import (
    Identity,
    ending,
    message_object,
)
from headwater.delivery.formats.content_blocks import ContentBlocks
from headwater.delivery.formats.standing_records import Said
from headwater.delivery.formats.whole_answer import StandingAnswer
from headwater.domain import event as ev
from headwater.providers.lenient_json import read_object

#: The member of a block that each type of delta adds to, and the delta's own.
_GROWING: dict[str, tuple[str, str]] = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("input", "partial_json"),
}


class AnthropicMessage(StandingAnswer):
    """The encoding of one whole answer. It shows nothing before the run's end, and takes each record once."""

    transport = "anthropic_message"

    __slots__ = ("_identity",)

    def __init__(self, identity: Identity) -> None:
        super().__init__(refusal)
        self._identity = identity

    def answer(self, said: Sequence[Said], end: ev.Complete) -> dict[str, Any]:
        blocks, content = ContentBlocks(), _Content()
        for place, event in enumerate((*said, end), 1):
            for each in blocks.events(place, event):
                content.take(each)
        ended, usage = ending(end, "".join(blocks.refusal))
        return {**message_object(self._identity, content.blocks()), **ended, "usage": usage}


class _Content:
    """The events of a stream put together."""

    def __init__(self) -> None:
        self._blocks: list[dict[str, Any]] = []
        #: of each block what the members that grow have been given
        self._pieces: list[dict[str, list[str]]] = []

    def take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "content_block_start":
                self._blocks.append(dict(event["content_block"]))
                self._pieces.append({})
            case "content_block_delta":
                delta = event["delta"]
                if delta["type"] == "citations_delta":
                    self._blocks[event["index"]].setdefault("citations", []).append(delta["citation"])
                else:
                    member, piece = _GROWING[delta["type"]]
                    self._pieces[event["index"]].setdefault(member, []).append(delta[piece])

    def blocks(self) -> list[dict[str, Any]]:
        return list(map(_grown, self._blocks, self._pieces))


def _grown(block: dict[str, Any], pieces: dict[str, list[str]]) -> dict[str, Any]:
    """A block with all that its deltas gave it."""
    if block["type"] == "tool_use":
        # Arguments that a limit cut off are none: the SDK has no place for half an object.
        return {**block, "input": read_object("".join(pieces.get("input", ()))) or {}}
    return {**block, **{member: block[member] + "".join(given) for member, given in pieces.items()}}
