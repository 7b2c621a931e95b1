"""Items say how they begin, grow and end, and say the same whenever they are asked."""

from __future__ import annotations

import msgspec

from headwater.delivery.formats.responses_items import (
    ARGUMENTS,
    OUTPUT_TEXT,
    SUMMARY,
    CallItem,
    MessageItem,
    ReasoningItem,
    Said,
    Text,
)


def test_text_grows_and_remembers_where() -> None:
    text = Text()
    assert (text.plain, text.last_seq) == ("", 0)
    for seq, piece in ((3, b"a\\n"), (5, "é".encode())):
        text.add(seq, piece)
    assert (text.plain, text.json, text.last_seq) == ("a\né", msgspec.Raw('"a\\né"'.encode()), 5)
    assert [text.before(seq) for seq in (3, 4, 6)] == [b"", b"a\\n", "a\\né".encode()]


def told(said: list[Said]) -> list[bytes]:
    return [msgspec.json.encode([each.type, each.make()]) for each in said]


def test_an_event_says_the_same_whatever_has_happened_since() -> None:
    item = MessageItem("x", 0, 1, 1)
    said = [*item.begin(), *item.begin_part(OUTPUT_TEXT, (1, 0, "chunk"))]
    before = told(said)
    item.parts[0].text.add(2, b"Hi")
    said += item.end("completed")
    assert told(said)[: len(before)] == before
    assert [each.type.removeprefix("response.") for each in said] == [
        "output_item.added",
        "content_part.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
    ]


def test_a_part_ends_where_the_next_begins() -> None:
    item = ReasoningItem("x", 4, 1, 1)
    item.begin_part(SUMMARY, (1, 0, "reasoning"))
    said = item.begin_part(SUMMARY, (1, 1, "reasoning"))
    assert [each.type.removeprefix("response.reasoning_summary_") for each in said] == [
        "text.done",
        "part.done",
        "part.added",
    ]
    assert item.where(item.parts[1]) == {"item_id": "rs_x_4", "output_index": 4, "summary_index": 1}


def test_a_call_has_one_part_without_a_place() -> None:
    call = CallItem("x", 2, 1, 1, call_id="a", function="f")
    assert call.begin_part(ARGUMENTS, (1, 0, "tool_call")) == []
    call.arguments.add(2, b"{}")
    arguments, done = call.end("incomplete")
    assert (arguments.type, arguments.make()["item_id"]) == ("response.function_call_arguments.done", "fc_x_2")
    assert (done.make()["item"]["status"], call.last_seq) == ("incomplete", 2)
