"""Items come out once, whether they were streamed, came whole, or a bit of both."""

from typing import Any

import pytest

from headwater.domain.event import Annotation, Chunk, ProviderData, Reasoning, Refusal, ToolCall
from headwater.providers.contract import Item
from headwater.providers.openai_responses_items import CONTENT, OutputItems, kinds_in, whole_items

MESSAGE = {
    "type": "message",
    "content": [
        {"type": "output_text", "text": "Hello", "annotations": [{"type": "url_citation"}, {"type": "file_citation"}]},
        {"type": "refusal", "refusal": "No."},
    ],
}
CALL = {"type": "function_call", "call_id": "call_7", "name": "add", "arguments": '{"x":1}'}


def begun() -> tuple[OutputItems, list[Item]]:
    """An output of which nothing has come, and what it has put out."""
    return OutputItems("openai"), []


def whole(item: dict[str, Any], **options: Any) -> list[Item]:
    items: list[Item] = []
    OutputItems("openai", **options).done(0, item, items)
    return items


def test_a_message_in_one_piece() -> None:
    assert whole(MESSAGE) == [
        Chunk("Hello", 0),
        Annotation("openai", {"type": "url_citation"}, 0),
        Annotation("openai", {"type": "file_citation"}, 0),
        Refusal("No.", 1),
    ]


def test_what_was_streamed_does_not_come_again() -> None:
    output, items = begun()
    output.add(0, {"type": "message", "content": []}, items)
    part = output.part(0, (CONTENT, 0))
    output.text(Chunk, part, "Hel", items)
    output.annotate(part, {"type": "url_citation"}, items)
    output.text(Chunk, part, "lo", items)
    output.fill(Chunk, part, "Hello", items)
    output.done(0, MESSAGE, items)
    output.done(0, MESSAGE, items)
    output.finish(items)
    assert items == [
        Chunk("Hel", 0),
        Annotation("openai", {"type": "url_citation"}, 0),
        Chunk("lo", 0),
        Annotation("openai", {"type": "file_citation"}, 0),
        Refusal("No.", 1),
    ]
    assert (output.has_text, output.has_refusal, output.is_open) == (True, True, False)


@pytest.mark.parametrize("deltas", [[], ['{"x'], ['{"x', '":1}']])
def test_arguments_come_once(deltas: list[str]) -> None:
    output, items = begun()
    output.add(3, {**CALL, "arguments": ""}, items)
    assert items == [ToolCall("call_7", "add", "", False, 0)]
    for delta in deltas:
        output.arguments(3, delta, items)
    output.fill_arguments(3, '{"x":1}', items)
    open_before = output.is_open
    output.done(3, CALL, items)
    assert (open_before, output.is_open) == (True, False)
    pieces = [item for item in items if isinstance(item, ToolCall)]
    assert "".join(piece.arguments for piece in pieces) == '{"x":1}'
    assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert {(piece.id, piece.name, piece.index) for piece in pieces} == {("call_7", "add", 0)}


def test_a_call_in_one_piece() -> None:
    assert whole(CALL, tool_calls=2) == [
        ToolCall("call_7", "add", '{"x":1}', False, 2),
        ToolCall("call_7", "add", "", True, 2),
    ]


def test_a_call_waits_for_its_name() -> None:
    output, items = begun()
    output.add(0, {"type": "function_call", "call_id": "call_7"}, items)
    output.arguments(0, '{"x', items)
    assert items == []
    output.done(0, CALL, items)
    assert items == [ToolCall("call_7", "add", '{"x":1}', False, 0), ToolCall("call_7", "add", "", True, 0)]


def test_a_call_that_never_had_a_name_is_told_at_its_end() -> None:
    output, items = begun()
    output.add(0, {"type": "function_call", "call_id": "call_7", "arguments": "{}"}, items)
    output.finish(items)
    assert items == [ToolCall("call_7", "", "{}", True, 0)]


def test_ids_of_calls_are_unique() -> None:
    output, items = begun()
    for key, call_id in enumerate(["a", "a", "", None]):
        output.done(key, {**CALL, "call_id": call_id}, items)
    assert list(dict.fromkeys(item.id for item in items if isinstance(item, ToolCall))) == [
        "a",
        "a_1",
        "call_2",
        "call_3",
    ]


def test_a_place_that_is_used_again_is_another_item() -> None:
    output, items = begun()
    output.add(0, {**CALL, "arguments": ""}, items)
    output.add(0, {**CALL, "call_id": "call_8", "arguments": ""}, items)
    output.done(0, {**CALL, "call_id": "call_8"}, items)
    ended = [item for item in items if isinstance(item, ToolCall) and item.done]
    assert [(item.id, item.index) for item in ended] == [("call_7", 0), ("call_8", 1)]


@pytest.mark.parametrize(
    ("item", "texts"),
    [
        ({"content": [{"text": "We"}, {"text": "think"}], "summary": []}, ["We", "think"]),
        ({"content": [], "summary": [{"text": "In short"}]}, ["In short"]),
        ({"content": [{"text": "same"}], "summary": [{"text": "same"}]}, ["same"]),
        ({"content": None, "summary": "odd"}, []),
    ],
)
def test_reasoning_in_one_piece(item: dict[str, Any], texts: list[str]) -> None:
    items = whole({"type": "reasoning", **item}, parts=4)
    assert items == [Reasoning(text, 4 + at) for at, text in enumerate(texts)]


def test_what_is_sealed_goes_back_as_it_came() -> None:
    sealed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    assert whole(sealed) == [ProviderData("openai", sealed)]
    assert whole({**sealed, "encrypted_content": None}) == []
    compaction = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"}
    assert whole(compaction) == [ProviderData("openai", compaction)]
    program = {"type": "program", "code": "text(1)", "fingerprint": "gAAA"}
    assert whole(program) == [Annotation("openai", program), ProviderData("openai", program)]


@pytest.mark.parametrize("kind", ["mcp_approval_request", "local_shell_call"])
def test_what_the_caller_has_to_answer_goes_back_too(kind: str) -> None:
    item = {"type": kind, "id": "item_1"}
    assert whole(item) == [Annotation("openai", item), ProviderData("openai", item)]


def test_what_is_sealed_and_fits_no_record_is_left_out() -> None:
    assert whole({"type": "reasoning", "encrypted_content": "x" * 300_000}) == []


def test_a_servers_tool_is_told_as_it_came() -> None:
    search = {"type": "web_search_call", "action": {"query": "rivers"}}
    assert whole(search) == [Annotation("openai", search)]
    (drawn,) = whole({"type": "image_generation_call", "result": "x" * 2_000_000})
    assert isinstance(drawn, Annotation)
    assert drawn.value["result"] is None


def test_halves_of_pairs_wait_for_each_other_in_their_own_part() -> None:
    output, items = begun()
    output.mending = True
    output.add(1, {**CALL, "arguments": ""}, items)
    one, two = output.part(0, (CONTENT, 0)), output.part(0, (CONTENT, 1))
    output.text(Chunk, one, "a\ud83d", items)
    output.text(Chunk, two, "\ud83d", items)
    output.arguments(1, '{"x":"\ud83d', items)
    output.text(Chunk, one, "\ude00b", items)
    output.arguments(1, '\ude00"}', items)
    output.done(1, CALL, items)
    output.finish(items)
    assert items == [
        ToolCall("call_7", "add", "", False, 0),
        Chunk("a", 0),
        ToolCall("call_7", "add", '{"x":"', False, 0),
        Chunk("😀b", 0),
        ToolCall("call_7", "add", '😀"}', False, 0),
        ToolCall("call_7", "add", "", True, 0),
        Chunk("\ufffd", 1),
    ]


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"type": None},
        {"type": "message", "content": None},
        {"type": "message", "content": [None, {}, {"text": 5, "annotations": 5}]},
        {"type": "reasoning", "content": [{"text": {}}], "summary": [None]},
        {"type": "function_call"},
        {"type": {"odd": []}},
    ],
)
def test_odd_items_do_no_harm(item: dict[str, Any]) -> None:
    output, items = begun()
    output.add(0, item, items)
    output.done(0, item, items)
    output.finish(items)
    assert not [each for each in items if isinstance(each, Chunk | Reasoning | Refusal)]


def test_kinds() -> None:
    assert kinds_in([MESSAGE, CALL, None]) == {"message", "output_text", "refusal", "function_call"}
    assert kinds_in([{"type": "message", "content": [{"type": "output_text", "text": ""}]}]) == {"message"}
    assert kinds_in(None) == set()


REASONED: dict[str, Any] = {"type": "reasoning", "id": "rs_1"}
SAID: dict[str, Any] = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Yes"}]}
ASKED: dict[str, Any] = {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"}


def rest_of(output: list[dict[str, Any]], *streamed: dict[str, Any], before: int = 0) -> list[Item]:
    """What a whole output adds to the items that were streamed, after so many before the stream."""
    calls, items = OutputItems("acme", items=before, parts=before, tool_calls=0), list[Item]()
    for place, item in enumerate(streamed, before):
        calls.done(place, item, items)
    items.clear()
    calls.fill_rest(whole_items(output), items)
    return items


def test_what_was_not_streamed_comes_with_the_whole_output() -> None:
    called = [ToolCall("c", "add", "{}"), ToolCall("c", "add", "", done=True)]
    for before, streamed in ((0, []), (0, [REASONED]), (1, [])):
        assert rest_of([REASONED, SAID, ASKED], *streamed, before=before) == [Chunk("Yes", before), *called]
    assert rest_of([REASONED, SAID, ASKED], REASONED, SAID) == called


def test_what_was_streamed_does_not_come_again_at_another_place() -> None:
    assert rest_of([SAID, ASKED], REASONED, SAID, ASKED) == []
    assert rest_of([REASONED, SAID, ASKED], SAID, ASKED) == []
    assert rest_of([SAID, ASKED], before=2) == []


def test_where_items_have_no_places_nothing_is_added() -> None:
    calls, items = OutputItems("acme"), list[Item]()
    calls.done("rs_1", REASONED, items)
    calls.fill_rest(whole_items([REASONED, SAID]), items)
    assert items == []
