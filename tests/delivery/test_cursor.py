"""Where a reader says it stands (faults 10 to 13)."""

import pytest

from headwater.delivery.cursor import Cursor, ahead, parse_cursor, parse_cursors, parse_event_id, parse_place, trimmed
from headwater.errors import BadRequestError


@pytest.mark.parametrize(
    ("header", "after", "start", "cursor"),
    [
        (None, None, None, Cursor(0)),
        ("", None, None, Cursor(0)),
        ("7", None, None, Cursor(7)),
        ("007", None, None, Cursor(7)),
        ("0", "5", None, Cursor(0)),
        ("7", "5", None, Cursor(7)),
        (None, "5", None, Cursor(5)),
        (None, None, "snapshot", Cursor(0, True)),
        ("7", None, "snapshot", Cursor(7)),
        ("", None, "snapshot", Cursor(0, True)),
    ],
)
def test_the_header_wins(header: str | None, after: str | None, start: str | None, cursor: Cursor) -> None:
    assert parse_cursor(header, after, start) == cursor


@pytest.mark.parametrize(
    "text", ["-1", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "1_0", "٣", "²", "run:7", "NaN", "1" * 16, "9" * 5000, "\0"]
)
def test_what_is_no_seq_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError) as header:
        parse_cursor(text)
    assert header.value.extra == {"parameter": "Last-Event-ID"}
    with pytest.raises(BadRequestError) as query:
        parse_cursor(None, text)
    assert query.value.extra == {"parameter": "after"}


def test_an_empty_after_is_refused() -> None:
    with pytest.raises(BadRequestError):
        parse_cursor(None, "")


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(BadRequestError):
        parse_cursor(None, None, "beginning")
    with pytest.raises(BadRequestError):
        parse_cursor(None, "1", "snapshot")


def test_leading_zeros_are_not_digits() -> None:
    assert parse_cursor("0" * 5000 + "7") == Cursor(7)


def test_the_refusals_say_where_the_log_is() -> None:
    assert ahead(9, 4).extra == {"tail": 4}
    assert ahead(9, 4).status == 409
    gone = trimmed("run_1", 2, 7)
    assert gone.status == 410
    assert gone.extra == {"snapshot": "/api/v1/runs/run_1"}


def test_the_cursors_of_several_runs() -> None:
    assert parse_cursors("41.7.0", 3) == [41, 7, 0]
    assert parse_cursors("41", 1) == [41]


@pytest.mark.parametrize("text", ["41.7", "41.7.0.1", "41..0", "41.7.", "41.7.x", "41,7,0", "1.+1.1"])
def test_each_of_several_runs_has_its_cursor(text: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        parse_cursors(text, 3)
    assert refused.value.extra == {"parameter": "Last-Event-ID"}


def test_a_place_is_a_run_and_a_cursor() -> None:
    assert parse_place("run_1:41") == ("run_1", 41)
    assert parse_place("run_1") == ("run_1", 0)
    for text in ("run_1:", "run_1:x", "run_1:1:1"):
        with pytest.raises(BadRequestError):
            parse_place(text)


def test_an_event_s_id_names_a_run_and_a_record_of_it() -> None:
    run = f"run_{'0a' * 16}"
    assert parse_event_id(f"{run}:41") == (run, 41)
    for text in ("", ":", "41", run, f"{run}:", f"{run}:x", f"{run}:1:1", f"{run}0:1", "run_1:41"):
        with pytest.raises(BadRequestError) as refused:
            parse_event_id(text)
        assert refused.value.extra == {"parameter": "Last-Event-ID"}
