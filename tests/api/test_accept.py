"""Which form an Accept header asks for (RFC 9110, 12.5.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.api.accept import EVENT_STREAM, HTML, IDENTITY, JSON, NDJSON, choose, coding, names
from headwater.errors import NotAcceptableError

OFFERED = (EVENT_STREAM, NDJSON, JSON)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, EVENT_STREAM),
        ("", EVENT_STREAM),
        ("*/*", EVENT_STREAM),
        ("text/event-stream", EVENT_STREAM),
        ("Text/Event-Stream", EVENT_STREAM),
        ("application/x-ndjson", NDJSON),
        ("application/json", JSON),
        ("application/json; charset=utf-8", JSON),
        ("application/*", NDJSON),
        ("text/*", EVENT_STREAM),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", EVENT_STREAM),
        # what axios and older fetch wrappers send: named before covered by a star
        ("application/json, text/plain, */*", JSON),
        ("application/json, text/event-stream", EVENT_STREAM),
        ("application/json;q=0.5, text/event-stream;q=0.4", JSON),
        ("text/event-stream;q=0, */*", NDJSON),
        ("*/*;q=0.1, application/json;q=0", EVENT_STREAM),
        ("application/*;q=0, application/json", JSON),
        ("text/event-stream;q=many, application/json;q=0.1", JSON),
        ("text/event-stream ; q = 0.1 , application/json ; q = 1.0", JSON),
    ],
)
def test_the_form_that_is_liked_best(accept: str | None, chosen: str) -> None:
    assert choose(accept, OFFERED) == chosen


@pytest.mark.parametrize(
    "accept", ["text/html", "image/*", "*/*;q=0", "application/json;q=0", "json", ";q=1", "*/json"]
)
def test_a_form_that_is_not_there_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptableError):
        choose(accept, OFFERED)


@given(st.text(st.characters(codec="latin-1")))
def test_any_header_chooses_or_is_refused(accept: str) -> None:
    try:
        assert choose(accept, OFFERED) in OFFERED
    except NotAcceptableError:
        pass


@pytest.mark.parametrize(
    ("accept", "named"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("application/json, Text/HTML;q=0.1", True),
        ("text/html;q=0", False),
        ("*/*", False),
        ("text/*", False),
        ("", False),
        (None, False),
    ],
)
def test_a_type_that_is_wanted_by_name(accept: str | None, named: bool) -> None:
    assert names(accept, HTML) is named


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        (None, IDENTITY),
        ("", IDENTITY),
        ("gzip, deflate, br", "br"),
        ("GZIP", "gzip"),
        ("gzip;q=1.0, br;q=0.9", "gzip"),
        ("*", "br"),
        ("*;q=0.5, br;q=0", "gzip"),
        ("br;q=0, gzip;q=0", IDENTITY),
        ("*;q=0", IDENTITY),
        ("identity;q=1, gzip;q=0.5", IDENTITY),
        ("identity, gzip", "gzip"),
        ("zstd", IDENTITY),
    ],
)
def test_the_coding_that_is_liked_best(accepted: str | None, chosen: str) -> None:
    assert coding(accepted, ("br", "gzip", IDENTITY)) == chosen


@given(st.text(st.characters(codec="latin-1")))
def test_any_header_chooses_a_coding_that_is_there(accepted: str) -> None:
    assert coding(accepted, ("gzip", IDENTITY)) in ("gzip", IDENTITY)
    assert coding(accepted, (IDENTITY,)) == IDENTITY
