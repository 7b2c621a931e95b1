"""How query parameters are read: the forms that are taken, and nothing that only looks like them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.api import parameters
from headwater.api.route import Parameter

LIMIT = parameters.integer("limit", 1, 200, "")
STATE = parameters.some_of("state", ["queued", "running", "failed"], "")
SORT = parameters.one_of("sort", ["up", "down"], "")
NAME = parameters.text("name", 5, "")
WHEN = parameters.time("when", "")


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        (LIMIT, "1", 1),
        (LIMIT, "200", 200),
        (LIMIT, "007", 7),
        (STATE, "queued", ("queued",)),
        (STATE, "failed,queued,failed", ("failed", "queued")),
        (SORT, "up", "up"),
        (NAME, "é b/c", "é b/c"),
        (WHEN, "1970-01-01T00:00:00Z", 0),
        (WHEN, "1970-01-01T00:00:01.5Z", 1500),
        (WHEN, "1970-01-01t00:00:00.001z", 1),
        (WHEN, "1970-01-01T02:00:00.123456789+02:00", 123),
        (WHEN, "1969-12-31T23:59:59.999Z", -1),
        (WHEN, "9999-12-31T23:59:59.999Z", 253402300799999),
    ],
)
def test_what_is_taken(parameter: Parameter[Any], text: str, value: object) -> None:
    assert parameter.parse(text) == value


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        *((LIMIT, text) for text in ["", "0", "201", "-1", "+1", " 1", "1.0", "1e2", "0x1", "1_0", "١", "²", "9" * 30]),
        *((STATE, text) for text in ["", "queued,", "QUEUED", "queued, running", "lost"]),
        *((SORT, text) for text in ["", "UP", "up,down"]),
        *((NAME, text) for text in ["", "abcdef"]),
        *(
            (WHEN, text)
            for text in [
                "",
                "0",
                "1700000000000",
                "2026-11-21",
                "2026-11-21T10:00:00",
                "2026-11-21 10:00:00Z",
                "20261121T100000Z",
                "2026-W47-6T10:00:00Z",
                "2026-13-21T10:00:00Z",
                "9999-12-31T23:59:59-00:01",
                "0001-01-01T00:00:00+00:01",
                "2026-02-30T10:00:00Z",
                "2026-11-21T25:00:00Z",
                "2026-11-21T10:00:00 02:00",
                "2026-11-21T10:00:00.Z",
                "0000-01-01T00:00:00Z",
                "2026-11-21T10:00:00+99:00",
            ]
        ),
    ],
)
def test_what_is_not(parameter: Parameter[Any], text: str) -> None:
    with pytest.raises(ValueError):
        parameter.parse(text)


@given(st.integers(-62135596800000, 253402300799999))
def test_a_time_that_is_shown_can_be_asked_for(ms: int) -> None:
    assert parameters.parse_time(parameters.format_time(ms)) == ms


def test_times_have_one_form() -> None:
    assert parameters.format_time(1_795_255_200_000) == "2026-11-21T10:00:00.000Z"
    assert parameters.format_time(1_795_255_200_007) == "2026-11-21T10:00:00.007Z"


@pytest.mark.parametrize("parameter", [LIMIT, STATE, SORT, NAME, WHEN])
@given(text=st.text())
def test_no_text_raises_anything_else(parameter: Parameter[Any], text: str) -> None:
    try:
        parameter.parse(text)
    except ValueError:
        pass
