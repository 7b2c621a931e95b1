"""The steps before a run that goes on with a message, made of what the model was sent."""

from __future__ import annotations

import pytest

from headwater.delivery.formats.ai_sdk_steps import earlier_steps
from headwater.domain.message import Message, ProviderValue, TextPart, ToolResultPart, ToolUse

THREAD = [
    Message("user", "First"),
    Message("assistant", "Done."),
    Message("user", [TextPart("Add")]),
    Message("assistant", "Let me see.", None, [ToolUse("t1", "add", '{"x":1}'), ToolUse("t2", "now", "{}")]),
    Message("tool", [ToolResultPart("t1", '{"sum":2}')]),
    Message("assistant", "", None, [ToolUse("t3", "say", "{}")], [ProviderValue("p", {"signature": "s"})]),
    Message("tool", [ToolResultPart("t3", "[not json")]),
]


def test_each_step_since_the_last_question_from_its_start_to_its_finish() -> None:
    assert earlier_steps(THREAD) == [
        {"type": "start-step"},
        {"type": "text-start", "id": "earlier-3"},
        {"type": "text-delta", "id": "earlier-3", "delta": "Let me see."},
        {"type": "text-end", "id": "earlier-3"},
        {"type": "tool-input-start", "toolCallId": "t1", "toolName": "add"},
        {"type": "tool-input-delta", "toolCallId": "t1", "inputTextDelta": '{"x":1}'},
        {"type": "tool-output-available", "toolCallId": "t1", "output": {"sum": 2}},
        {"type": "tool-input-start", "toolCallId": "t2", "toolName": "now"},
        {"type": "tool-input-delta", "toolCallId": "t2", "inputTextDelta": "{}"},
        {"type": "finish-step"},
        {"type": "start-step"},
        {"type": "data-provider", "data": {"provider": "p", "value": {"signature": "s"}}},
        {"type": "tool-input-start", "toolCallId": "t3", "toolName": "say"},
        {"type": "tool-input-delta", "toolCallId": "t3", "inputTextDelta": "{}"},
        {"type": "tool-output-available", "toolCallId": "t3", "output": "[not json"},
        {"type": "finish-step"},
    ]


@pytest.mark.parametrize("content", ["[" * 100_000, "[" * 100_000 + "]" * 100_000])
def test_what_no_parser_reads_stays_a_text(content: str) -> None:
    assert earlier_steps([*THREAD[:6], Message("tool", [ToolResultPart("t3", content)])])[-2]["output"] == content


@pytest.mark.parametrize("thread", [[], THREAD[:1], THREAD[:3]])
def test_a_question_has_none(thread: list[Message]) -> None:
    assert earlier_steps(thread) == []
