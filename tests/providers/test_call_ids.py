"""An id is of one call, in the answer and in the conversation before it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.domain.event import ToolCall
from headwater.domain.message import GenerationRequest, Message, ToolUse
from headwater.providers.anthropic import Anthropic
from headwater.providers.call_ids import CallIds
from headwater.providers.contract import Dialect
from headwater.providers.gemini import Gemini
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.openai_responses import OpenAIResponses
from headwater.wire.sse import Frame

NAMELESS_CHAT = {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}]}
NAMELESS_GEMINI = {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {}}}]}}]}
NAMELESS_BLOCK = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "tool_use", "name": "f", "input": {}},
}
NAMELESS_ITEM = {
    "type": "response.output_item.added",
    "output_index": 0,
    "item": {"type": "function_call", "name": "f", "arguments": ""},
}


def after(*ids: str) -> GenerationRequest:
    """A request in whose conversation there were calls with these ids."""
    calls = [ToolUse(id, "f", "{}") for id in ids]
    return GenerationRequest("m", [Message("user", "Go"), Message("assistant", "", None, calls)])


def test_what_is_given_once_stays_as_it_is() -> None:
    ids = CallIds(after("a"))
    assert [ids.unique("b", 0), ids.unique("c", 1)] == ["b", "c"]
    assert len(ids) == 2


def test_what_is_given_again_has_the_call_s_place() -> None:
    ids = CallIds(after("a", "a_0"))
    assert [ids.unique("a", 0), ids.unique("b", 1), ids.unique("b", 2)] == ["a_0_0", "b", "b_2"]


@pytest.mark.parametrize(
    ("dialect", "event", "made"),
    [
        (OpenAIChat(), NAMELESS_CHAT, "call_0"),
        (Gemini(), NAMELESS_GEMINI, "call_0"),
        (Anthropic(), NAMELESS_BLOCK, "toolu_0"),
        (OpenAIResponses(), NAMELESS_ITEM, "call_0"),
    ],
)
def test_a_made_id_is_not_that_of_an_earlier_turn(dialect: Dialect, event: dict[str, Any], made: str) -> None:
    def id_after(*ids: str) -> str:
        decoder = dialect.decoder(after(*ids))
        items = [*decoder.feed(Frame(json.dumps(event).encode()))]
        (id,) = {item.id for item in items if isinstance(item, ToolCall)}
        return id

    assert id_after() == made
    assert id_after(made) == f"{made}_0"
