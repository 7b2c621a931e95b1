"""What is asked, and how what models say becomes what is known, whatever it is."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.message import Message
from headwater.workflows import conversation_prompts as prompts
from headwater.workflows.conversation_prompts import (
    ENTITIES_MAX,
    INTENT_SCHEMA,
    SUGGESTIONS_MAX,
    SUGGESTIONS_SCHEMA,
    merged_context,
    suggestions_of,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["intent", "entities", "suggestions", "x"]), VALUES)


@pytest.mark.parametrize("schema", [INTENT_SCHEMA, SUGGESTIONS_SCHEMA])
def test_the_schemas_are_such_as_strict_modes_take(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert (schema["required"], schema["additionalProperties"]) == (list(schema["properties"]), False)


def test_what_is_known_stays_until_it_is_said_anew() -> None:
    place = {"intent": "Find Restaurant!", "entities": [{"name": "Place", "value": " Tokyo "}]}
    first = merged_context({}, place)
    assert first == {"intent": "find_restaurant", "entities": {"place": "Tokyo"}}
    time = {"intent": "", "entities": [{"name": "time", "value": "tonight"}, {"name": "", "value": "x"}, 7]}
    second = merged_context(first, time)
    assert second == {"intent": "other", "entities": {"place": "Tokyo", "time": "tonight"}}
    third = merged_context(second, {"entities": [{"name": "place", "value": "Kyoto"}]})
    assert list(third["entities"].items()) == [("time", "tonight"), ("place", "Kyoto")]


def test_what_was_said_longest_ago_is_forgotten() -> None:
    many = [{"name": f"n{place}", "value": "v"} for place in range(ENTITIES_MAX + 3)]
    assert next(iter(merged_context({"entities": {"old": "v"}}, {"entities": many})["entities"])) == "n3"


@given(OBJECTS, OBJECTS)
def test_whatever_was_found_becomes_a_context(before: dict[str, Any], found: dict[str, Any]) -> None:
    known = merged_context(before, found)
    assert set(known) == {"intent", "entities"}
    assert isinstance(known["intent"], str)
    assert len(known["entities"]) <= ENTITIES_MAX


@given(OBJECTS)
def test_whatever_was_suggested_is_a_few_texts(found: dict[str, Any]) -> None:
    texts = suggestions_of(found)
    assert len(texts) == len(set(texts)) <= SUGGESTIONS_MAX
    assert all(map(str.strip, texts))


def test_suggestions_are_given_once_and_without_blanks() -> None:
    assert suggestions_of({"suggestions": [" a ", "a", "", "b"]}) == ["a", "b"]


def test_what_is_known_is_told_with_the_question() -> None:
    history = [Message("user", "q"), Message("assistant", "a")]
    told, *rest = prompts.answer_messages(history, "next", {"intent": "x", "entities": {"place": "Tokyo"}})
    assert (told.role, "Tokyo" in str(told.content)) == ("system", True)
    assert rest == [*history, Message("user", "next")]
    plain = prompts.answer_messages([], "next", {"intent": "x", "entities": {}})[0]
    assert "known" not in str(plain.content)
    assert prompts.intent_messages(history, "next")[1:] == rest
    assert "next" in str(prompts.suggestion_messages("next", "done")[-1].content)
