"""Messages, whole: https://platform.claude.com/docs/en/api/messages.

The same events as a stream gets, put together as the SDKs do; the final record becomes the one message.
"""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.delivery.formats.anthropic_stream import (
    Identity,
    draining_refusal,
    ending,
    failure_refusal,
    message_object,
)
from headwater.delivery.formats.content_blocks import ContentBlocks
from headwater.delivery.held import Refusal
from headwater.domain import event as ev

#: The member of a block that each type of delta adds to, and the delta's own.
_GROWING: dict[str, tuple[str, str]] = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("input", "partial_json"),
}

_encode = msgspec.json.Encoder().encode


class AnthropicMessage:
    """The encoding of one whole answer. It shows nothing before the run's end, and folds each record once."""

    transport = "anthropic_message"
    media_type = b"application/json"
    ends_by_204 = False
    heartbeat = b""
    head_within_s: float | None = None

    __slots__ = ("_blocks", "_content", "_failure", "_identity", "_pieces", "_seq", "ended")

    def __init__(self, identity: Identity) -> None:
        self.ended = False
        self._identity = identity
        self._failure: Refusal | None = None
        self._seq = 0
        self._blocks = ContentBlocks()
        self._content: list[dict[str, Any]] = []
        #: of each block what the members that grow have been given
        self._pieces: list[dict[str, list[str]]] = []

    def record(self, seq: int, payload: bytes) -> bytes:
        """Nothing, but for the final record: the message, or the error in its place."""
        event = ev.decode_record(payload).event
        if seq > self._seq:
            self._seq = seq
            for each in self._blocks.events(seq, event):
                self._fold(each)
        match event:
            case ev.Complete():
                self.ended = True
                ended, usage = ending(event, "".join(self._blocks.refusal))
                content = list(map(_grown, self._content, self._pieces))
                return _encode({**message_object(self._identity, content), **ended, "usage": usage})
            case ev.Error() | ev.Cancelled():
                return self._fail(failure_refusal(event))
        return b""

    def skip(self, seq: int) -> bytes:
        return b""

    def greeting(self, retry_ms: int) -> bytes:
        return b""

    def farewell(self, retry_ms: int) -> bytes:
        return self._fail(draining_refusal())

    def refusal(self, data: bytes) -> Refusal | None:
        return self._failure

    def _fail(self, refusal: Refusal) -> bytes:
        self.ended = True
        self._failure = refusal
        return refusal.body

    def _fold(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "content_block_start":
                self._content.append(dict(event["content_block"]))
                self._pieces.append({})
            case "content_block_delta":
                delta = event["delta"]
                if delta["type"] == "citations_delta":
                    self._content[event["index"]].setdefault("citations", []).append(delta["citation"])
                else:
                    member, piece = _GROWING[delta["type"]]
                    self._pieces[event["index"]].setdefault(member, []).append(delta[piece])


def _grown(block: dict[str, Any], pieces: dict[str, list[str]]) -> dict[str, Any]:
    """A block with all that its deltas gave it."""
    if block["type"] == "tool_use":
        return {**block, "input": _input("".join(pieces.get("input", ())))}
    return {**block, **{member: block[member] + "".join(given) for member, given in pieces.items()}}


def _input(arguments: str) -> dict[str, Any]:
    """The arguments as an object. Ones that a limit cut off are none: the SDK has no place for half an object."""
    try:
        value = msgspec.json.decode(arguments or "{}")
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}
