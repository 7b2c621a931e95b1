"""What the simulated model says in a conversation: made by a few rules, and labelled as that. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headwater.workflows.conversation_prompts import OTHER

LABEL: Final = "This is a simulated answer."

#: Words that a message is known by, and what it then wants.
_INTENTS: Final = {
    "find_restaurant": ("restaurant", "restaurants", "dinner", "lunch", "eat", "ramen", "sushi"),
    "find_hotel": ("hotel", "hotels", "stay", "room"),
    "ask_weather": ("weather", "rain", "sunny", "forecast"),
    "greet": ("hello", "hi", "hey"),
}
_PLACE: Final = re.compile(r"\b(?:in|near|around)\s+([A-Z][\w'-]*(?:\s+[A-Z][\w'-]*)*)")


def intent_text(message: str) -> str:
    """The answer to the question for intent and entities."""
    words = set(re.findall(r"[a-z]+", message.lower()))
    intent = next((name for name, known in _INTENTS.items() if not words.isdisjoint(known)), OTHER)
    place = _PLACE.search(message)
    entities = [] if place is None else [{"name": "place", "value": place[1]}]
    return _json({"intent": intent, "entities": entities})


def answer_text(context: Mapping[str, Any]) -> str:
    place = context["entities"].get("place")
    where = f"In {place}" if place else "Where you are"
    match context["intent"]:
        case "find_restaurant":
            said = f"{where} I would look at three kinds of places: a small ramen bar, a sushi counter, and an izakaya."
            return f"{said} {LABEL} No restaurant was looked up; choose another model to be told of real ones."
        case "find_hotel":
            said = f"{where} I would look for a small hotel near a station."
            return f"{said} {LABEL} No hotel was looked up; choose another model to be told of real ones."
        case "ask_weather":
            return f"{where} it may be sunny, or it may rain. {LABEL} Nobody has looked at the sky."
        case "greet":
            return f"Hello! Ask me for a restaurant in a city, and see how an answer comes. {LABEL}"
    return f"I have read what you said. {LABEL} Ask me for a restaurant in a city, and see more of what can be known."


def suggestions_text(context: Mapping[str, Any]) -> str:
    """The answer to the question for suggestions."""
    place = context["entities"].get("place", "Tokyo")
    match context["intent"]:
        case "find_restaurant":
            texts = [f"Show me ramen in {place}", "Which one is open late?", f"Find me a hotel in {place}"]
        case "find_hotel":
            texts = [f"Which hotels in {place} have a garden?", f"Find me a restaurant in {place}"]
        case _:
            texts = [f"Find me a restaurant in {place}", f"What is the weather in {place}?"]
    return _json({"suggestions": texts})


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
