"""Results of tools and calls of tools are where a provider can take them."""

import pytest

from headwater.domain.message import Message, TextPart, ToolResultPart, ToolUse
from headwater.errors import BadRequestError
from headwater.providers.message_rules import tool_results

RESULT = ToolResultPart("call_1", "42")


@pytest.mark.parametrize(
    ("message", "results"),
    [
        (Message("user", "Hello"), []),
        (Message("user", [TextPart("Go on."), RESULT]), [RESULT]),
        (Message("tool", [RESULT, RESULT]), [RESULT, RESULT]),
        (Message("assistant", "", tool_calls=[ToolUse("a", "add", "{}")]), []),
    ],
)
def test_results_are_found(message: Message, results: list[ToolResultPart]) -> None:
    assert tool_results(message, "/messages/0") == results


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        (Message("tool", "42"), "/messages/3/content"),
        (Message("tool", []), "/messages/3/content"),
        (Message("tool", [RESULT, TextPart("and more")]), "/messages/3/content"),
        (Message("assistant", [RESULT]), "/messages/3/content"),
        (Message("system", [RESULT]), "/messages/3/content"),
        (Message("user", "", tool_calls=[ToolUse("a", "add", "{}")]), "/messages/3/tool_calls"),
        (Message("tool", [RESULT], tool_calls=[ToolUse("a", "add", "{}")]), "/messages/3/tool_calls"),
    ],
)
def test_what_a_role_can_not_hold_is_refused(message: Message, pointer: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        tool_results(message, "/messages/3")
    assert caught.value.extra["pointer"] == pointer
