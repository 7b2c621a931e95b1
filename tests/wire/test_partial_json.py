"""JSON that grows: what is known of it at every cut, what is passed over, and what is no JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater.domain.event import Field
from headwater.domain.structured_value import value_of
from headwater.wire.partial_json import (
    DEPTH_MAX,
    PATH_CHARS_MAX,
    ROW_ITEMS_MAX,
    SCALAR_CHARS_MAX,
    TEXT_CHARS_MAX,
    Known,
    Note,
    PartialJSON,
    Repair,
)

ALL = '{["-0123456789tfn'


def cut(text: str, places: Iterable[int]) -> list[str]:
    bounds = [0, *sorted({place for place in places if 0 < place < len(text)}), len(text)]
    return [text[a:b] for a, b in pairwise(bounds)]


def each_char(text: str) -> list[str]:
    return list(text)


def folded(known: Sequence[Known]) -> Any:
    return value_of(Field(each.path, each.value, each.is_done, delta=each.is_delta) for each in known)


def read(pieces: Iterable[str], begins: str = "{[") -> tuple[PartialJSON, list[Known]]:
    parser = PartialJSON(begins=begins)
    known = [each for piece in pieces for each in parser.feed(piece)]
    return parser, known + parser.end()


_numbers = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False, allow_infinity=False)
_plain = st.none() | st.booleans() | _numbers | st.text(max_size=12)
_json = st.recursive(
    _plain,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=4)
        | st.dictionaries(st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=25,
)
_layouts = st.sampled_from([{}, {"ensure_ascii": False}, {"indent": 2}, {"separators": (",", ":")}])
_cuts = st.lists(st.integers(0, 400), max_size=60)


# ── the value ───────────────────────────────────────────────────────────────────────────────────────


@given(_json, _layouts, _cuts)
@example({"a": "\U0001f600", "~/": [[1, 2], []], "": {"": 0.1}}, {}, list(range(100)))
def test_the_last_state_is_the_parsed_whole(value: Any, layout: dict[str, Any], cuts: list[int]) -> None:
    text = json.dumps(value, **layout)
    for pieces in (cut(text, cuts), each_char(text), [text]):
        parser, known = read(pieces, begins=ALL)
        assert (parser.is_whole, parser.note, parser.repairs) == (True, None, [])
        assert parser.value == json.loads(text)
        assert folded(known) == json.loads(text)


@given(_json, _layouts, _cuts)
def test_what_was_told_is_at_every_cut_what_is_known(value: Any, layout: dict[str, Any], cuts: list[int]) -> None:
    parser, known = PartialJSON(), []
    for piece in cut(json.dumps({"all": value}, **layout), cuts):
        known += parser.feed(piece)
        assert parser.told == folded(known)


@given(_json, _layouts, _cuts)
def test_every_place_is_done_once_and_nothing_comes_after(value: Any, layout: dict[str, Any], cuts: list[int]) -> None:
    _, known = read(cut(json.dumps([value], **layout), cuts))
    over: list[str] = []
    for each in known:
        assert not any(each.path == path or each.path.startswith(path + "/") for path in over)
        if each.is_done:
            over.append(each.path)
    assert over[-1] == ""


@given(_json, _layouts, _cuts)
def test_nothing_is_told_twice(value: Any, layout: dict[str, Any], cuts: list[int]) -> None:
    """So that what a reader is sent is never much more than the text."""
    text = json.dumps([value], **layout)
    pieces = cut(text, cuts)
    _, known = read(pieces)
    said = sum(len(json.dumps(each.value, separators=(",", ":"), ensure_ascii=False)) for each in known)
    # quotes or brackets around what grows, and numbers that are written longer: `1e22`
    assert said <= 4 * len(text) + 4 * len(known)


def test_the_value_so_far_has_strings_as_far_as_they_go_and_numbers_when_they_are_whole() -> None:
    parser = PartialJSON()
    states = []
    for piece in ['{"a', '": "x', "y", '", "n": 1', "2", ', "l": [[1, ', "2], [", "3]]}"]:
        parser.feed(piece)
        states.append(parser.value)
    assert states == [
        {},
        {"a": "x"},
        {"a": "xy"},
        {"a": "xy"},
        {"a": "xy"},
        {"a": "xy", "n": 12, "l": [[1]]},
        {"a": "xy", "n": 12, "l": [[1, 2], []]},
        {"a": "xy", "n": 12, "l": [[1, 2], [3]]},
    ]


# ── what is told ────────────────────────────────────────────────────────────────────────────────────


def test_a_whole_answer_in_one_piece_is_one_value() -> None:
    text = '{"a": {"b": [1, 2]}, "c": "d"}'
    assert read([text])[1] == [Known("", json.loads(text), True)]


def test_a_string_is_told_once_and_then_what_is_put_behind_it() -> None:
    _, known = read(['{"a": "On', "e", " t", 'wo"', "}"])
    assert known == [
        Known("", {"a": "On"}, False),
        Known("/a", "e", False, True),
        Known("/a", " t", False, True),
        Known("/a", "wo", True, True),
        Known("", {}, True, True),
    ]


def test_a_grid_is_told_row_by_row() -> None:
    _, known = read(each_char('{"grid": [[0, 3], [12, 4]]}'))
    assert known == [
        Known("", {}, False),
        Known("/grid", [], False),
        Known("/grid/0", [0, 3], True),
        Known("/grid/1", [12, 4], True),
        Known("/grid", [], True, True),
        Known("", {}, True, True),
    ]


def test_a_list_of_numbers_that_is_no_row_is_told_item_by_item() -> None:
    _, known = read(each_char('{"n": [1, 2]}'))
    assert known[1:4] == [Known("/n", [], False), Known("/n/0", 1, True), Known("/n/1", 2, True)]


@pytest.mark.parametrize("inner", ['"x"', "[2]", "{}"])
def test_what_only_began_like_a_row_is_told_as_it_comes(inner: str) -> None:
    parser = PartialJSON()
    parser.feed("[")
    assert parser.feed("[1, ") == []
    (known,) = parser.feed(inner[0] + inner[1:2])
    assert (known.path, known.value[0], known.is_done) == ("/0", 1, False)


def test_a_row_of_any_length_is_told_in_bounded_pieces() -> None:
    _, known = read(each_char("[[" + ",".join("7" for _ in range(ROW_ITEMS_MAX + 9)) + "]]"))
    assert folded(known) == [[7] * (ROW_ITEMS_MAX + 9)]
    assert len(known[1].value) == ROW_ITEMS_MAX


def test_paths_are_json_pointers() -> None:
    _, known = read(each_char('{"a/b": {"~": [true]}}'))
    assert [each.path for each in known] == ["", "/a~1b", "/a~1b/~0", "/a~1b/~0/0", "/a~1b/~0", "/a~1b", ""]


def test_one_huge_piece_is_told_in_values_of_bounded_size() -> None:
    text = json.dumps({"a": "x" * 100_000, "b": list(range(20_000))})
    parser, known = read([text])
    assert parser.value == folded(known) == json.loads(text)
    assert max(len(json.dumps(each.value)) for each in known) < 100_000


# ── what is around it ───────────────────────────────────────────────────────────────────────────────

VALUE = {"a": [1, {"b": "c"}]}
JSON = json.dumps(VALUE)


@pytest.mark.parametrize(
    ("text", "repairs"),
    [
        (JSON, []),
        (f"\ufeff \n{JSON}\n", []),
        (f"```json\n{JSON}\n```", ["fence"]),
        (f"```\n{JSON}\n```\n", ["fence"]),
        (f"``` JSON5 \n{JSON}", ["fence"]),
        (f"Sure:\n\n{JSON}", ["prose"]),
        (f"{JSON} I hope that helps!", ["prose"]),
        (f"Sure:\n```json\n{JSON}\n```\nDone {{see}}.", ["fence", "prose"]),
        (f"Code is in ``` fences, they say: {JSON}", ["prose"]),
        (f"A set {{1, 2}}, a link [text](x), a name {{x}}: {JSON}", ["prose"]),
        (f"{{{JSON}}}", ["prose"]),
        ('{"see": below', None),
        (f"{JSON}\n{json.dumps({'later': 1})}", ["prose"]),
        (JSON.replace("}]}", "},]}"), ["trailing_comma"]),
        (JSON.replace("}]}", "},\n],\n}"), ["trailing_comma"]),
    ],
)
def test_what_is_around_the_value_is_passed_over_and_noted(text: str, repairs: list[Repair] | None) -> None:
    for pieces in ([text], each_char(text)):
        parser, known = read(pieces)
        if repairs is None:
            assert not parser.is_whole
            continue
        assert parser.is_whole
        assert parser.value == folded(known) == VALUE
        assert parser.repairs == repairs


@given(st.text(st.characters(exclude_characters='{["`', exclude_categories=["Cs"]), max_size=40), _cuts)
def test_prose_of_any_kind_before_the_value_changes_nothing(prose: str, cuts: list[int]) -> None:
    parser, known = read(cut(prose + JSON, cuts))
    assert parser.value == folded(known) == VALUE
    assert parser.repairs == (["prose"] if prose.strip(" \t\r\n\ufeff") else [])


def test_the_first_whole_object_wins_also_over_what_began_before_it() -> None:
    parser, known = read(each_char('{ {"a": 1} {"b": 2}'))
    assert parser.value == folded(known) == {"a": 1}


def test_a_caller_may_wait_for_an_object_only() -> None:
    parser, _ = read(['As [1] says: {"a": 1}'], begins="{")
    assert parser.value == {"a": 1}
    assert read(['As [1] says: {"a": 1}'])[0].value == [1]


@pytest.mark.parametrize(
    ("text", "value", "repair"),
    [
        ('"a\nb\tc"', "a\nb\tc", "control_character"),
        (r'"\d+ \( \'"', r"\d+ \( \'", "escape"),
        (r'"\ud83d"', "\ufffd", "surrogate"),
        (r'"\ude00"', "\ufffd", "surrogate"),
        (r'"\ud83dx"', "\ufffdx", "surrogate"),
        (r'"\ud83d\n"', "\ufffd\n", "surrogate"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600", "surrogate"),
    ],
)
def test_what_is_meant_is_taken_for_it(text: str, value: str, repair: Repair) -> None:
    for pieces in ([text], each_char(text)):
        parser, known = read(pieces, begins='"')
        assert parser.value == folded(known) == value
        assert parser.repairs == [repair]


# ── what is no JSON ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "note", "value"),
    [
        ("", "no_json", None),
        ("I can not do that.", "no_json", None),
        ("{see below}", "no_json", None),
        ('{"a', "unfinished", {}),
        ('{"a": [1, "tw', "unfinished", {"a": [1, "tw"]}),
        ('{"a": "b\\', "unfinished", {"a": "b"}),
        ('{"a": 1', "unfinished", {}),
        ('{"a": 1, b: 2, "c": {"d": 3}}', "malformed", {"a": 1}),
        ('{"a": 1 "b": 2}', "malformed", {"a": 1}),
        ("[1, 2}", "malformed", [1, 2]),
        ("[1, 01]", "malformed", [1]),
        ("[1, +2]", "malformed", [1]),
        ("[1, NaN]", "malformed", [1]),
        ("[1, truth]", "malformed", [1]),
        ("[1, 1e999]", "malformed", [1]),
        ("[1, -]", "malformed", [1]),
        ("[1, .5]", "malformed", [1]),
        ("[1, ٣]", "malformed", [1]),
        ('[1, "\\u12_4"]', "malformed", [1]),
        ("[1,, 2]", "malformed", [1]),
        ("[1, " + "9" * (SCALAR_CHARS_MAX + 1) + "]", "malformed", [1]),
        ("[" * (DEPTH_MAX + 1), "too_deep", None),
        ('{"' + "k" * PATH_CHARS_MAX + '": 1}', "too_large", {}),
    ],
)
def test_what_is_no_json_ends_in_a_note(text: str, note: Note, value: Any) -> None:
    for pieces in ([text], each_char(text)):
        parser, known = read(pieces)
        assert (parser.note, parser.is_whole) == (note, False)
        if note != "too_deep":
            assert parser.value == value
        assert note == "no_json" or folded(known) == parser.value
        assert note in ("no_json", "unfinished") or parser.feed('{"more": 1}') == []


def test_a_number_that_ends_with_the_text_is_whole() -> None:
    parser, known = read(["4", "2"], begins=ALL)
    assert (parser.is_whole, parser.value, known) == (True, 42, [Known("", 42, True)])


def test_numbers_beyond_64_bits_are_floats() -> None:
    value = read([f"[{1 << 64}, {(1 << 64) - 1}, {-(1 << 63)}, {-(1 << 63) - 1}]"])[0].value
    assert [type(each) for each in value] == [float, int, int, float]


@pytest.mark.slow
def test_text_without_end_is_not_kept() -> None:
    for begin in ("", '{"a": "', "[["):
        parser = PartialJSON()
        parser.feed(begin)
        for _ in range(TEXT_CHARS_MAX // 65536):
            parser.feed("x" * 65536 if begin != "[[" else "1," * 32768)
        assert parser.feed("y" * 65536) == []
        assert parser.note == "too_large"
        assert parser.end() == []


def test_a_value_that_is_whole_is_not_undone_by_what_follows() -> None:
    parser = PartialJSON()
    parser.feed('{"a": 1}')
    for _ in range(3):
        assert parser.feed("[[" * (TEXT_CHARS_MAX // 4)) == []
    parser.end()
    assert (parser.value, parser.note) == ({"a": 1}, None)


_hostile = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", ",", ":", '"', "\\", "\\u", "d83d", "1", "-", "e5", "true", " ", "\n", "a", "```"]
    )
    | st.text(max_size=3),
    max_size=60,
)


@given(_hostile, _cuts)
def test_anything_may_come(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    whole, _ = read([text])
    for pieces in (cut(text, cuts), each_char(text)):
        parser, known = read(pieces)
        assert (parser.value, parser.note, parser.is_whole) == (whole.value, whole.note, whole.is_whole)
        assert parser.repairs == whole.repairs
        assert (parser.note is None) == parser.is_whole
        if parser.is_whole:
            assert folded(known) == parser.value
        json.dumps(parser.value, allow_nan=False).encode()


@given(_hostile)
def test_what_json_itself_takes_is_taken_so(parts: list[str]) -> None:
    text = "{" + "".join(parts)
    try:
        value = json.loads(text, parse_constant=lambda _: pytest.fail)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        assert read([text])[0].is_whole
