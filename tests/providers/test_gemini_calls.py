"""Function calls, whole and in pieces."""

import json
from typing import Any

import pytest

from headwater.domain.event import ToolCall
from headwater.providers.contract import Item
from headwater.providers.gemini_calls import BadArguments, FunctionCall, FunctionCalls, PartialArg


def take(calls: FunctionCalls, *pieces: FunctionCall) -> list[Item]:
    items: list[Item] = []
    for piece in pieces:
        calls.take(piece, items)
    return items


def arguments_of(*pieces: PartialArg) -> Any:
    """What these come to, in a call that each has a part of its own in."""
    parts = [FunctionCall(partial_args=[piece], will_continue=True) for piece in pieces]
    items = take(FunctionCalls(), FunctionCall("f", will_continue=True), *parts, FunctionCall())
    assert items[0] == ToolCall("call_0", "f", "")
    last = items[-1]
    assert isinstance(last, ToolCall)
    assert (len(items), last.id, last.name, last.done) == (2, "call_0", "f", True)
    return json.loads(last.arguments)


def test_whole_calls() -> None:
    items = take(FunctionCalls(), FunctionCall("f", "abc", {"x": 1}), FunctionCall("g"), FunctionCall("h", None, {}))
    assert items == [
        ToolCall("abc", "f", '{"x":1}', True, 0),
        ToolCall("call_1", "g", "{}", True, 1),
        ToolCall("call_2", "h", "{}", True, 2),
    ]


def test_ids_are_unique() -> None:
    pieces = [FunctionCall("f", "call_1"), FunctionCall("f"), FunctionCall("f", "call_1"), FunctionCall("f", "call_1")]
    items = take(FunctionCalls(), *pieces)
    ids = [item.id for item in items if isinstance(item, ToolCall)]
    assert ids[0] == "call_1"
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], {}),
        ([PartialArg("$.a", "x")], {"a": "x"}),
        ([PartialArg("$.a", "x", will_continue=True), PartialArg("$.a", "y")], {"a": "xy"}),
        (
            [PartialArg("$.a", "x", will_continue=True), PartialArg("$.b", "y", will_continue=True)],
            {"a": "x", "b": "y"},
        ),
        ([PartialArg("$.a", number_value=3.0), PartialArg("$.b", number_value=2.5)], {"a": 3, "b": 2.5}),
        ([PartialArg("$.a", bool_value=False), PartialArg("$.b", null_value="NULL_VALUE")], {"a": False, "b": None}),
        ([PartialArg("$.a", bool_value=True), PartialArg("$.a")], {"a": True}),
        ([PartialArg("$.a[0].b", "x"), PartialArg("$.a[1].b", "y")], {"a": [{"b": "x"}, {"b": "y"}]}),
        ([PartialArg("$.a[0][0]", "x"), PartialArg("$.a[0][0]", "y")], {"a": [["y"]]}),
        ([PartialArg("$['x y']['a.b']", "x"), PartialArg('$["q\\"q"]', "y")], {"x y": {"a.b": "x"}, 'q"q': "y"}),
        ([PartialArg("$.größe-1", "x")], {"größe-1": "x"}),
    ],
)
def test_pieces(pieces: list[PartialArg], expected: Any) -> None:
    assert arguments_of(*pieces) == expected


@pytest.mark.parametrize(
    "path",
    [
        "",
        "$",
        "a",
        "$a",
        "$.",
        "$..a",
        "$.a[1]",
        "$.a[-1]",
        "$.a[*]",
        "$[0]",
        "$.a[999999999]",
        "$.a[9999999999]",
        "$['a",
        "$.a['b]",
        "$" + ".a" * 65,
        "$" + ".a" * 100_000,
        "$['" + "\\'" * 50_000,
    ],
)
def test_a_place_that_does_not_exist(path: str) -> None:
    with pytest.raises(BadArguments) as caught:
        arguments_of(PartialArg(path, "secret"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("first", "then"), [("$.a", "$.a.b"), ("$.a", "$.a[0]"), ("$.a[0]", "$.a.b")])
def test_a_value_is_not_put_into_one_of_another_kind(first: str, then: str) -> None:
    with pytest.raises(BadArguments):
        arguments_of(PartialArg(first, "x"), PartialArg(then, "y"))


def test_a_call_that_was_not_ended_ends_with_the_next_one_or_with_the_answer() -> None:
    calls = FunctionCalls()
    items = take(
        calls, FunctionCall("f", will_continue=True, partial_args=[PartialArg("$.a", "x", will_continue=True)])
    )
    items += take(calls, FunctionCall("g", will_continue=True))
    calls.finish(items)
    calls.finish(items)
    assert items == [
        ToolCall("call_0", "f", ""),
        ToolCall("call_0", "f", '{"a":"x"}', True),
        ToolCall("call_1", "g", "", False, 1),
        ToolCall("call_1", "g", "{}", True, 1),
    ]
    assert len(calls) == 2


def test_what_belongs_to_no_call() -> None:
    calls = FunctionCalls()
    assert take(calls, FunctionCall(), FunctionCall(will_continue=True)) == []
    assert not calls
    for stray in (FunctionCall(args={"a": 1}), FunctionCall(partial_args=[PartialArg("$.a", "x")])):
        with pytest.raises(BadArguments):
            take(calls, stray)


@pytest.mark.parametrize("arguments", ["{}", [], 1, [{}]])
def test_arguments_are_an_object(arguments: Any) -> None:
    with pytest.raises(BadArguments):
        take(FunctionCalls(), FunctionCall("f", args=arguments))


def test_halves_of_surrogate_pairs() -> None:
    calls = FunctionCalls()
    calls.mending = True
    halves = [PartialArg("$.a", "\ud83d", will_continue=True), PartialArg("$.a", "\ude00 \ud800")]
    items = take(calls, FunctionCall("f\ud800", "i\ud800", partial_args=halves))
    assert items == [ToolCall("i\ufffd", "f\ufffd", '{"a":"😀 \ufffd"}', True)]
