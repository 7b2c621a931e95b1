"""What a run's records amount to, worked out anew: a check of the product's own fold must not use it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

FINAL_TYPES = frozenset({"complete", "error", "cancelled"})
STATES = {"complete": "completed", "error": "failed", "cancelled": "cancelled"}
TEXT_TYPES = frozenset({"chunk", "reasoning", "refusal"})


class Record(NamedTuple):
    """A record as any reader of JSON sees it."""

    seq: int
    t: int
    type: str
    data: dict[str, Any]

    @property
    def is_final(self) -> bool:
        return self.type in FINAL_TYPES

    @property
    def part(self) -> tuple[str, int, int]:
        """Which text it belongs to: kind, call, index. Only of records of text."""
        return self.type, self.data.get("call") or 1, self.data["index"]


def parse(payload: bytes) -> Record:
    """Raises `msgspec.MsgspecError` for what is not a record."""
    value = msgspec.json.decode(payload)
    if not isinstance(value, dict) or not {"seq", "t", "type", "data"} <= value.keys():
        raise msgspec.ValidationError("not a record")
    return Record(value["seq"], value["t"], value["type"], value["data"])


def answer_text(records: Iterable[Record]) -> str:
    """The text of the answer calls' current attempts."""
    pieces: list[tuple[int, int, int, str]] = []
    roles: dict[int, str] = {}
    for record in records:
        if record.type == "chunk":
            _, call, index = record.part
            pieces.append((call, index, record.seq, record.data["content"]))
        elif record.type == "call":
            roles[record.data["call"]] = record.data["role"]
        elif record.type == "attempt" and (start := record.data.get("supersedes_from")) is not None:
            pieces = [p for p in pieces if p[0] != record.data["call"] or p[2] < start]
    return "".join(text for call, _, _, text in sorted(pieces) if roles.get(call, "answer") == "answer")
