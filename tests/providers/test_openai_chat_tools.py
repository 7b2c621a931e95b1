"""Tool calls are put together right from every way that servers have of numbering their deltas."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater.domain.event import ToolCall
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Item
from headwater.providers.openai_chat_tools import ToolCalls, ToolDelta, ToolFunction, _Arguments

Step = tuple[int, str | None, str | None, str | None]


def run(*steps: Step) -> list[ToolCall]:
    """The pieces that come of these deltas (place, id, name, arguments) and the end of the answer."""
    calls, items = ToolCalls(), list[Item]()
    for place, call_id, name, arguments in steps:
        calls.take(place, ToolDelta(id=call_id, function=ToolFunction(name, arguments)), items)
    calls.finish(items)
    pieces = [item for item in items if isinstance(item, ToolCall)]
    assert len(pieces) == len(items)
    return pieces


def folded(pieces: list[ToolCall]) -> list[tuple[str, str, str]]:
    """Each call's id, name and arguments; exactly the last piece of each says that it is done."""
    calls = []
    for call_id in dict.fromkeys(piece.id for piece in pieces):
        own = [piece for piece in pieces if piece.id == call_id]
        assert [piece.done for piece in own] == [False] * (len(own) - 1) + [True]
        assert len({(piece.name, piece.index) for piece in own}) == 1
        calls.append((call_id, own[0].name, "".join(piece.arguments for piece in own)))
    return calls


def test_openai_names_a_call_once_and_adds_to_it() -> None:
    pieces = run((0, "a", "add", ""), (0, None, None, '{"x":'), (0, None, None, "1}"))
    assert pieces == [
        ToolCall("a", "add", ""),
        ToolCall("a", "add", '{"x":'),
        ToolCall("a", "add", "1}"),
        ToolCall("a", "add", "", done=True),
    ]


def test_a_call_is_done_when_the_next_begins() -> None:
    pieces = run((0, "a", "add", "{}"), (1, "b", "sub", "{}"))
    assert [(piece.id, piece.done) for piece in pieces] == [("a", False), ("a", True), ("b", False), ("b", True)]
    assert [piece.index for piece in pieces] == [0, 0, 1, 1]


def test_a_call_whose_arguments_are_not_whole_is_not_done_yet() -> None:
    pieces = run((0, "a", "add", ""), (1, "b", "sub", ""), (0, None, None, "{}"), (1, None, None, '{"y":2}'))
    assert folded(pieces) == [("a", "add", "{}"), ("b", "sub", '{"y":2}')]


def test_only_white_space_can_follow_a_call_that_is_done() -> None:
    pieces = run((0, "a", "add", "{}"), (1, "b", "sub", "{}"), (0, None, None, "\n"))
    last = [piece for piece in pieces if piece.id == "a"][-1]
    assert (last.arguments, last.done) == ("\n", True)


@pytest.mark.parametrize(
    ("steps", "calls"),
    [
        pytest.param(
            [(0, "a", "add", "{}"), (0, "b", "add", "{}")],
            [("a", "add", "{}"), ("b", "add", "{}")],
            id="one index for all, ids of their own",
        ),
        pytest.param(
            [(0, "", "add", "{}"), (0, "", "sub", "{}")],
            [("call_0", "add", "{}"), ("call_1", "sub", "{}")],
            id="one index for all, no ids",
        ),
        pytest.param(
            [(0, None, "add", '{"x"'), (0, None, "add", ":1}")],
            [("call_0", "add", '{"x":1}')],
            id="the name again with every delta",
        ),
        pytest.param(
            [(0, "a", "add", '{"x"'), (0, "z", None, ":1}")],
            [("a", "add", '{"x":1}')],
            id="another id with every delta",
        ),
        pytest.param(
            [(0, "a", "add", "{}"), (1, "a", "sub", "{}")],
            [("a", "add", "{}"), ("a_1", "sub", "{}")],
            id="the same id twice",
        ),
        pytest.param([(0, "a", None, None), (0, None, "add", "{}")], [("a", "add", "{}")], id="the name comes later"),
        pytest.param(
            [(0, None, "add", '{"x"'), (0, "a", "add", ":1}")], [("call_0", "add", '{"x":1}')], id="a late id"
        ),
        pytest.param([(0, "a", None, '{"x":1}')], [("a", "", '{"x":1}')], id="no name at all"),
        pytest.param([(0, "a", "add", None)], [("a", "add", "")], id="no arguments at all"),
    ],
)
def test_servers_own_ways(steps: list[Step], calls: list[tuple[str, str, str]]) -> None:
    assert folded(run(*steps)) == calls


def test_arguments_as_an_object() -> None:
    calls, items = ToolCalls(), list[Item]()
    calls.take(0, ToolDelta(id="a", function=ToolFunction("add", {"x": "\ud800"})), items)
    assert items == [ToolCall("a", "add", '{"x":"\ufffd"}')]


def test_a_delta_without_function_says_nothing() -> None:
    calls, items = ToolCalls(), list[Item]()
    calls.take(0, ToolDelta(id="a", function=ToolFunction("add", "{}")), items)
    calls.take(0, ToolDelta(), items)
    assert items == [ToolCall("a", "add", "{}")]
    assert len(calls) == 1


def test_a_pair_split_over_two_deltas() -> None:
    calls, items = ToolCalls(), list[Item]()
    calls.mending = True
    for arguments in ('{"x":"\ud83d', '\udc4b"}', "\ud83d"):
        calls.take(0, ToolDelta(id="a", function=ToolFunction("wa\ud800ve", arguments)), items)
    calls.finish(items)
    pieces = [item for item in items if isinstance(item, ToolCall)]
    assert folded(pieces) == [("a", "wa\ufffdve", '{"x":"👋"}\ufffd')]


def is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


@given(st.lists(st.text(alphabet='{}[]":,\\a1 \n', max_size=8), max_size=8))
@example(['{"a', '":"\\', '"}"', "}", " "])
@example(['{"a":"\\\\', '"}', "\v"])
@example(['{"a":["}"', "]", "}{}"])
@example(["1", "{}"])
@example(["{]", "}"])
def test_whether_arguments_are_whole_is_known_at_each_piece(pieces: list[str]) -> None:
    arguments = _Arguments()
    for count, piece in enumerate(pieces, 1):
        arguments.pieces.append(piece)
        assert arguments.are_whole == is_object("".join(pieces[:count]))


def test_arguments_are_read_once_however_often_the_name_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    look_at = _Arguments._look_at

    def noted(self: _Arguments, piece: str) -> None:
        looked.append(piece)
        look_at(self, piece)

    monkeypatch.setattr(_Arguments, "_look_at", noted)
    pieces = ['{"x":"', *"abcdefgh", '"}']
    assert folded(run(*((0, None, "add", piece) for piece in pieces))) == [("call_0", "add", '{"x":"abcdefgh"}')]
    assert looked == pieces[:-1]


def test_any_number_of_calls_that_are_whole_but_few_that_are_not() -> None:
    whole: list[Step] = [(place, f"call {place}", "add", "{}") for place in range(1_000)]
    assert len(folded(run(*whole))) == 1_000
    with pytest.raises(ProviderError) as caught:
        run(*((place, call_id, name, "{") for place, call_id, name, _ in whole))
    assert caught.value.code is ErrorCode.PARSE
