"""What is kept of a block until it stops is bounded. (What the blocks say: `test_anthropic.py`.)"""

from headwater.domain.event import Annotation, ProviderData, ToolCall
from headwater.providers.anthropic_blocks import Delta, OtherBlock, ThinkingBlock, ToolBlock
from headwater.providers.contract import Item
from headwater.providers.opaque import VALUE_BYTES_MAX

PIECE = "x" * 50_000
PIECES = 2 * VALUE_BYTES_MAX // len(PIECE)


def test_the_input_of_a_server_tool() -> None:
    items: list[Item] = []
    block = OtherBlock({"type": "server_tool_use", "id": "s", "name": "run", "input": {}}, 3, "acme")
    for _ in range(PIECES):
        block.take(Delta(partial_json=PIECE), items)
    assert items == []
    assert sum(map(len, block._input)) <= VALUE_BYTES_MAX
    block.stop(items)
    value = {"type": "server_tool_use", "id": "s", "name": "run", "input": None, "omitted_bytes": PIECES * len(PIECE)}
    assert items == [Annotation("acme", value, 3)]


def test_thinking_that_is_too_long_does_not_go_back() -> None:
    items: list[Item] = []
    block = ThinkingBlock({"signature": "c2ln"}, 0, "acme", items)
    for _ in range(PIECES):
        block.take(Delta(thinking=PIECE), items)
    assert sum(map(len, block._thinking)) <= VALUE_BYTES_MAX
    block.stop(items)
    assert len(items) == PIECES
    assert not any(isinstance(item, ProviderData) for item in items)


def test_a_tools_input_is_not_kept() -> None:
    items: list[Item] = []
    block = ToolBlock({"name": "look"}, 0, "a", items)
    for _ in range(PIECES):
        block.take(Delta(partial_json=PIECE), items)
    block.stop(items)
    assert items[-1] == ToolCall("a", "look", "", True)
    assert len(items) == PIECES + 2
