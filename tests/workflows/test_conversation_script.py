"""What the simulated model says in a conversation: readable as the models' answers are, and labelled."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.workflows import conversation_script as script
from headwater.workflows.conversation_prompts import merged_context, suggestions_of

TOKYO = "Find me a restaurant in Tokyo"


def known(message: str) -> dict[str, object]:
    return merged_context({}, json.loads(script.intent_text(message)))


@pytest.mark.parametrize(
    ("message", "intent", "entities"),
    [
        (TOKYO, "find_restaurant", {"place": "Tokyo"}),
        ("Where can I eat near New York tonight?", "find_restaurant", {"place": "New York"}),
        ("A hotel", "find_hotel", {}),
        ("Will it rain in Oslo?", "ask_weather", {"place": "Oslo"}),
        ("Hello", "greet", {}),
        ("Whatever", "other", {}),
    ],
)
def test_what_is_wanted(message: str, intent: str, entities: dict[str, str]) -> None:
    assert known(message) == {"intent": intent, "entities": entities}
    assert script.LABEL in script.answer_text(known(message))


def test_a_restaurant_in_tokyo() -> None:
    assert "Tokyo" in script.answer_text(known(TOKYO))
    assert suggestions_of(json.loads(script.suggestions_text(known(TOKYO)))) == [
        "Show me ramen in Tokyo",
        "Which one is open late?",
        "Find me a hotel in Tokyo",
    ]


@given(st.text())
def test_to_anything_there_is_an_answer_with_its_label(message: str) -> None:
    context = known(message)
    assert script.LABEL in script.answer_text(context)
    assert len(suggestions_of(json.loads(script.suggestions_text(context)))) >= 2
