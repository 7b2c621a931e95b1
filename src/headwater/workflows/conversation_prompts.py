"""What the models of a conversation are asked, and how what they say is read. Pure: any object can be read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headwater.domain.message import Message

#: What a conversation is said to be about where nobody could say.
OTHER: Final = "other"
ENTITIES_MAX: Final = 32
SUGGESTIONS_MAX: Final = 4
_NAME_CHARS_MAX: Final = 60
_VALUE_CHARS_MAX: Final = 200

#: Closed, with every property required, as strict modes of providers want it: names and values are therefore a list.
INTENT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "intent": {"type": "string", "description": "What the person wants, in a few words of snake case"},
        "entities": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
                "required": ["name", "value"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["intent", "entities"],
    "additionalProperties": False,
}
SUGGESTIONS_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"suggestions": {"type": "array", "items": {"type": "string"}}},
    "required": ["suggestions"],
    "additionalProperties": False,
}

_INTENT: Final = (
    "You read what a person says to an assistant. Say what the person wants (intent) and what is named (entities: "
    'places, people, times, things). Answer with one JSON object and nothing else: {"intent": "find_restaurant", '
    '"entities": [{"name": "place", "value": "Tokyo"}]}.'
)
_ANSWER: Final = "You are a helpful assistant. Answer briefly, in the language of the person."
_SUGGESTIONS: Final = (
    "You suggest what a person could say next to an assistant: two to four short sentences, as the person would say "
    'them, in the same language. Answer with one JSON object and nothing else: {"suggestions": ["…"]}.'
)


def intent_messages(history: Sequence[Message], message: str) -> list[Message]:
    return [Message("system", _INTENT), *history, Message("user", message)]


def answer_messages(history: Sequence[Message], message: str, known: Mapping[str, Any]) -> list[Message]:
    told = f"{_ANSWER}\nWhat is known so far, as JSON: {_json(known)}" if known.get("entities") else _ANSWER
    return [Message("system", told), *history, Message("user", message)]


def suggestion_messages(message: str, answer: str) -> list[Message]:
    asked = f"The person said:\n{message}\n\nThe assistant answered:\n{answer}"
    return [Message("system", _SUGGESTIONS), Message("user", asked)]


def merged_context(before: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What is known after a message: its intent, and its entities over those of earlier messages."""
    earlier = before.get("entities")
    entities = dict(earlier) if isinstance(earlier, dict) else {}
    named = found.get("entities")
    for each in named if isinstance(named, list) else []:
        match each:
            case {"name": str(name), "value": str(value)} if name.strip() and value.strip():
                short = _snake(name)
                # Said anew is known last: it is the oldest that is forgotten.
                entities.pop(short, None)
                entities[short] = value.strip()[:_VALUE_CHARS_MAX]
    newest = list(entities.items())[-ENTITIES_MAX:]
    intent = found.get("intent")
    return {"intent": _snake(intent) if isinstance(intent, str) else OTHER, "entities": dict(newest)}


def suggestions_of(found: Mapping[str, Any]) -> list[str]:
    """What could be said next, each once."""
    named = found.get("suggestions")
    texts = (
        [each.strip()[:_VALUE_CHARS_MAX] for each in named if isinstance(each, str)] if isinstance(named, list) else []
    )
    return [each for each in dict.fromkeys(texts) if each][:SUGGESTIONS_MAX]


def _snake(text: str) -> str:
    words = re.findall(r"[^\W_]+", text.lower())
    return "_".join(words)[:_NAME_CHARS_MAX].rstrip("_") or OTHER


def _json(value: Mapping[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
