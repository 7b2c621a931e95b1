"""An answer that is asked for again from an earlier place: what the log has is not said twice, and nothing is lost."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Finish, Item
from headwater.runs.overlap import Overlap
from headwater.runs.recorder import shape

ANSWER: list[ev.Event] = [
    ev.Reasoning("hm", 0),
    ev.Chunk("a🌊", 1),
    ev.Chunk("b", 1),
    ev.Annotation("p", {"at": [1, 2]}, 1),
    ev.Chunk("c", 2),
    ev.ToolCall("t", "f", '{"x":', False, 0),
    ev.ToolCall("t", "f", "1}", True, 0),
    ev.Chunk("d", 3, None, {"content": [{"token": "d"}]}),
    ev.ProviderData("p", {"signature": "s"}, 3),
    ev.UsageReport(Usage(1, 0, 2)),
]


def logged(*batches: list[ev.Event]) -> list[ev.Event]:
    """What the log has of these batches, as it is read back."""
    shaped = [event for batch in batches for event in shape(batch)]
    return [ev.decode_record(ev.encode_record(seq, 0, event)).event for seq, event in enumerate(shaped, 1)]


@given(st.data())
def test_whatever_the_log_has_the_rest_is_what_is_new(data: st.DataObject) -> None:
    edges = sorted(data.draw(st.sets(st.integers(0, len(ANSWER)))) | {0})
    batches = [ANSWER[start:end] for start, end in itertools.pairwise(edges)]
    had = sum(map(len, batches))
    overlap = Overlap(logged(*batches))
    fresh: list[Item] = []
    items: list[Item] = [*ANSWER, Finish("stop")]
    while items:
        size = data.draw(st.integers(1, len(items)))
        fresh += overlap.take(items[:size])
        items = items[size:]
    assert fresh == [*ANSWER[had:], Finish("stop")]
    assert overlap.is_passed


def test_text_is_compared_by_what_it_says_however_it_was_cut() -> None:
    overlap = Overlap([ev.Chunk("abc", 0), ev.Chunk("def", 0)])
    assert overlap.take([ev.Chunk("ab", 0)]) == []
    assert not overlap.is_passed
    assert overlap.take([ev.Chunk("cdefgh", 0), ev.Chunk("i", 0)]) == [ev.Chunk("gh", 0), ev.Chunk("i", 0)]


def test_half_a_character_is_what_the_log_made_of_it() -> None:
    assert Overlap(logged([ev.Chunk("a\ud800", 0)])).take([ev.Chunk("a\ud800", 0), ev.Chunk("b", 0)]) == [
        ev.Chunk("b", 0)
    ]


def test_long_arguments_were_cut_for_the_log() -> None:
    long: list[ev.Event] = [ev.ToolCall("t", "f", "x" * 200_000, True, 0)]
    assert len(logged(long)) > 1
    assert Overlap(logged(long)).take([*long, Finish("tool_calls")]) == [Finish("tool_calls")]


@pytest.mark.parametrize(
    ("said", "again"),
    [
        (ev.Chunk("ab", 0), ev.Chunk("ax", 0)),
        (ev.Chunk("ab", 0), ev.Chunk("ab", 1)),
        (ev.Chunk("ab", 0), ev.Reasoning("ab", 0)),
        (ev.Chunk("ab", 0), ev.ToolCall("t", "f", "ab")),
        (ev.Chunk("ab", 0), ev.UsageReport(Usage())),
        (ev.Chunk("ab", 0), Finish("stop")),
        (ev.ToolCall("t", "f", "{"), ev.ToolCall("u", "f", "{")),
        (ev.ToolCall("t", "f", "{"), ev.ToolCall("t", "f", "[")),
        (ev.ToolCall("t", "f", "{", False), ev.ToolCall("t", "f", "{", True)),
        (ev.ToolCall("t", "f", "{}", True), ev.ToolCall("t", "f", "{", True)),
        (ev.Annotation("p", 1), ev.Annotation("p", 2)),
    ],
)
def test_another_answer_is_an_error(said: Any, again: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        Overlap([said]).take([again])
    assert caught.value.code is ErrorCode.INTERRUPTED
    assert not caught.value.retryable


def test_what_we_made_of_a_price_is_not_compared() -> None:
    overlap = Overlap([ev.Chunk("a", 0), ev.UsageReport(Usage(1, 0, 2, cost_usd=0.5))])
    assert overlap.take([ev.Chunk("a", 0), ev.UsageReport(Usage(1, 0, 2)), Finish("stop")]) == [Finish("stop")]
    overlap = Overlap([ev.UsageReport(Usage(1, 0, 2))])
    with pytest.raises(ProviderError):
        overlap.take([ev.UsageReport(Usage(1, 0, 3))])


def test_what_is_on_its_way_to_the_log_is_compared_as_it_will_be_there() -> None:
    said: list[ev.Event] = [ev.Chunk("a\ud83c", 0), ev.ToolCall("t", "f", "\udf0a", True)]
    assert Overlap(said).take([*said, Finish("stop")]) == [Finish("stop")]
