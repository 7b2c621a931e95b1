"""Tool calls from their pieces, the same however often a piece is shown."""

from __future__ import annotations

from headwater.delivery.formats.tool_inputs import ToolInputs
from headwater.domain import event as ev

PIECES = [
    ev.ToolCall("a", "add", '{"x":'),
    ev.ToolCall("b", "sub", ""),
    ev.ToolCall("a", "add", "1}"),
    ev.ToolCall("a", "add", "", done=True),
    ev.ToolCall("a", "add", "late", done=True),
    ev.ToolCall("a", "add", "{}", done=True, call=2),
]


def test_pieces_are_put_together_by_call_and_id() -> None:
    tools = ToolInputs()
    found = [tools.learn(seq, piece) for seq, piece in enumerate(PIECES, 1)]
    assert [(tool.seq, tool.id, tool.name, tool.arguments, tool.done_at) for tool in found] == [
        (1, "a", "add", '{"x":1}', 4),
        (2, "b", "sub", "", None),
        (1, "a", "add", '{"x":1}', 4),
        (1, "a", "add", '{"x":1}', 4),
        (1, "a", "add", '{"x":1}', 4),
        (6, "a", "add", "{}", 6),
    ]
    again = [tools.learn(seq, piece) for seq, piece in enumerate(PIECES, 1)]
    assert [tool.arguments for tool in again] == [tool.arguments for tool in found]
    assert [tool.id for tool in tools.before(3)] == ["a", "b"]
    assert [[tool.id for tool in tools.open_at(seq)] for seq in (1, 3, 4, 7)] == [[], ["a", "b"], ["b"], ["b"]]
