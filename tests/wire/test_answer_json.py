"""Which JSON of an answer is the answer: what thinking is, what fits, and what is told of it at every cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater.wire.answer_json import BEGINNINGS_MAX, VALUES_MAX, AnswerJSON, AnswerRepair
from headwater.wire.partial_json import Known, Note
from headwater.wire.thinking_marks import THINKING_MARKS
from tests.wire.test_partial_json import ALL, cut, each_char, folded

VALUE: Final = {"answer": [2]}
JSON: Final = json.dumps(VALUE)
NULL: Final = Known("", None, False)


def has_answer(value: Any) -> bool:
    return isinstance(value, dict) and "answer" in value


def read(
    pieces: Iterable[str], fits: Callable[[Any], bool] | None = has_answer, begins: str = "{["
) -> tuple[AnswerJSON, list[Known]]:
    """The answer; what was told amounts to it at every cut."""
    answer, known = AnswerJSON(begins=begins, fits=fits), []
    for piece in pieces:
        known += answer.feed(piece)
        assert answer.told == folded(known)
    return answer, known + answer.end()


# ── thinking ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("opening", "closing"), THINKING_MARKS.items())
@pytest.mark.parametrize(
    "thought", ["hmm", '{"answer": 1}', '{"answer": "', '{"a": 1, b', '"', "{", "<", "```json", ""]
)
def test_what_stands_between_marks_is_not_looked_at(opening: str, closing: str, thought: str) -> None:
    text = f"{opening}{thought}{closing}\n{JSON}"
    for pieces in ([text], each_char(text)):
        answer, known = read(pieces)
        assert (answer.value, answer.is_whole, answer.note, answer.repairs) == (VALUE, True, None, ["thinking"])
        assert folded(known) == VALUE
        assert NULL not in known, "nothing was told of it"


@pytest.mark.parametrize("closing", THINKING_MARKS.values())
@pytest.mark.parametrize("thought", ["hmm", '{"answer": 1}', '{"a": 1, b', '{"answer": 1} {"b": 2}', "{", "[1, 2", ""])
def test_all_before_a_closing_mark_that_nothing_opened_was_thinking(closing: str, thought: str) -> None:
    text = f"{thought}{closing}\n{JSON}"
    for pieces in ([text], each_char(text)):
        answer, known = read(pieces)
        assert (answer.value, answer.is_whole, answer.repairs) == (VALUE, True, ["thinking"])
        assert folded(known) == VALUE


def test_what_was_told_of_it_is_taken_back() -> None:
    _, known = read(['{"answer": 1}', "</thi", "nk>", '{"answer"', ": 2}"])
    assert known == [
        Known("", {"answer": 1}, True),
        NULL,
        Known("", {}, False),
        Known("/answer", 2, True),
        Known("", {}, True, True),
    ]


@pytest.mark.parametrize("begins", [ALL, "tf", "-0123456789"])
def test_a_plain_value_may_stand_before_and_behind_a_mark(begins: str) -> None:
    value = True if begins == "tf" else 42
    word = json.dumps(value)
    for text in (f"<think>7 true{word}</think>{word}", f"7 the {word}</think>{word}", f"{word}<think>8 false</think>"):
        for pieces in ([text], each_char(text)):
            answer, known = read(pieces, fits=None, begins=begins)
            assert (answer.value, folded(known), answer.is_whole) == (value, value, True)


@pytest.mark.parametrize(
    ("text", "value", "repairs"),
    [
        (f"Sure: <think>a</think> ```json\n{JSON}\n```", VALUE, ["fence", "prose", "thinking"]),
        (f"<think>a</think>b<think>[1]</think>{JSON}", VALUE, ["prose", "thinking"]),
        (f"{JSON}<think>{{}}</think>", VALUE, ["thinking"]),
        (f"{JSON}</think>", VALUE, ["prose"]),
        (f"{JSON}</think> So be it {{see above}}.", VALUE, ["prose"]),
        (f"{JSON}</think><think>{{}}", VALUE, ["prose"]),
        (f"<think>[1]<think>[2]</think>[3]</think>{JSON}", VALUE, ["thinking"]),
        ('{"answer": "<think>[1]</think>", "</think>": "<th"}', None, []),
        ('{"answer": "\\"</think>"} <th', None, ["prose"]),
    ],
)
def test_where_marks_may_stand(text: str, value: Any, repairs: list[AnswerRepair]) -> None:
    for pieces in ([text], each_char(text)):
        answer, known = read(pieces)
        wanted = value if value is not None else json.loads(text.removesuffix("<th"))
        assert (answer.value, folded(known), answer.is_whole) == (wanted, wanted, True)
        assert answer.repairs == repairs


@pytest.mark.parametrize(
    ("text", "note", "value"),
    [
        (f"<think>{JSON}", "no_json", None),
        (f"<think>{JSON}</thin", "no_json", None),
        ('<think>a</think>{"answer": [1', "unfinished", {"answer": []}),
        (f'{JSON}</think>{{"answer": [1', "unfinished", {"answer": []}),
        ('<think>a</think>{"answer": 1, b', "malformed", {"answer": 1}),
        ('{"answer": 1, b</think>', "malformed", {"answer": 1}),
        ('{"answer": 1, <think>a</think> "b": 2}', "malformed", {"answer": 1}),
        ("</think>", "no_json", None),
    ],
)
def test_what_is_no_whole_answer(text: str, note: Note, value: Any) -> None:
    for pieces in ([text], each_char(text)):
        answer, known = read(pieces)
        assert (answer.note, answer.is_whole, answer.value) == (note, False, value)
        assert note == "no_json" or folded(known) == value


def test_an_answer_begins_anew_only_so_many_times() -> None:
    for times in (BEGINNINGS_MAX, BEGINNINGS_MAX + 1):
        text = "".join(f'{{"answer": {number}}}</think>' for number in range(times)) + JSON
        for pieces in ([text], each_char(text)):
            answer, known = read(pieces)
            assert answer.value == (VALUE if times == BEGINNINGS_MAX else {"answer": BEGINNINGS_MAX})
            assert known.count(NULL) == BEGINNINGS_MAX


# ── the value that fits ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "repairs"),
    [
        (f'For example {{"x": 1}}; the answer: {JSON}', ["other_value", "prose"]),
        (f'{{"x": 1}}\n{JSON}\n{{"answer": 3}}', ["other_value", "prose"]),
        (f'{{"x": 1}}\n```json\n{JSON}\n```', ["fence", "other_value"]),
        (f'{{"x": 1}} [1] {{"y": "}}"}} {{see}} {JSON}', ["other_value", "prose"]),
        (f'{{"x": 1}} <think>{{"answer": 1}}</think> {JSON}', ["other_value", "thinking"]),
        (f'{{"x": 1}} <think>{{"answer": "</think>{JSON}', ["other_value", "thinking"]),
        (f'{{"x": 1}}</think>{{"y": 1}}{JSON}', ["other_value", "thinking"]),
        (f'{JSON}, not {{"x": 1}} nor {{"answer": 3}}', ["prose"]),
    ],
)
def test_the_first_value_that_fits_is_the_answer(text: str, repairs: list[AnswerRepair]) -> None:
    for pieces in ([text], each_char(text)):
        answer, known = read(pieces)
        assert (answer.value, folded(known), answer.is_whole, answer.repairs) == (VALUE, VALUE, True, repairs)


def test_it_takes_the_other_one_s_place_in_one_step_when_it_is_whole() -> None:
    _, known = read(each_char(f'{{"x": 1}} {JSON} {{"answer": 3}}'))
    assert known == [
        Known("", {}, False),
        Known("/x", 1, True),
        Known("", {}, True, True),
        Known("", VALUE, True),
    ]


@pytest.mark.parametrize(
    "rest", ["", '{"y": 1}', '{"y": 1, b} {"answer": 2}', '{"answer": 2', '{"answer": "', "[" * 99 + JSON]
)
def test_where_none_fits_the_first_one_stays(rest: str) -> None:
    text = f'{{"x": 1}} {rest}'
    for pieces in ([text], each_char(text)):
        answer, known = read(pieces)
        assert (answer.value, folded(known), answer.is_whole, answer.note) == ({"x": 1}, {"x": 1}, True, None)
        assert "other_value" not in answer.repairs


def test_a_number_that_ends_with_the_text_may_be_the_one_that_fits() -> None:
    answer, known = read(each_char("Of 3 it is 42"), fits=lambda value: value == 42, begins="0123456789")
    assert (answer.value, known[-1], answer.repairs) == (42, Known("", 42, True), ["other_value", "prose"])
    assert answer.end() == []


def test_without_a_wish_the_first_whole_value_is_the_answer() -> None:
    answer, _ = read([f'{{"x": 1}} {JSON}'], fits=None)
    assert (answer.value, answer.repairs) == ({"x": 1}, ["prose"])


def test_only_so_many_values_are_asked_about() -> None:
    asked: list[Any] = []

    def fits(value: Any) -> bool:
        asked.append(value)
        return has_answer(value)

    for between in (" ", "<think>{}</think>"):
        for pieces in ([between.join(['{"x": 1}'] * 99) + JSON], [f'{{"x": 1}}{between}'] * 99 + [JSON]):
            asked.clear()
            answer, _ = read(pieces, fits)
            assert len(asked) == VALUES_MAX
            assert answer.is_whole


# ── whatever comes ──────────────────────────────────────────────────────────────────────────────────

_MARKS: Final = ["<think>", "</think>", "◁/think▷", "<", "</", "<th", "think>"]
_VALUES: Final = ['{"x": 1}', JSON, '{"answer": "', '{"a": 1, b']
_TOKENS: Final = ["{", "}", "[", "]", ",", ":", '"', "\\", "1", "-", "true", " ", "\n", "```json"]
_parts = st.lists(st.sampled_from([*_MARKS, *_VALUES, *_TOKENS]) | st.text(max_size=3), max_size=40)


@given(_parts, st.lists(st.integers(0, 300), max_size=40), st.sampled_from(["{[", ALL, "tfn", "0123456789-"]))
@example(["</", "think>", JSON], [1], ALL)
def test_where_the_text_is_cut_makes_no_difference(parts: list[str], cuts: list[int], begins: str) -> None:
    text = "".join(parts)
    whole, _ = read([text], begins=begins)
    for pieces in (cut(text, cuts), each_char(text)):
        answer, known = read(pieces, begins=begins)
        assert (answer.value, answer.note, answer.is_whole) == (whole.value, whole.note, whole.is_whole)
        assert answer.repairs == whole.repairs
        assert (answer.note is None) == answer.is_whole
        if answer.is_whole:
            assert folded(known) == answer.value
        assert answer.end() == []


@given(_parts)
def test_what_is_told_stays_bounded_by_the_text(parts: list[str]) -> None:
    text = "".join(parts)
    _, known = read([text])
    said = sum(len(json.dumps(each.value, separators=(",", ":"), ensure_ascii=False)) for each in known)
    # a value may be told once more: when it fits, or when nothing came behind a mark
    assert said <= 6 * len(text) + 6 * len(known)
