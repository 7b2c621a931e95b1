"""Where blocks begin and end: the short way of text, and what is not for these clients. The rest is in the stream's."""

from __future__ import annotations

from headwater.delivery.formats.content_blocks import ContentBlocks
from headwater.domain import event as ev


def test_text_that_goes_on_says_which_block_it_is_of() -> None:
    blocks = ContentBlocks()
    assert blocks.goes_on(1, 0) is None
    blocks.events(1, ev.Reasoning("Hm", 0))
    blocks.events(2, ev.Chunk("Hi", 1))
    assert blocks.goes_on(3, 1) == 1
    assert blocks.goes_on(4, 2) is None


def test_what_was_given_before_does_not_go_the_short_way() -> None:
    blocks = ContentBlocks()
    first = blocks.events(1, ev.Chunk("Hi", 0))
    assert blocks.goes_on(2, 0) == 0
    assert blocks.goes_on(1, 0) is None
    assert blocks.goes_on(2, 0) is None
    assert blocks.events(1, ev.Chunk("Hi", 0)) == first


def test_text_behind_a_tool_call_is_another_block() -> None:
    blocks = ContentBlocks()
    blocks.events(1, ev.Chunk("Hi", 0))
    blocks.events(2, ev.ToolCall("a", "f", "{}", done=True))
    assert blocks.goes_on(3, 0) is None
    begun, said = blocks.events(3, ev.Chunk("Hi", 0))
    assert (begun["index"], said["index"]) == (2, 2)
    # The first one's text still belongs to the first one.
    assert [event["index"] for event in blocks.events(1, ev.Chunk("Hi", 0))] == [0, 0]


def test_refusals_are_kept_for_the_end() -> None:
    blocks = ContentBlocks()
    for _ in range(2):
        assert blocks.events(1, ev.Refusal("No.", 0)) == []
    assert blocks.refusal == ["No."]
